//! The time that a report is about, and the days or hours it falls into, on the clock of the machine's time zone.

use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Unit, ZonedDateTime};

use crate::language::say;

/// Up to this long a report goes by the hour, beyond by the day.
const BY_THE_HOUR: SignedDuration = SignedDuration::from_hours(48);

/// An end of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// As the operator wrote it.
    pub written: String,
    when: When,
}

#[derive(Clone, Debug, PartialEq)]
enum When {
    /// So long ago: `7d`.
    Ago(Duration),
    /// By the clock on the wall: `2026-11-24`, `2026-11-24T08:30`.
    Local(DateTime),
    /// Anywhere on earth: `2026-11-24T08:30:00+08:00`.
    Instant(Timestamp),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ago = humantime::parse_duration(text).ok().map(When::Ago);
        let instant = || Timestamp::from_str(text).ok().map(When::Instant);
        let local = || DateTime::from_str(text).ok().map(When::Local);
        let when = ago.or_else(instant).or_else(local).ok_or_else(|| {
            say(
                "请写多久以前，如 7d、24h，或时刻，如 2026-11-24、2026-11-24T08:30、2026-11-24T08:30:00+08:00",
                "write how long ago, such as 7d or 24h, or when, such as 2026-11-24, 2026-11-24T08:30 or 2026-11-24T08:30:00+08:00",
            )
        })?;
        Ok(Moment {
            written: text.to_owned(),
            when,
        })
    }
}

impl Moment {
    fn resolve(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.when {
            When::Ago(ago) => now.checked_sub(*ago).ok(),
            When::Local(local) => Some(local.to_zoned_datetime(zone.clone()).ok()?.timestamp()),
            When::Instant(instant) => Some(*instant),
        }
    }
}

/// From when to when, in days or hours.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its begin.
    pub from: Timestamp,
    /// Its end, which is not part of it.
    pub until: Timestamp,
    /// Whether its parts are hours.
    pub hourly: bool,
    zone: TimeZone,
    /// When each part begins, in microseconds; the first not after `from`.
    starts: Vec<i64>,
}

impl Span {
    /// From `since` to `until`, or to now.
    ///
    /// # Errors
    /// A span that holds no time, said for people.
    pub fn new(
        since: &Moment,
        until: Option<&Moment>,
        now: Timestamp,
        zone: TimeZone,
    ) -> Result<Span, String> {
        let end = until.map_or(Some(now), |until| until.resolve(now, &zone));
        let ends = since.resolve(now, &zone).zip(end);
        let (from, until) = ends.filter(|(from, until)| from < until).ok_or_else(|| {
            say(
                "--since 不早于 --until；请把 --since 写得更早",
                "--since is not before --until; write an earlier --since",
            )
        })?;
        Ok(Span {
            hourly: until.duration_since(from) <= BY_THE_HOUR,
            starts: Vec::new(),
            from,
            until,
            zone,
        })
    }

    /// Divides it; nothing happened before `first`, in microseconds.
    pub fn divide(&mut self, first: i64) {
        let first = Timestamp::from_microsecond(first).unwrap_or(self.from);
        let from = first
            .clamp(self.from, self.until)
            .to_zoned_datetime(self.zone.clone());
        let mut next = from.start_of_day().ok();
        let mut starts = Vec::new();
        while let Some(start) = next.filter(|start| start.timestamp() < self.until) {
            starts.push(start.timestamp().as_microsecond());
            next = match self.hourly {
                true => start.checked_add(1.hour()).ok(),
                false => start.tomorrow().ok(),
            };
        }
        let before = starts.partition_point(|start| *start <= from.timestamp().as_microsecond());
        self.starts = starts.split_off(before.saturating_sub(1));
    }

    /// In microseconds of Unix time.
    pub fn micros(&self) -> Range<i64> {
        self.from.as_microsecond()..self.until.as_microsecond()
    }

    /// How many days or hours.
    pub fn parts(&self) -> usize {
        self.starts.len()
    }

    /// The part that a time falls into.
    pub fn part(&self, at: i64) -> usize {
        let begun = self.starts.partition_point(|start| *start <= at);
        begun.saturating_sub(1)
    }

    /// When a part begins, as a table has it: `2026-11-24`, `2026-11-24 08:00`.
    pub fn name(&self, part: usize) -> String {
        let pattern = if self.hourly {
            "%Y-%m-%d %H:%M"
        } else {
            "%Y-%m-%d"
        };
        self.starts.get(part).map_or_else(String::new, |start| {
            self.local(*start).strftime(pattern).to_string()
        })
    }

    /// The same, as short as an axis needs it: `11-24`, `08:00`.
    pub fn tick(&self, part: usize) -> String {
        let pattern = if self.hourly { "%H:%M" } else { "%m-%d" };
        self.starts.get(part).map_or_else(String::new, |start| {
            self.local(*start).strftime(pattern).to_string()
        })
    }

    /// A time to the minute: `2026-11-24 08:30`.
    pub fn clock(&self, at: i64) -> String {
        self.local(at).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// A time for programs, RFC 3339.
    pub fn stamp(&self, at: i64) -> String {
        let local = self.local(at);
        let local = local.round(Unit::Second).unwrap_or(local);
        local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    fn local(&self, at: i64) -> ZonedDateTime {
        let at = Timestamp::from_microsecond(at).unwrap_or(self.from);
        at.to_zoned_datetime(self.zone.clone())
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::{self, Offset};

    use super::*;

    fn shanghai() -> TimeZone {
        TimeZone::fixed(tz::offset(8))
    }

    fn now() -> Timestamp {
        "2026-11-24T02:30:00Z".parse().unwrap()
    }

    fn span(since: &str, until: Option<&str>, zone: TimeZone) -> Result<Span, String> {
        let until = until.map(|until| until.parse().unwrap());
        let mut span = Span::new(&since.parse().unwrap(), until.as_ref(), now(), zone)?;
        span.divide(i64::MIN);
        Ok(span)
    }

    #[test]
    fn ends_are_written_in_several_ways() {
        for (since, until, from, to) in [
            ("24h", None, "2026-11-23T02:30:00Z", "2026-11-24T02:30:00Z"),
            (
                "7d",
                Some("1d"),
                "2026-11-17T02:30:00Z",
                "2026-11-23T02:30:00Z",
            ),
            (
                "2026-11-23",
                None,
                "2026-11-22T16:00:00Z",
                "2026-11-24T02:30:00Z",
            ),
            (
                "2026-11-23T08:30",
                Some("2026-11-23 09:00"),
                "2026-11-23T00:30:00Z",
                "2026-11-23T01:00:00Z",
            ),
            (
                "2026-11-23T08:30:00Z",
                Some("2026-11-23T20:30:00+08:00"),
                "2026-11-23T08:30:00Z",
                "2026-11-23T12:30:00Z",
            ),
        ] {
            let span = span(since, until, shanghai()).unwrap();
            let expected = [from, to].map(|at| at.parse::<Timestamp>().unwrap());
            assert_eq!([span.from, span.until], expected, "{since} {until:?}");
        }
    }

    #[test]
    fn what_is_no_time_or_holds_none_is_refused() {
        for text in [
            "",
            "7",
            "yesterday",
            "2026-13-01",
            "-7d",
            "24:00",
            "9999999999999y",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        for (since, until) in [
            ("1d", Some("2d")),
            ("2026-11-25", None),
            ("0s", None),
            ("20000y", None),
        ] {
            assert!(span(since, until, shanghai()).is_err(), "{since}");
        }
    }

    #[test]
    fn parts_begin_at_midnight_or_at_full_hours_of_the_clock_on_the_wall() {
        let days = span("3d", None, shanghai()).unwrap();
        let names: Vec<_> = (0..days.parts()).map(|part| days.name(part)).collect();
        assert_eq!(
            names,
            ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"]
        );
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
        for (time, part) in [
            ("2026-11-21T15:59:59.999999Z", 0),
            ("2026-11-21T16:00:00Z", 1),
            ("2026-11-24T02:29:00Z", 3),
        ] {
            assert_eq!(days.part(at(time)), part, "{time}");
        }
        assert_eq!(
            days.stamp(at("2026-11-24T02:29:00Z")),
            "2026-11-24T10:29:00+08:00"
        );

        let hours = span(
            "2h",
            None,
            TimeZone::fixed(Offset::from_seconds(5 * 3600 + 1800).unwrap()),
        )
        .unwrap();
        let names: Vec<_> = (0..hours.parts()).map(|part| hours.name(part)).collect();
        assert_eq!(names, ["2026-11-24 06:00", "2026-11-24 07:00"]);
        assert_eq!(hours.tick(1), "07:00");
    }

    #[test]
    fn days_of_23_and_25_hours_are_days() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let span = span("2026-03-28", Some("2026-11-01"), zone).unwrap();
        assert_eq!(span.parts(), 218);
        assert_eq!(span.name(span.parts() - 1), "2026-10-31");
    }

    #[test]
    fn nothing_is_divided_before_the_first_request() {
        let mut long = Span::new(&"2000-01-01".parse().unwrap(), None, now(), shanghai()).unwrap();
        long.divide(now().as_microsecond() - 1);
        assert_eq!((long.parts(), long.name(0)), (1, "2026-11-24".to_owned()));
    }
}
