//! How numbers are spread: mean, standard deviation, and percentiles to a thousandth, in memory that does not grow.

use hdrhistogram::Histogram;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Significant digits of percentiles.
const DIGITS: u8 = 3;
/// A larger number counts as this in percentiles: hours in microseconds, and more tokens than any reply has.
const MOST: u64 = 1 << 36;
/// The probability outside an interval, on each side.
const TAIL: f64 = 0.025;

/// How numbers from 0 on are spread.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    mean: f64,
    /// The sum of squared distances to the mean (Welford 1962).
    squares: f64,
    /// None before the first.
    values: Option<Histogram<u64>>,
}

impl Spread {
    /// Adds a number; one below 0 counts as 0.
    pub fn add(&mut self, number: i64) {
        let number = number.max(0).cast_unsigned();
        self.count += 1;
        let before = number as f64 - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (number as f64 - self.mean);
        if self.values.is_none() {
            // Only a number of digits that does not exist is refused.
            self.values = Histogram::new(DIGITS).ok();
        }
        if let Some(values) = &mut self.values {
            // It resizes itself, up to what memory holds.
            values.record(number.min(MOST)).unwrap_or_default();
        }
    }

    /// The mean; none of nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The standard deviation; none of fewer than two.
    pub fn stddev(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }

    /// The number that a share of all do not exceed; none of nothing.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        Some(self.values.as_ref()?.value_at_quantile(share) as f64)
    }

    /// The share of numbers that do not exceed one; none of nothing.
    pub fn share_up_to(&self, number: u64) -> Option<f64> {
        Some(self.values.as_ref()?.quantile_below(number))
    }

    /// Half of the interval that holds with 95 % confidence the sum of `more` numbers of the same kind, around
    /// `more` times the mean: that the mean is not known exactly, and that no number is the mean, are both in it.
    /// None of fewer than two.
    pub fn doubt_of_sum(&self, more: u64) -> Option<f64> {
        let (count, more) = (self.count as f64, more as f64);
        let students = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
        let width = students.inverse_cdf(1.0 - TAIL) * self.stddev()?;
        Some(width * (more + more * more / count).sqrt())
    }

    /// Both together.
    #[must_use]
    pub fn with(mut self, other: &Spread) -> Spread {
        let Some(others) = &other.values else {
            return self;
        };
        let count = (self.count + other.count) as f64;
        let apart = other.mean - self.mean;
        let part = other.count as f64 / count;
        self.squares += other.squares + apart * apart * self.count as f64 * part;
        self.mean += apart * part;
        self.count += other.count;
        match &mut self.values {
            // Both resize themselves.
            Some(values) => values.add(others).unwrap_or_default(),
            None => self.values = Some(others.clone()),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: impl IntoIterator<Item = i64>) -> Spread {
        let mut spread = Spread::default();
        numbers.into_iter().for_each(|number| spread.add(number));
        spread
    }

    #[test]
    fn figures_are_those_of_the_numbers() {
        let spread = of([2, 4, 4, 4, 5, 5, 7, 9]);
        assert!((spread.mean().unwrap() - 5.0).abs() < 1e-12);
        assert!((spread.stddev().unwrap() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        for (share, expected) in [(0.1, 2.0), (0.5, 4.0), (0.75, 5.0), (0.9, 9.0)] {
            assert_eq!(spread.quantile(share), Some(expected), "{share}");
        }
        assert_eq!(spread.share_up_to(5), Some(0.75));
        let wide = of((1..=100_000).map(|step| step * 37));
        let median = wide.quantile(0.5).unwrap();
        assert!((median / (50_000.0 * 37.0) - 1.0).abs() < 1e-3, "{median}");
    }

    #[test]
    fn of_nothing_little_is_known() {
        let (nothing, one) = (of([]), of([7]));
        assert_eq!(
            (
                nothing.mean(),
                nothing.quantile(0.5),
                nothing.doubt_of_sum(3)
            ),
            (None, None, None)
        );
        assert_eq!(
            (one.mean(), one.stddev(), one.doubt_of_sum(3)),
            (Some(7.0), None, None)
        );
    }

    #[test]
    fn two_spreads_are_as_one() {
        let numbers: Vec<i64> = (0..500).map(|step| step * step % 997).collect();
        let whole = of(numbers.iter().copied());
        let (one, other) = numbers.split_at(123);
        let both = of(one.iter().copied()).with(&of(other.iter().copied()));
        assert_eq!(both.count, whole.count);
        assert!((both.mean - whole.mean).abs() < 1e-9);
        assert!((both.stddev().unwrap() - whole.stddev().unwrap()).abs() < 1e-9);
        assert_eq!(both.quantile(0.9), whole.quantile(0.9));
        assert_eq!(of([]).with(&whole).mean(), whole.mean());
    }

    // Of what is drawn from one source, the interval holds the sum of what comes next as often as it says.
    #[test]
    fn the_interval_of_a_sum_holds() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut draw = || (-200.0 * (1.0 - random.f64()).ln()) as i64;
        let (mut held, trials) = (0, 2000);
        for _ in 0..trials {
            let known = of((0..60).map(|_| draw()));
            let next: i64 = (0..200).map(|_| draw()).sum();
            let expected = 200.0 * known.mean().unwrap();
            held += usize::from((next as f64 - expected).abs() <= known.doubt_of_sum(200).unwrap());
        }
        // Replies are skewed, and sixty are few: a little less than 95 %.
        assert!(
            (trials * 92..=trials * 97).contains(&(held * 100)),
            "{held} of {trials}"
        );
    }
}
