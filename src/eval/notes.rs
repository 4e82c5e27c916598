//! What an operator should know about a file of questions, besides its figures.

use std::collections::{BTreeMap, HashSet};

use super::Question;
use super::labels::{Folder, either};
use crate::intent::{Action, IntentName};
use crate::language::Phrase;

/// All notes. `counted_alone` says how many lines have an intent that no folder has.
pub(super) fn of(
    folders: &[Folder<'_>],
    questions: &[Question],
    counted_alone: &BTreeMap<String, usize>,
) -> Vec<Phrase> {
    let alone = counted_alone.iter().map(|(name, lines)| {
        let Phrase { zh, en } = either(folders);
        Phrase::new(
            format!("{zh} 里没有意图 \"{name}\"：这样标注的行只看是不是店里的事，共 {lines} 行"),
            format!("{en} has no intent \"{name}\"; lines so labelled count as on-topic or off-topic only: {lines}"),
        )
    });
    let moved = moved(folders, questions).into_iter().map(|(name, on_topic)| {
        let (zh, en) = if on_topic {
            ("店里的事", "on-topic")
        } else {
            ("无关的", "off-topic")
        };
        Phrase::new(
            format!("意图 {name} 在一个文件夹里婉拒，在另一个里不婉拒；只标了意图的行，两边都按{zh}算"),
            format!("one folder rejects {name}, the other does not; lines labelled with it alone count as {en} for both"),
        )
    });
    let seen = folders.iter().filter_map(|folder| seen(folder, questions));
    alone.chain(moved).chain(seen).collect()
}

/// Intents of labels that reject in one folder and do not in another, and the side they count as.
fn moved(folders: &[Folder<'_>], questions: &[Question]) -> BTreeMap<IntentName, bool> {
    let labels = questions
        .iter()
        .filter_map(|question| question.intent.as_ref());
    let moved = labels.filter_map(|name| {
        let intents = folders.iter().flat_map(|folder| folder.intents);
        let of_name = intents.filter(|intent| intent.name == *name);
        let mut sides = of_name.map(|intent| intent.action != Action::Reject);
        let first = sides.next()?;
        sides
            .any(|side| side != first)
            .then(|| (name.clone(), first))
    });
    moved.collect()
}

/// Questions that the intents were fitted to say little about those that were not seen.
fn seen(folder: &Folder<'_>, questions: &[Question]) -> Option<Phrase> {
    let examples = folder.intents.iter().flat_map(|intent| &intent.examples);
    let examples: HashSet<_> = examples.map(|example| example.text.as_str()).collect();
    let seen = questions
        .iter()
        .filter(|q| examples.contains(q.text.as_str()));
    let (count, name) = (seen.count(), folder.name);
    (count > 0).then(|| {
        Phrase::new(
            format!("有 {count} 个问题原样写在 {name} 的例句里，数字会因此偏好"),
            format!("questions that stand word for word among the examples of {name}, which flatters the figures: {count}"),
        )
    })
}
