//! Numbers as people read them: with thousands separators and units, and no digit more than the figure has.

use crate::language::say;

/// A count: `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share: `30.6 %`; of few percent `0.61 %`.
pub fn percent(share: f64) -> String {
    let digits = if share > 0.0 && share < 0.01 { 2 } else { 1 };
    format!("{:.digits$} %", 100.0 * share)
}

/// An estimate to the place where what is unknown of it, `doubt`, has its second digit: `2,346,000`. Without a
/// doubt that is known it has three digits.
pub fn estimate(value: f64, doubt: Option<f64>) -> String {
    let place = place_of(value, doubt).max(1.0);
    let rounded = (value / place).round() * place;
    count(rounded.max(0.0) as u64)
}

/// An amount that was added up: `CNY 1,234.50`, `CNY 0.0123`.
pub fn money(currency: &str, amount: f64) -> String {
    let digits = if amount.abs() < 1.0 { 4 } else { 2 };
    amount_of(currency, amount, digits)
}

/// An amount that is an estimate.
pub fn money_estimate(currency: &str, amount: f64, doubt: Option<f64>) -> String {
    let place = place_of(amount, doubt);
    let digits = (-place.log10()).ceil().clamp(0.0, 4.0);
    let rounded = (amount / place).round() * place;
    amount_of(currency, rounded, digits as usize)
}

/// A time that a program took, from microseconds: `0.42 ms`, `4.1 ms`, `212 ms`, `2.13 s`.
pub fn time(micros: f64) -> String {
    let (value, unit) = match micros {
        micros if micros < 1e6 => (micros / 1e3, "ms"),
        micros => (micros / 1e6, "s"),
    };
    let digits = match value {
        value if value < 1.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// A time that people waited, from microseconds: `7 h 12 min`, `3 d 4 h`.
pub fn waited(micros: f64) -> String {
    let seconds = (micros / 1e6).round().max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => {
            let (days, hours) = (count(days), hours % 24);
            say(
                format!("{days} 天 {hours} 小时"),
                format!("{days} d {hours} h"),
            )
        }
        () if hours > 0 => {
            let minutes = minutes % 60;
            say(
                format!("{hours} 小时 {minutes} 分钟"),
                format!("{hours} h {minutes} min"),
            )
        }
        () if minutes >= 10 => {
            let minutes = (micros / 6e7).round();
            say(format!("{minutes} 分钟"), format!("{minutes} min"))
        }
        () if minutes > 0 => {
            let seconds = seconds % 60;
            say(
                format!("{minutes} 分 {seconds} 秒"),
                format!("{minutes} min {seconds} s"),
            )
        }
        () => time(micros),
    }
}

/// Log-odds: `-4.31`.
pub fn log_odds(value: f64) -> String {
    format!("{value:+.2}")
}

/// The power of ten of the last digit that says something.
fn place_of(value: f64, doubt: Option<f64>) -> f64 {
    let doubt = doubt.filter(|doubt| *doubt > 0.0);
    let digit = match doubt {
        Some(doubt) => doubt.log10().floor() - 1.0,
        None if value.abs() > 0.0 => value.abs().log10().floor() - 2.0,
        None => 0.0,
    };
    10_f64.powf(digit)
}

fn amount_of(currency: &str, amount: f64, digits: usize) -> String {
    let written = format!("{:.digits$}", amount.abs());
    let (whole, decimals) = written.split_once('.').unwrap_or((&written, ""));
    let sign = if amount < 0.0 { "-" } else { "" };
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    let point = if digits > 0 { "." } else { "" };
    format!("{currency} {sign}{whole}{point}{decimals}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_345_678, "12,345,678"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(number), expected);
        }
    }

    #[test]
    fn estimates_end_where_they_are_unknown() {
        for (value, doubt, expected) in [
            (2_345_678.0, Some(45_000.0), "2,346,000"),
            (2_345_678.0, Some(4.0), "2,345,678"),
            (2_345_678.0, None, "2,350,000"),
            (212.4, Some(80.0), "212"),
            (0.0, None, "0"),
            (3.0, Some(40_000.0), "0"),
        ] {
            assert_eq!(estimate(value, doubt), expected, "{value} {doubt:?}");
        }
        for (amount, doubt, expected) in [
            (1234.567, Some(20.0), "CNY 1,235"),
            (1234.567, Some(0.2), "CNY 1,234.57"),
            (1234.567, None, "CNY 1,230"),
            (0.012_345, Some(0.001), "CNY 0.0123"),
            (0.0, None, "CNY 0"),
        ] {
            assert_eq!(money_estimate("CNY", amount, doubt), expected, "{amount}");
        }
    }

    #[test]
    fn amounts_times_and_shares_have_their_units() {
        assert_eq!(money("CNY", 1234.5), "CNY 1,234.50");
        assert_eq!(money("USD", 0.012_345), "USD 0.0123");
        for (micros, expected) in [
            (420.0, "0.42 ms"),
            (4_100.0, "4.1 ms"),
            (212_300.0, "212 ms"),
            (2_130_000.0, "2.1 s"),
            (130_000_000.0, "130 s"),
        ] {
            assert_eq!(time(micros), expected);
        }
        for (seconds, expected) in [
            (0.2, "200 ms"),
            (61.0, "1 min 1 s"),
            (774.0, "13 min"),
            (25_920.0, "7 h 12 min"),
            (273_600.0, "3 d 4 h"),
        ] {
            assert_eq!(waited(1e6 * seconds), expected);
        }
        assert_eq!(
            (percent(0.306), percent(0.0061)),
            ("30.6 %".into(), "0.61 %".into())
        );
    }
}
