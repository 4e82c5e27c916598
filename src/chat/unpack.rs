//! Compressed bodies, unpacked as far as they go.

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

/// Bytes that are unpacked at a time.
const PIECE: usize = 16 << 10;
/// Bytes that a body may become: one of 1 MiB can be made to fill a gigabyte.
const MAX_UNPACKED: u64 = 16 << 20;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// The coding that a header names; none where it names several, or another.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"gzip" | b"x-gzip" => Some(Coding::Gzip),
            b"deflate" => Some(Coding::Deflate),
            b"br" => Some(Coding::Brotli),
            b"zstd" => Some(Coding::Zstd),
            _ => None,
        }
    }

    /// All that a body holds.
    ///
    /// # Errors
    /// Where it is cut off or damaged, or holds more than `most` bytes.
    pub(super) fn whole(self, body: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        let mut unpacked = self.decoder(body)?.take(most as u64 + 1);
        unpacked.read_to_end(&mut whole)?;
        match whole.len() > most {
            true => Err(io::Error::other("it holds more than it may")),
            false => Ok(whole),
        }
    }

    /// Hands on what a body holds, up to where it is cut off, damaged or too large.
    pub(super) fn unpack(self, body: &[u8], each: impl FnMut(&[u8])) {
        let unpacked = self.decoder(body);
        if let Err(error) = unpacked.and_then(|decoder| hand_on(decoder, each)) {
            tracing::debug!(%error, "a compressed reply could be read in part only");
        }
    }

    fn decoder(self, body: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Coding::Gzip => Box::new(MultiGzDecoder::new(body)),
            Coding::Deflate => Box::new(ZlibDecoder::new(body)),
            Coding::Brotli => Box::new(Decompressor::new(body, PIECE)),
            Coding::Zstd => Box::new(StreamingDecoder::new(body).map_err(io::Error::other)?),
        })
    }
}

fn hand_on(decoder: impl Read, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let (mut decoder, mut piece) = (decoder.take(MAX_UNPACKED), [0; PIECE]);
    loop {
        match decoder.read(&mut piece)? {
            0 => return Ok(()),
            read => each(&piece[..read]),
        }
    }
}
