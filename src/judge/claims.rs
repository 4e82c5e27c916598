//! Which rows of the background the shop's own examples claim: a shop that sells weather stations is asked
//! about the weather.

use super::head::Head;
use super::{Material, Side};
use crate::verdict::{Stage, Topic};

/// An intent claims a row that is nearer to it than to any other kind of the background, by so many nats.
const NEARER: f64 = 9.0;

/// The rows of `material` that the shop's own examples claim: of its groups, by group and place; and of
/// commonplace business, by place.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// Off-topic rows that business claims.
    pub off_topic: Vec<(usize, usize)>,
    /// Rows of business that a reject intent claims.
    pub business: Vec<usize>,
}

impl Claims {
    /// Finds them. Static vectors are enough to tell, where there are any.
    pub fn of(material: &Material<'_>) -> Claims {
        let own = |group: usize| matches!(material.groups[group].topic, Topic::Intent(_));
        // A judge of static vectors alone serves for the seconds until the full one is there.
        if (0..material.groups.len()).all(own) || material.stage() == Stage::Static {
            return Claims::default();
        }
        let (head, held_out) = Head::fit(
            material,
            material
                .layout
                .static_blocks()
                .unwrap_or(&material.layout.blocks),
            false,
        );
        let best = |scores: &[f64], of: &dyn Fn(usize) -> bool| {
            let scores = scores.iter().enumerate().filter(|(group, _)| of(*group));
            scores
                .map(|(_, score)| *score)
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let business = |group: usize| material.groups[group].side() == Side::Business;
        let rows = held_out
            .iter()
            .filter(|held| held.owner < material.groups.len() && !own(held.owner));
        let off_topic = rows.filter(|held| {
            let scores = &held.reading.scores;
            let rival = best(scores, &|group| group != held.owner && !business(group));
            best(scores, &business) - rival > NEARER
        });
        let rejected = |vectors: &&[f32]| {
            let scores = head.read(vectors).scores;
            let claims = best(&scores, &|group| own(group) && !business(group));
            claims - best(&scores, &business) > NEARER
        };
        Claims {
            off_topic: off_topic.map(|held| (held.owner, held.index)).collect(),
            business: (0..material.business.len())
                .filter(|index| rejected(&material.business[*index]))
                .collect(),
        }
    }
}
