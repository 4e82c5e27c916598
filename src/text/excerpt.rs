//! What is judged of a text too long to be judged whole.

use std::borrow::Cow;

/// Pieces of the middle that are kept, at most, and how long each is at least, in bytes.
const SAMPLES: usize = 16;
const SHORTEST: usize = 64;

/// The text, or of one of more than `most` bytes its beginning, its end and pieces from all over its middle, a line
/// each: no more bytes than that. What is hidden in padding is not waved through for its length, and nobody waits for
/// a book to be read.
pub fn excerpt(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let (edge, samples) = (most * 3 / 8, (most / 4 / SHORTEST).clamp(1, SAMPLES));
    let piece = (most / 4 / samples).saturating_sub(2);
    let (head, rest) = text.split_at(text.floor_char_boundary(edge));
    let (middle, tail) = rest.split_at(rest.ceil_char_boundary(rest.len() - edge));
    let mut kept = String::with_capacity(most);
    kept.push_str(head);
    for sample in 0..samples {
        // The middle of each of as many parts.
        let at = middle.len() * (2 * sample + 1) / (2 * samples);
        let start = middle.ceil_char_boundary(at);
        let end = middle.floor_char_boundary(at + piece).max(start);
        kept.push('\n');
        kept.push_str(&middle[start..end]);
    }
    kept.push('\n');
    kept.push_str(tail);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn beginning_end_and_middle_are_kept() {
        let text = format!("{}甲乙丙{}", "a".repeat(50_000), "b".repeat(50_000));
        for (most, samples) in [(1_024, 4), (16 << 10, SAMPLES)] {
            let kept = excerpt(&text, most);
            assert!(kept.starts_with("aaa") && kept.ends_with("bbb"));
            assert_eq!(kept.lines().count(), samples + 2);
        }
        assert_eq!(excerpt("短", 1_024), "短");
    }

    proptest! {
        #[test]
        fn no_more_is_kept_than_was_asked_for(text in "\\PC{0,2000}", most in 256..4_096_usize) {
            let kept = excerpt(&text, most);
            prop_assert!(kept.len() <= most);
            prop_assert!(text.len() > most || kept == text);
        }
    }
}
