//! What a judge is fitted to: the shop's examples, and what is known of any shop.

use std::sync::Arc;

use super::Vectors;
use crate::embed::{Embedder, General, Known, Layout};
use crate::intent::{Action, Intent};
use crate::judge::{Background, Group, Material};
use crate::language::script_of;
use crate::verdict::Topic;

/// A model of the shop's choice embeds one in so many references itself.
const EMBEDDED: usize = 5;

/// References of the general evidence, with vectors of the model that judges; none where the background is off.
#[derive(Debug, Default)]
pub(super) struct References {
    general: Option<Arc<General>>,
    /// What each is, and its vectors.
    pub(super) rows: Vec<Row>,
}

/// A reference.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) known: Known,
    pub(super) text: String,
    /// None where the model that judges has to make them.
    vectors: Option<Box<[f32]>>,
}

impl References {
    pub(super) fn new(embedder: &Embedder, on: bool) -> References {
        let Some(general) = embedder.general().filter(|_| on) else {
            return References::default();
        };
        let bundled = embedder.is_bundled();
        let rows = general.references().iter().enumerate();
        let rows =
            rows.step_by(if bundled { 1 } else { EMBEDDED })
                .map(|(index, (known, text))| Row {
                    known: *known,
                    text: text.clone(),
                    vectors: bundled.then(|| general.vectors(index)),
                });
        References {
            rows: rows.collect(),
            general: Some(general.clone()),
        }
    }

    /// What has to be embedded.
    pub(super) fn texts(&self) -> impl Iterator<Item = &String> {
        let unknown = self.rows.iter().filter(|row| row.vectors.is_none());
        unknown.map(|row| &row.text)
    }

    /// Those of a kind that have vectors, `length` numbers of them.
    fn of<'v>(
        &'v self,
        vectors: &'v Vectors,
        length: usize,
    ) -> impl Iterator<Item = (&'v Row, &'v [f32])> {
        self.rows.iter().filter_map(move |row| {
            let own = row.vectors.as_ref().or_else(|| vectors.get(&row.text))?;
            Some((row, own.get(..length)?))
        })
    }

    /// The off-topic ones, as the judge's last group has them.
    pub(super) fn off_topic(&self, vectors: &Vectors, length: usize) -> Vec<(String, Box<[f32]>)> {
        self.of(vectors, length)
            .filter(|(row, _)| row.known == Known::OffTopic)
            .map(|(row, vectors)| (row.text.clone(), vectors.into()))
            .collect()
    }

    /// What a judge is fitted to.
    pub(super) fn material<'v>(
        &'v self,
        intents: &[Intent],
        vectors: &'v Vectors,
        layout: &'v Layout,
    ) -> Material<'v> {
        let mut groups: Vec<_> = intents
            .iter()
            .map(|intent| {
                let examples = read_examples(intent)
                    .filter_map(|text| Some((&**vectors.get(text)?, script_of(text))));
                let (examples, scripts) = examples.unzip();
                Group {
                    topic: Topic::Intent(intent.name.clone()),
                    action: intent.action,
                    examples,
                    scripts,
                }
            })
            .collect();
        let length = length(&groups, layout);
        let of = |known: &dyn Fn(Known) -> bool| -> Vec<_> {
            let rows = self.of(vectors, length);
            rows.filter(|(row, _)| known(row.known))
                .map(|(row, vectors)| (row.known, vectors))
                .collect()
        };
        let off_topic = of(&|known| known == Known::OffTopic);
        if !off_topic.is_empty() {
            groups.push(Group {
                topic: Topic::OffTopic,
                action: Action::Reject,
                scripts: vec![None; off_topic.len()],
                examples: off_topic.into_iter().map(|(_, vectors)| vectors).collect(),
            });
        }
        let general = self.general.as_ref().map(|general| Background {
            general: general.clone(),
            references: of(&|known| known != Known::OffTopic),
        });
        Material {
            groups,
            general,
            layout,
        }
    }
}

/// How many numbers the examples' vectors have: all of the layout, or those of its static stage.
fn length(groups: &[Group<'_>], layout: &Layout) -> usize {
    let mut examples = groups.iter().flat_map(|group| &group.examples);
    examples.next().map_or(layout.length(), |first| first.len())
}

pub(super) fn read_examples(intent: &Intent) -> impl Iterator<Item = &String> {
    intent.examples.iter().map(|example| &example.read)
}
