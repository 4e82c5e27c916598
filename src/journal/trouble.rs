//! That records are not written is said in the log: at once, and then once a minute.

use std::time::{Duration, Instant};

use super::Error;
use crate::language::{Phrase, say};

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// What the log has not said yet.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    said: Option<Instant>,
    /// Records that were dropped since.
    pub(super) dropped: usize,
}

impl Trouble {
    /// Tells of `error`, or that records came too fast, where there is either; `waiting` records are kept.
    pub(super) fn tell(&mut self, error: Option<Error>, waiting: usize) {
        let Some(dropped) = self.due(error.is_some(), Instant::now()) else {
            return;
        };
        let reason = error.map_or_else(too_many, |error| error.explain());
        let line = say(
            format!("有请求没能记下：{}", reason.zh),
            format!("records are not in the journal: {}", reason.en),
        );
        tracing::warn!(dropped, waiting, "{line}");
    }

    /// How many dropped records a line now would tell of; none where there is nothing to tell, or not yet.
    fn due(&mut self, has_failed: bool, now: Instant) -> Option<usize> {
        let is_quiet = self.said.is_some_and(|said| now - said < PAUSE);
        if is_quiet || !(has_failed || self.dropped > 0) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.dropped))
    }
}

fn too_many() -> Phrase {
    Phrase::new(
        "来得比写得快。下一步：检查磁盘的速度",
        "more came than could be written. Next: look at the disk's speed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_at_once_and_then_once_a_minute() {
        let (mut trouble, begun) = (Trouble::default(), Instant::now());
        for (seconds, dropped, has_failed, due) in [
            (0, 0, false, None),
            (1, 0, true, Some(0)),
            (2, 5, true, None),
            (60, 2, false, None),
            (61, 0, false, Some(7)),
            (200, 0, false, None),
            (201, 3, false, Some(3)),
        ] {
            trouble.dropped += dropped;
            let now = begun + Duration::from_secs(seconds);
            assert_eq!(trouble.due(has_failed, now), due, "after {seconds} s");
        }
    }
}
