//! SentencePiece's compiled rules for characters, read as Hugging Face's `tokenizers` reads them.

use super::double_array::DoubleArray;
use super::tensors::Tensor;

/// A double array from character sequences to places among strings that each end with a zero.
#[derive(Debug)]
pub(super) struct Charsmap {
    rules: Tensor,
    /// Where the strings begin; before it the length of the array, and the array.
    strings: usize,
}

/// Bytes of the length before the array.
const LENGTH: usize = 4;
/// A grapheme of so many bytes is looked up character by character.
const LONG: usize = 6;

impl Charsmap {
    /// The rules in a tensor; none where it holds none.
    pub(super) fn new(rules: Tensor) -> Option<Self> {
        let length = rules.bytes().first_chunk::<LENGTH>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let strings = LENGTH.checked_add(length)?;
        (strings <= rules.bytes().len()).then_some(Charsmap { rules, strings })
    }

    /// Hands the characters that stand for a grapheme to `write`.
    ///
    /// A short grapheme is looked up as a whole, and what its shortest known beginning stands for stands for all
    /// of it; that is how `tokenizers` does it, which says why in its `precompiled.rs`.
    pub(super) fn normalise(&self, grapheme: &str, mut write: impl FnMut(char)) {
        let (array, strings) = self.rules.bytes().split_at(self.strings);
        let array = DoubleArray(array[LENGTH..].as_chunks().0);
        let known = |text: &str| {
            let (_, at) = array.prefixes(text.as_bytes()).next()?;
            let string = strings.get(usize::try_from(at).ok()?..)?;
            let end = memchr::memchr(0, string).unwrap_or(string.len());
            std::str::from_utf8(&string[..end]).ok()
        };
        if grapheme.len() < LONG
            && let Some(string) = known(grapheme)
        {
            return string.chars().for_each(write);
        }
        for c in grapheme.chars() {
            match known(c.encode_utf8(&mut [0; 4])) {
                Some(string) => string.chars().for_each(&mut write),
                None => write(c),
            }
        }
    }
}
