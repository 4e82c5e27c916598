//! A trie in a double array, in the units of darts-clone, as SentencePiece's compiled rules hold one.
//!
//! A unit of 32 bits is a node: its label (bits 0 to 7), whether a value hangs on it (bit 8), and how far from it its
//! children lie (bits 10 to 30, times 256 where bit 9 is set); or it is a value, with bit 31. Crates that read it
//! (`yada`, `spm_precompiled`) index without looking, so that a broken file is a panic.

const HAS_VALUE: u32 = 1 << 8;
const IS_FAR: u32 = 1 << 9;
const IS_VALUE: u32 = 1 << 31;

/// An array's units, little-endian.
#[derive(Clone, Copy, Debug)]
pub(super) struct DoubleArray<'a>(pub(super) &'a [[u8; 4]]);

impl<'a> DoubleArray<'a> {
    /// The keys that `bytes` begins with, the shortest first: how long each is, and its value. None has a zero in
    /// it. An array that is none gives anything, and ends.
    pub(super) fn prefixes(self, bytes: &'a [u8]) -> impl Iterator<Item = (usize, u32)> {
        let mut around = self.unit(0).map_or(0, offset);
        let walk = bytes.iter().enumerate().map_while(move |(index, &label)| {
            let at = around ^ usize::from(label);
            let unit = self.unit(at)?;
            if label == 0 || unit & (IS_VALUE | 0xff) != u32::from(label) {
                return None;
            }
            around = at ^ offset(unit);
            let value = (unit & HAS_VALUE != 0).then(|| self.unit(around)).flatten();
            Some(value.map(|value| (index + 1, value & !IS_VALUE)))
        });
        walk.flatten()
    }

    fn unit(self, at: usize) -> Option<u32> {
        self.0.get(at).map(|bytes| u32::from_le_bytes(*bytes))
    }
}

fn offset(unit: u32) -> usize {
    let far = if unit & IS_FAR == 0 { 0 } else { 8 };
    ((unit >> 10) << far) as usize
}
