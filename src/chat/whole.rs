//! Events of a stream, passed on whole: where it breaks off, nobody has half an event.

use bytes::Bytes;
use memchr::{memchr, memchr2_iter};

/// The longest event that is held back, in bytes; a longer one goes on as it comes.
const LONGEST: usize = 256 << 10;

/// Holds back the event that is under way; whole ones go on at once, as they are.
#[derive(Debug)]
pub struct WholeEvents {
    /// What has come of it. A copy: a piece of what was read would keep all that was read with it.
    held: Vec<u8>,
    /// The last two bytes of the stream.
    last: [u8; 2],
    /// Whether it is too long to be held.
    too_long: bool,
}

impl Default for WholeEvents {
    fn default() -> Self {
        WholeEvents {
            held: Vec::new(),
            // A stream begins with a line.
            last: *b"\n\n",
            too_long: false,
        }
    }
}

impl WholeEvents {
    /// The next bytes of the stream: what goes on now, one after the other. Either may be empty.
    pub fn pass(&mut self, mut piece: Bytes) -> [Bytes; 2] {
        let whole = self.whole(&piece);
        self.last = match *piece {
            [.., before, last] => [before, last],
            [only] => [self.last[1], only],
            [] => self.last,
        };
        let held = if whole > 0 { 0 } else { self.held.len() };
        let is_under_way = self.too_long && whole == 0;
        self.too_long = is_under_way || held + piece.len() - whole > LONGEST;
        let rest = match self.too_long {
            true => Bytes::new(),
            false => piece.split_off(whole),
        };
        let before = match piece.is_empty() {
            true => Bytes::new(),
            false => std::mem::take(&mut self.held).into(),
        };
        self.held.extend_from_slice(&rest);
        [before, piece]
    }

    /// What is held back of an event.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Gives up what is held back.
    pub fn release(&mut self) -> Bytes {
        std::mem::take(&mut self.held).into()
    }

    /// Whether a part of an event has gone on, since it is too long, and its end has not.
    pub fn is_amid(&self) -> bool {
        self.too_long
    }

    /// Bytes of a piece up to where an event begins, or goes on.
    fn whole(&self, piece: &[u8]) -> usize {
        let end = end_of_events(self.last, piece);
        let is_begun = end == 0 && (self.too_long || !self.held.is_empty());
        match is_begun {
            true => 0,
            false => end + comments(&piece[end..]),
        }
    }
}

/// Bytes of a piece up to the end of its last event: behind the last empty line. Lines end with LF, CR, or both;
/// `last` is what came before the piece.
fn end_of_events(last: [u8; 2], piece: &[u8]) -> usize {
    let before = |at: usize, back: usize| match at.checked_sub(back) {
        Some(at) => piece[at],
        None => last[at + last.len() - back],
    };
    let ends_empty_line = |&at: &usize| match (before(at, 1), piece[at]) {
        (b'\n', _) | (b'\r', b'\r') => true,
        // One end of a line, in two bytes: the line is empty where another one ended right before.
        (b'\r', _) => matches!(before(at, 2), b'\r' | b'\n'),
        _ => false,
    };
    let mut ends = memchr2_iter(b'\n', b'\r', piece).rev();
    ends.find(ends_empty_line).map_or(0, |at| at + 1)
}

/// Bytes of the whole lines of comments with which an event begins: they are no part of it, and keep connections open.
fn comments(event: &[u8]) -> usize {
    let mut end = 0;
    while event[end..].starts_with(b":")
        && let Some(length) = memchr(b'\n', &event[end..])
        // A CR by itself ends a line too.
        && memchr(b'\r', &event[end..end + length]).is_none_or(|at| at + 1 == length)
    {
        end += length + 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn passed(events: &mut WholeEvents, piece: &[u8]) -> Vec<u8> {
        events.pass(Bytes::copy_from_slice(piece)).concat()
    }

    #[test]
    fn an_event_goes_on_with_its_last_byte_and_not_before() {
        for (pieces, expected) in [
            (&["data: a\n\n"][..], &["data: a\n\n"][..]),
            (&["data: a\n", "\n"], &["", "data: a\n\n"]),
            (&["data: a\r\n\r\nda", "ta"], &["data: a\r\n\r\n", ""]),
            (&["data: a\r\n", "\r\n"], &["", "data: a\r\n\r\n"]),
            // A CR may be all of an empty line's end; an LF that follows belongs to it.
            (&["data: a\r\n\r", "\n"], &["data: a\r\n\r", "\n"]),
            (&["data: a\r\rd", "\r\r"], &["data: a\r\r", "d\r\r"]),
            (&["data: a\n\r\nb"], &["data: a\n\r\n"]),
            (&["data: a\r\r\n", "b"], &["data: a\r\r\n", ""]),
            (&["data: a\r\ndata: b\r\n"], &[""]),
            (
                &["data: a\n\ndata: b\n\ndata: c"],
                &["data: a\n\ndata: b\n\n"],
            ),
            (
                &["data: a", "b", "\n\ndata: c\n\nda"],
                &["", "", "data: ab\n\ndata: c\n\n"],
            ),
            (&["\n", "\n", "data"], &["\n", "\n", ""]),
            (&[": wait\n", ": on\r\n:"], &[": wait\n", ": on\r\n"]),
            (&["data: a\n: b\n", "\n"], &["", "data: a\n: b\n\n"]),
            (&["data: a\n\n: b\ndata"], &["data: a\n\n: b\n"]),
        ] {
            let mut events = WholeEvents::default();
            for (piece, expected) in pieces.iter().zip(expected) {
                let passed = passed(&mut events, piece.as_bytes());
                assert_eq!(passed, expected.as_bytes(), "{pieces:?}");
            }
        }
    }

    #[test]
    fn whole_events_are_not_copied() {
        let piece = Bytes::from("data: a\n\ndata: b".to_owned());
        let at = piece.as_ptr();
        let [before, whole] = WholeEvents::default().pass(piece);
        assert!(before.is_empty());
        assert_eq!((whole.as_ptr(), &whole[..]), (at, &b"data: a\n\n"[..]));
    }

    #[test]
    fn what_is_too_long_goes_on_until_its_end() {
        let mut events = WholeEvents::default();
        let half = vec![b'x'; LONGEST / 2 + 1];
        assert!(passed(&mut events, &half).is_empty());
        assert_eq!(passed(&mut events, &half).len(), 2 * half.len());
        assert!(events.is_amid() && events.held().is_empty());
        assert_eq!(passed(&mut events, b"y"), b"y");
        assert_eq!(passed(&mut events, b"y\n\nz"), b"y\n\n");
        assert!(!events.is_amid());
        assert_eq!(events.release(), "z");
    }

    proptest! {
        #[test]
        fn every_byte_goes_on_in_its_place_and_only_the_last_event_waits(
            pieces in vec("(data|:| |\n|\r|\r\n|\n\n){0,6}", 0..12),
        ) {
            let mut events = WholeEvents::default();
            let (mut came, mut went) = (Vec::new(), Vec::new());
            for piece in &pieces {
                came.extend_from_slice(piece.as_bytes());
                went.extend(passed(&mut events, piece.as_bytes()));
                prop_assert_eq!([&went, events.held()].concat(), came.clone());
                let begun = end_of_events(*b"\n\n", &came);
                prop_assert!(went.len() >= begun);
                // Beyond the last event only comments go on.
                let ahead = &came[begun.min(went.len())..went.len()];
                let lines = ahead.split_inclusive(|b| *b == b'\n');
                prop_assert!(lines.clone().all(|line| line[0] == b':' && line.ends_with(b"\n")));
                let mut texts = lines.map(|line| line.trim_ascii_end());
                prop_assert!(texts.all(|text| !text.contains(&b'\r')));
            }
        }
    }
}
