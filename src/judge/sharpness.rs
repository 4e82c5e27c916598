//! How far densities are to be believed: scores → probabilities of topics.

use super::head::HeldOut;

/// The sharpness of the softmax under which the held-out examples' own topics are likeliest.
pub(super) fn sharpness(held_out: &[HeldOut]) -> f64 {
    let log_likelihood = |sharpness: f64| -> f64 {
        // Every fourth tells as much.
        let members = held_out
            .iter()
            .step_by(4)
            .filter_map(|held| held.reading.scores.get(held.owner).map(|own| (held, *own)));
        members
            .map(|(held, own)| -> f64 {
                let scores = held.reading.scores.iter();
                -scores
                    .map(|score| (sharpness * (score - own)).exp())
                    .sum::<f64>()
                    .min(1e12)
                    .ln()
            })
            .sum()
    };
    // From 1/16 to 16 in steps of the square root of two.
    let candidates = (-8..=8).map(|step| f64::from(step) / 2.0).map(f64::exp2);
    let likelihoods = candidates.map(|candidate| (candidate, log_likelihood(candidate)));
    likelihoods
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(1.0, |(best, _)| best)
}

/// Probabilities that go with log densities.
pub(super) fn softmax(scores: &[f64], sharpness: f64) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<_> = scores
        .iter()
        .map(|score| (sharpness * (score - most)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}
