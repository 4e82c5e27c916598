//! Passive health: a server that failed several times in a row is left alone for a while, then tried again with one
//! request. A state machine over the time it is given.

use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row open it.
const FAILURES: u32 = 5;
/// How long it stays open at first; each probe that fails doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long at most, and how long a probe may take before the next one goes through.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Whether a server is asked.
#[derive(Debug)]
pub struct Breaker(State);

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        /// The next probe goes through then.
        until: Instant,
        wait: Duration,
    },
}

/// What one request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go on.
    Free,
    /// Go on; whether the server is asked again hangs on it.
    Probe,
    /// Not before so long.
    Refused(Duration),
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker(State::Closed { failures: 0 })
    }
}

impl Breaker {
    /// Asks before a request. Of those that come while it is open, one is let through: the probe.
    pub fn admit(&mut self, now: Instant) -> Admission {
        match &mut self.0 {
            State::Closed { .. } => Admission::Free,
            State::Open { until, .. } if now < *until => Admission::Refused(*until - now),
            State::Open { until, .. } => {
                *until = now + LONGEST_WAIT;
                Admission::Probe
            }
        }
    }

    /// The server replied. Whether that closed it.
    pub fn succeeded(&mut self) -> bool {
        let was_open = matches!(self.0, State::Open { .. });
        self.0 = State::Closed { failures: 0 };
        was_open
    }

    /// The server failed. For how long that opened it.
    pub fn failed(&mut self, admission: Admission, now: Instant) -> Option<Duration> {
        let wait = match &mut self.0 {
            State::Closed { failures } => {
                *failures += 1;
                (*failures >= FAILURES).then_some(FIRST_WAIT)?
            }
            State::Open { wait, .. } if admission == Admission::Probe => {
                (*wait * 2).min(LONGEST_WAIT)
            }
            // It went out before the others had failed, and says nothing new.
            State::Open { .. } => return None,
        };
        self.0 = State::Open {
            until: now + wait,
            wait,
        };
        Some(wait)
    }

    /// The client left first: a probe that told nothing makes way for the next.
    pub fn abandoned(&mut self, admission: Admission, now: Instant) {
        if let (State::Open { until, .. }, Admission::Probe) = (&mut self.0, admission) {
            *until = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens to a breaker at a time, in milliseconds from the start.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Admits(Admission),
        Fails(Admission, Option<u64>),
        Succeeds(bool),
        Abandons(Admission),
    }
    use Admission::{Free, Probe, Refused};
    use Step::{Abandons, Admits, Fails, Succeeds};

    fn run(steps: &[(u64, Step)]) {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for (index, (at, step)) in steps.iter().enumerate() {
            let now = start + Duration::from_millis(*at);
            let place = format!("step {index}: {step:?} at {at} ms of {breaker:?}");
            match *step {
                Admits(expected) => assert_eq!(breaker.admit(now), expected, "{place}"),
                Fails(admission, expected) => {
                    let opened = breaker.failed(admission, now);
                    assert_eq!(opened, expected.map(Duration::from_millis), "{place}");
                }
                Succeeds(expected) => assert_eq!(breaker.succeeded(), expected, "{place}"),
                Abandons(admission) => breaker.abandoned(admission, now),
            }
        }
    }

    const FOUR_FAILURES: [(u64, Step); 4] = [(0, Fails(Free, None)); 4];

    fn after(failures: &[(u64, Step)], steps: &[(u64, Step)]) {
        run(&[failures, steps].concat());
    }

    fn opened(steps: &[(u64, Step)]) {
        after(
            &[&FOUR_FAILURES[..], &[(0, Fails(Free, Some(1000)))]].concat(),
            steps,
        );
    }

    fn refused(ms: u64) -> Step {
        Admits(Refused(Duration::from_millis(ms)))
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not_let_them() {
        opened(&[(0, refused(1000)), (400, refused(600))]);
        after(
            &FOUR_FAILURES,
            &[
                (0, Succeeds(false)),
                (0, Fails(Free, None)),
                (0, Admits(Free)),
            ],
        );
    }

    #[test]
    fn one_probe_goes_through_and_decides() {
        opened(&[
            (1000, Admits(Probe)),
            (1000, refused(30_000)),
            (1500, Succeeds(true)),
            (1500, Admits(Free)),
            (1500, Fails(Free, None)),
        ]);
    }

    #[test]
    fn each_probe_that_fails_doubles_the_wait_up_to_a_bound() {
        let mut steps = Vec::new();
        let mut now = 1000;
        for wait in [2000, 4000, 8000, 16_000, 30_000, 30_000] {
            steps.push((now, Admits(Probe)));
            steps.push((now + 10, Fails(Probe, Some(wait))));
            steps.push((now + 10, refused(wait)));
            now += 10 + wait;
        }
        steps.extend([(now, Admits(Probe)), (now, Succeeds(true))]);
        opened(&steps);
    }

    #[test]
    fn what_went_out_before_it_opened_does_not_keep_it_open() {
        opened(&[
            (10, Fails(Free, None)),
            (20, refused(980)),
            (30, Succeeds(true)),
        ]);
    }

    #[test]
    fn a_probe_whose_client_left_makes_way_and_a_lost_one_for_a_while_only() {
        opened(&[
            (1000, Admits(Probe)),
            (1200, Abandons(Probe)),
            (1200, Admits(Probe)),
            (1300, Abandons(Free)),
            (1300, refused(29_900)),
            (31_200, Admits(Probe)),
        ]);
    }
}
