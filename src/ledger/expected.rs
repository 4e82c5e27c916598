//! How long a reply would have been: what forwarded questions of this shop really drew.

use std::collections::{BTreeMap, HashMap};

/// Models that are told apart; what comes after them counts for all together only.
const MOST_MODELS: usize = 256;
/// A model speaks for itself from so many replies on.
const ENOUGH: f64 = 20.0;
/// A reply weighs at least one in so many, so that the mean follows the shop.
const MEMORY: f64 = 10_000.0;

/// Completion tokens of replies, of all models and of each.
#[derive(Debug, Default)]
pub(super) struct Expected {
    all: Running,
    models: HashMap<String, Running>,
}

/// A mean and a variance that follow what comes (Welford 1962; exponentially weighted once there is enough).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Running {
    count: f64,
    /// The mean; 0 of nothing.
    pub(super) mean: f64,
    variance: f64,
}

/// Calls that were saved before any reply was known, to be given their completion tokens once. It takes no more
/// memory however many they are.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Unknown {
    pub(super) calls: f64,
    /// What one completion token of each of them costs, added up, by currency.
    pub(super) token_costs: BTreeMap<String, f64>,
}

impl Unknown {
    /// Takes in a call, and what a completion token of it costs where that is known.
    pub(super) fn add(&mut self, token_cost: Option<f64>, currency: &str) {
        self.calls += 1.0;
        let Some(cost) = token_cost else { return };
        match self.token_costs.get_mut(currency) {
            Some(sum) => *sum += cost,
            None => drop(self.token_costs.insert(currency.to_owned(), cost)),
        }
    }
}

impl Expected {
    /// Takes in one reply.
    pub(super) fn observe(&mut self, model: &str, completion: f64) {
        let one = Running {
            count: 1.0,
            mean: completion,
            variance: 0.0,
        };
        self.join(model, one);
    }

    /// Takes in what is known of many replies.
    pub(super) fn join(&mut self, model: &str, replies: Running) {
        self.all.join(replies);
        if let Some(own) = self.models.get_mut(model) {
            own.join(replies);
        } else if self.models.len() < MOST_MODELS {
            self.models.insert(model.to_owned(), replies);
        }
    }

    /// Tokens that a reply of `model` would have had; 0 while nothing is known.
    pub(super) fn of(&self, model: &str) -> f64 {
        let own = self.models.get(model).filter(|own| own.count >= ENOUGH);
        own.unwrap_or(&self.all).mean
    }

    /// Whether any reply is known.
    pub(super) fn is_known(&self) -> bool {
        self.all.count > 0.0
    }

    /// The replies of all models together.
    pub(super) fn all(&self) -> Running {
        self.all
    }
}

impl Running {
    /// Of `count` replies with their mean and variance.
    pub(super) fn new(count: f64, mean: f64, variance: f64) -> Self {
        Running {
            count,
            mean,
            variance,
        }
    }

    /// The standard deviation.
    pub(super) fn deviation(&self) -> f64 {
        self.variance.max(0.0).sqrt()
    }

    /// Two means and variances are those of everything together (Chan, Golub and LeVeque 1979).
    fn join(&mut self, other: Running) {
        let count = self.count + other.count;
        if count <= 0.0 {
            return;
        }
        let (share, apart) = (other.count / count, other.mean - self.mean);
        self.variance += share * (other.variance - self.variance);
        self.variance += share * (1.0 - share) * apart * apart;
        self.mean += share * apart;
        self.count = count.min(MEMORY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: [f64; 5] = [2.0, 4.0, 4.0, 10.0, 80.0];

    #[test]
    fn mean_and_deviation_are_those_of_all_replies() {
        let mut expected = Expected::default();
        assert_eq!(expected.of("m"), 0.0);
        for reply in REPLIES {
            expected.observe("m", reply);
        }
        let mean = 20.0;
        let variance = REPLIES.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 5.0;
        assert!((expected.of("m") - mean).abs() < 1e-9);
        assert!((expected.all().deviation() - variance.sqrt()).abs() < 1e-9);

        let mut joined = Expected::default();
        joined.observe("m", 2.0);
        joined.join("m", Running::new(2.0, 4.0, 0.0));
        joined.join("m", Running::new(2.0, 45.0, 35.0_f64.powi(2)));
        assert!((joined.of("m") - mean).abs() < 1e-9);
        assert!((joined.all().deviation() - variance.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_model_speaks_for_itself_once_it_is_known() {
        let mut expected = Expected::default();
        for _ in 0..19 {
            expected.observe("long", 100.0);
            expected.observe("short", 10.0);
        }
        assert!((expected.of("long") - 55.0).abs() < 1e-9);
        expected.observe("long", 100.0);
        assert!((expected.of("long") - 100.0).abs() < 1e-9);
        let other = expected.of("unknown");
        assert!((50.0..60.0).contains(&other), "{other}");
    }

    #[test]
    fn the_mean_follows_a_shop_that_changes() {
        let mut expected = Expected::default();
        for _ in 0..100_000 {
            expected.observe("m", 10.0);
        }
        for _ in 0..50_000 {
            expected.observe("m", 20.0);
        }
        assert!(expected.of("m") > 19.0);
        for model in 0..1_000 {
            expected.observe(&model.to_string(), 20.0);
        }
        assert!(expected.models.len() <= MOST_MODELS);
    }
}
