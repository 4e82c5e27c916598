//! What a judge is fitted to: the shop's examples, and the rows of the background that they do not claim.

use std::collections::HashSet;

use super::Vectors;
use crate::background;
use crate::embed::Layout;
use crate::intent::{Action, Intent};
use crate::judge::{Claims, Group, Material};
use crate::text;
use crate::verdict::Topic;

/// The rows of the background; none where it is off.
#[derive(Debug, Default)]
pub(super) struct Background {
    off_topic: Vec<(&'static str, Vec<Row>)>,
    business: Vec<Row>,
    follow_ups: Vec<Row>,
}

/// A row as it is written, and as the model reads it.
#[derive(Debug)]
struct Row {
    written: &'static str,
    read: String,
}

impl Background {
    pub(super) fn new(on: bool) -> Background {
        if !on {
            return Background::default();
        }
        let off_topic = background::off_topic().into_iter();
        Background {
            off_topic: off_topic
                .map(|(kind, of_kind)| (kind, rows(of_kind)))
                .collect(),
            business: rows(background::business()),
            follow_ups: rows(background::follow_ups()),
        }
    }

    /// What is embedded for a snapshot, each text once, as the model reads it.
    pub(super) fn texts(&self, intents: &[Intent]) -> Vec<String> {
        let off_topic = self.off_topic.iter().flat_map(|(_, rows)| rows);
        let rows = off_topic.chain(&self.business).chain(&self.follow_ups);
        let mut met = HashSet::new();
        read_examples(intents)
            .chain(rows.map(|row| &row.read))
            .filter(|text| met.insert(*text))
            .cloned()
            .collect()
    }

    /// What a judge is fitted to, and the rows that were left out since the shop's examples claim them. What
    /// they say already is no row either.
    pub(super) fn material<'v>(
        &self,
        intents: &[Intent],
        vectors: &'v Vectors,
        layout: &'v Layout,
    ) -> (Material<'v>, Vec<&'static str>) {
        let said: HashSet<_> = read_examples(intents).collect();
        let kept = |row: &&Row| vectors.contains_key(&row.read) && !said.contains(&row.read);
        let kinds: Vec<(_, Vec<_>)> = self
            .off_topic
            .iter()
            .map(|(kind, rows)| (*kind, rows.iter().filter(kept).collect()))
            .collect();
        let business: Vec<_> = self.business.iter().filter(kept).collect();
        let vector = |text: &String| vectors.get(text).map(|vectors| &**vectors);
        let of_rows = |rows: &[&Row]| rows.iter().filter_map(|row| vector(&row.read)).collect();

        let own = intents.iter().map(|intent| Group {
            topic: Topic::Intent(intent.name.clone()),
            action: intent.action,
            examples: read_examples(std::slice::from_ref(intent))
                .filter_map(vector)
                .collect(),
        });
        let off_topic = kinds.iter().map(|(kind, rows)| Group {
            topic: Topic::Background(kind),
            action: Action::Reject,
            examples: of_rows(rows),
        });
        let mut material = Material {
            groups: own.chain(off_topic).collect(),
            business: of_rows(&business),
            follow_ups: of_rows(&self.follow_ups.iter().filter(kept).collect::<Vec<_>>()),
            layout,
        };
        let claims = Claims::of(&material);
        let claimed = claims.off_topic.iter().map(|(group, index)| {
            let (_, rows) = &kinds[group - intents.len()];
            rows[*index].written
        });
        let claimed = claimed.chain(claims.business.iter().map(|index| business[*index].written));
        let claimed = claimed.collect();
        material.leave_out(&claims);
        (material, claimed)
    }
}

fn rows(written: Vec<&'static str>) -> Vec<Row> {
    let row = |written: &'static str| Row {
        written,
        read: text::normalise(written).into_owned(),
    };
    written.into_iter().map(row).collect()
}

fn read_examples(intents: &[Intent]) -> impl Iterator<Item = &String> {
    let examples = intents.iter().flat_map(|intent| &intent.examples);
    examples.map(|example| &example.read)
}
