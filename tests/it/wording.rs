//! What a question means and how it is written: other spellings get the same decision, and the opposite never
//! gets the same answer.

use std::fs;

use intentgate::intent::Action;
use intentgate::verdict::Decision;

use crate::kit::Judging;

/// Pairs of the same question in two spellings: the kind of difference, then both.
const VARIANTS: &str = "tests/pairs/variants.tsv";
/// Pairs of a question and one that turns it around.
const REVERSED: &str = "tests/pairs/reversed.tsv";

/// Rows of tab-separated fields.
fn rows<const FIELDS: usize>(path: &str) -> Vec<[String; FIELDS]> {
    let text = fs::read_to_string(path).unwrap();
    let fields = |row: &str| row.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let rows = text.lines().map(|row| fields(row).try_into().unwrap());
    rows.collect()
}

// Measured: 96.1 %; half of the others are English with two typing errors.
#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_gets_the_same_decision() {
    let shop = Judging::shipped().await;
    let pairs = rows::<3>(VARIANTS);
    let (mut differing, all) = (0, pairs.len());
    for [kind, one, other] in &pairs {
        let decisions = shop.decide_all(&[one, other]).await;
        if decisions[0].action != decisions[1].action {
            let [one_is, other_is] = [0, 1].map(|n: usize| decisions[n].action.as_str());
            println!("{kind}: {one_is} {one} ≠ {other_is} {other}");
            differing += 1;
        }
    }
    let same = 1.0 - f64::from(differing) / all as f64;
    println!("{:.1} % of {all} pairs agree", 100.0 * same);
    assert!(same >= 0.95, "{same}");
}

/// Pairs whose second half gets the fixed answer of the first, and how many first halves get one.
async fn answered_alike(shop: &Judging) -> (Vec<String>, usize) {
    let pairs = rows::<2>(REVERSED);
    let (mut alike, mut answered) = (Vec::new(), 0);
    let answers = |decision: &Decision| decision.action == Action::Answer;
    for [one, other] in &pairs {
        let decisions = shop.decide_all(&[one, other]).await;
        answered += usize::from(answers(&decisions[0]));
        if answers(&decisions[1]) && decisions[0].intent() == decisions[1].intent() {
            alike.push(format!("{one} = {other}"));
        }
    }
    (alike, answered)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opposite_of_a_question_does_not_get_its_answer() {
    let (alike, answered) = answered_alike(Judging::shipped().await).await;
    println!("{answered} first halves are answered");
    assert!(alike.is_empty(), "{alike:#?}");
}

// The harder case: the first halves are the very examples of intents that answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_opposite_of_an_example_does_not_get_its_answer() {
    let topics = [
        ("refund", ["退", "refund"]),
        ("cancel", ["取消", "cancel"]),
        ("invoice", ["发票", "invoice"]),
        ("subscription", ["", ""]),
    ];
    let pairs = rows::<2>(REVERSED);
    let mut files: Vec<_> = topics
        .iter()
        .map(|(name, _)| {
            let head = format!("title = '{name}'\naction = 'answer'\nreply = 'about {name}'\n");
            (*name, format!("{head}examples = '''\n"))
        })
        .collect();
    for [example, _] in &pairs {
        let about = |words: &[&str; 2]| words.iter().any(|word| example.contains(word));
        let topic = topics.iter().position(|(_, words)| about(words)).unwrap();
        files[topic].1 += &format!("{example}\n");
    }
    files.iter_mut().for_each(|(_, text)| *text += "'''\n");
    let shop = Judging::by_files(&files, "gate.background = true").await;
    let (alike, answered) = answered_alike(&shop).await;
    println!("{answered} first halves are answered");
    assert!(answered > pairs.len() / 2, "{answered}");
    assert!(alike.is_empty(), "{alike:#?}");
}
