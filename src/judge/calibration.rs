//! Evidence → log-odds.

use nalgebra::{Matrix3, Vector3};

/// Two numbers that speak for or against.
pub(super) type Evidence = [f64; 2];

/// A logistic regression on two numbers.
#[derive(Clone, Debug)]
pub(super) struct Calibration {
    weights: Evidence,
    offset: f64,
}

impl Calibration {
    /// By Newton's method, both sides counted alike. The truth is smoothed as Platt (1999) does, since a few
    /// examples that happen to be separable prove no certainty.
    pub(super) fn fit(labelled: &[(bool, Evidence)]) -> Calibration {
        let business = labelled.iter().filter(|(side, _)| *side).count();
        let counts = [labelled.len() - business, business].map(|count| count.max(1) as f64);
        let truths = [
            1.0 / (counts[0] + 2.0),
            (counts[1] + 1.0) / (counts[1] + 2.0),
        ];
        // In units of the evidence's own size, where the curve is neither flat nor steep.
        let units = [0, 1].map(|index| {
            let square = |(_, evidence): &(bool, Evidence)| evidence[index].powi(2);
            let mean = labelled.iter().map(square).sum::<f64>() / labelled.len().max(1) as f64;
            mean.sqrt().max(1e-9)
        });
        let mut fit = Vector3::new(1.0, 1.0, 0.0);
        for _ in 0..100 {
            let mut gradient = Vector3::zeros();
            let mut curvature = Matrix3::identity() * 1e-9;
            for (side, evidence) in labelled {
                let side = usize::from(*side);
                let x = Vector3::new(evidence[0] / units[0], evidence[1] / units[1], 1.0);
                let p = 1.0 / (1.0 + (-fit.dot(&x)).exp());
                gradient += x * ((p - truths[side]) / counts[side]);
                curvature += x * x.transpose() * (p * (1.0 - p) / counts[side]);
            }
            let Some(step) = curvature.lu().solve(&gradient) else {
                break;
            };
            // A bounded step keeps Newton's method from overshooting.
            let length = step.norm();
            fit -= step * (2.0 / length.max(1e-12)).min(1.0);
            if length < 1e-9 {
                break;
            }
        }
        Calibration {
            weights: [fit[0] / units[0], fit[1] / units[1]],
            offset: fit[2],
        }
    }

    pub(super) fn log_odds(&self, evidence: Evidence) -> f64 {
        self.weights[0] * evidence[0] + self.weights[1] * evidence[1] + self.offset
    }
}

/// The value below which `share` of `values` lie. Where that is less than one of them, one unit below the
/// least: what a single example happens to be says little.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (share * values.len() as f64) as usize;
    let last = values.len().saturating_sub(1);
    match values.get(index.min(last)) {
        Some(least) if index == 0 => least - 1.0,
        Some(value) => *value,
        None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn weights_are_those_of_scikit_learn() {
        let text = include_str!("../../tests/reference/discriminant.json");
        let reference: Value = serde_json::from_str(text).unwrap();
        let sides: Vec<bool> = serde_json::from_value(reference["labels"].clone()).unwrap();
        let evidence: Vec<Evidence> =
            serde_json::from_value(reference["evidence"].clone()).unwrap();
        let weights: Evidence = serde_json::from_value(reference["weights"].clone()).unwrap();
        let labelled: Vec<_> = sides.into_iter().zip(evidence).collect();
        let fitted = Calibration::fit(&labelled);
        for (weight, expected) in fitted.weights.into_iter().zip(weights) {
            assert!((weight / expected - 1.0).abs() < 1e-3, "{fitted:?}");
        }
        let offset = reference["offset"].as_f64().unwrap();
        assert!((fitted.offset - offset).abs() < 1e-3, "{fitted:?}");
    }

    #[test]
    fn what_cannot_be_fitted_gives_numbers_all_the_same() {
        for labelled in [
            vec![],
            vec![(true, [0.0, 0.0])],
            vec![(true, [1.0, 0.0]), (false, [1.0, 0.0])],
            vec![(true, [60.0, 1e9]), (false, [-60.0, -1e9])],
        ] {
            let log_odds = Calibration::fit(&labelled).log_odds([1.0, 1.0]);
            assert!(log_odds.is_finite(), "{labelled:?}: {log_odds}");
        }
    }

    #[test]
    fn the_quantile_of_few_values_is_below_the_least() {
        for (share, expected) in [(0.02, 0.0), (0.5, 2.0), (1.0, 3.0)] {
            let quantile = quantile(&mut [3.0, 1.0, 2.0], share);
            assert!((quantile - expected).abs() < 1e-12, "{share}: {quantile}");
        }
    }
}
