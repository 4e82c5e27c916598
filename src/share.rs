//! Shares, and how far they can be trusted.

use statrs::distribution::{Beta, ContinuousCDF};

/// The probability outside an interval, on each side.
const TAIL: f64 = 0.025;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
}

impl Share {
    /// How many of `cases` hold.
    pub fn of(cases: impl Iterator<Item = bool>) -> Self {
        let mut share = Share::default();
        cases.for_each(|holds| share.add(holds));
        share
    }

    /// One case more.
    pub fn add(&mut self, holds: bool) {
        self.count += usize::from(holds);
        self.of += 1;
    }

    /// The share itself; none of nothing.
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.count as f64 / self.of as f64)
    }

    /// Where the true share lies with 95 % confidence (Clopper and Pearson 1934); none of nothing. It is exact:
    /// never narrower than it says, however few the cases are.
    pub fn interval(self) -> Option<(f64, f64)> {
        interval(self.count as f64, self.of as f64)
    }
}

/// The same where cases weigh differently: `of` is how many of one weight would tell as much, `count` the weighted
/// share of them (Korn and Graubard 1998, who put such numbers into Clopper and Pearson's formula).
pub fn interval(count: f64, of: f64) -> Option<(f64, f64)> {
    let rest = of - count;
    if !(of > 0.0 && count >= 0.0 && rest >= 0.0) {
        return None;
    }
    let quantile = |a, b, p| Some(Beta::new(a, b).ok()?.inverse_cdf(p));
    let low = match count > 0.0 {
        true => quantile(count, rest + 1.0, TAIL)?,
        false => 0.0,
    };
    let high = match rest > 0.0 {
        true => quantile(count + 1.0, rest, 1.0 - TAIL)?,
        false => 1.0,
    };
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Where the exact tails of the binomial distribution, summed term by term, are 2.5 % each.
    #[test]
    fn intervals_cut_off_the_tails_of_the_binomial_distribution() {
        for (count, of, low, high) in [
            (0, 10, 0.0, 0.308_497),
            (1, 10, 0.002_529, 0.445_016),
            (5, 10, 0.187_086, 0.812_914),
            (10, 10, 0.691_503, 1.0),
            (5, 100, 0.016_432, 0.112_835),
            (0, 1000, 0.0, 0.003_682),
            (20, 1000, 0.012_258, 0.030_720),
            (1, 1, 0.025, 1.0),
            (3, 5000, 0.000_124, 0.001_752),
        ] {
            let (found_low, found_high) = Share { count, of }.interval().unwrap();
            assert!((found_low - low).abs() < 2e-6, "{count}/{of}: {found_low}");
            assert!(
                (found_high - high).abs() < 2e-6,
                "{count}/{of}: {found_high}"
            );
        }
    }

    #[test]
    fn of_nothing_there_is_no_share() {
        let nothing = Share::of(std::iter::empty());
        assert_eq!((nothing.value(), nothing.interval()), (None, None));
        assert_eq!(
            Share::of([true, false, true, true].into_iter()).value(),
            Some(0.75)
        );
    }
}
