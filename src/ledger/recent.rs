//! What was noted within the last minutes, by a number; a bounded memory, of which the oldest goes first.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

/// Notes that are remembered, of all numbers together.
pub(super) const MOST: usize = 20_000;

/// The notes of the last minutes.
#[derive(Debug)]
pub(super) struct Recent<T> {
    notes: HashMap<i64, VecDeque<T>>,
    /// The numbers of all notes, the oldest first.
    order: VecDeque<(SystemTime, i64)>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Recent {
            notes: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Recent<T> {
    /// Remembers a note.
    pub(super) fn remember(&mut self, at: SystemTime, number: i64, note: T) {
        self.order.push_back((at, number));
        self.notes.entry(number).or_default().push_back(note);
        if self.order.len() > MOST {
            self.forget_oldest();
        }
    }

    /// Forgets what is older than `within`.
    pub(super) fn forget(&mut self, now: SystemTime, within: Duration) {
        let old = |at: &SystemTime| now.duration_since(*at).is_ok_and(|age| age > within);
        while self.order.front().is_some_and(|(at, _)| old(at)) {
            self.forget_oldest();
        }
    }

    /// The notes of a number, the newest first.
    pub(super) fn of(&self, number: i64) -> impl Iterator<Item = &T> {
        self.notes.get(&number).into_iter().flatten().rev()
    }

    /// The same, to be changed.
    pub(super) fn of_mut(&mut self, number: i64) -> impl Iterator<Item = &mut T> {
        self.notes.get_mut(&number).into_iter().flatten().rev()
    }

    fn forget_oldest(&mut self) {
        let Some((_, number)) = self.order.pop_front() else {
            return;
        };
        if let Some(own) = self.notes.get_mut(&number) {
            own.pop_front();
            if own.is_empty() {
                self.notes.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut recent = Recent::default();
        for (second, number, note) in [(0, 1, 'a'), (10, 2, 'b'), (20, 1, 'c')] {
            recent.remember(at(second), number, note);
        }
        let of = |recent: &Recent<char>, number| recent.of(number).copied().collect::<String>();
        assert_eq!((of(&recent, 1), of(&recent, 2)), ("ca".into(), "b".into()));
        recent.forget(at(25), Duration::from_secs(20));
        assert_eq!((of(&recent, 1), of(&recent, 2)), ("c".into(), "b".into()));
        recent.forget(at(99), Duration::from_secs(20));
        assert!(recent.notes.is_empty() && recent.order.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut recent = Recent::default();
        for second in 0..2 * MOST as i64 {
            recent.remember(at(second.unsigned_abs()), second, ());
        }
        assert_eq!((recent.order.len(), recent.notes.len()), (MOST, MOST));
    }
}
