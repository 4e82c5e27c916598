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
        let bound = most as u64 + 1;
        match self {
            Coding::Gzip => MultiGzDecoder::new(body)
                .take(bound)
                .read_to_end(&mut whole),
            Coding::Deflate => ZlibDecoder::new(body).take(bound).read_to_end(&mut whole),
            Coding::Brotli => Decompressor::new(body, PIECE)
                .take(bound)
                .read_to_end(&mut whole),
            Coding::Zstd => StreamingDecoder::new(body)
                .map_err(io::Error::other)?
                .take(bound)
                .read_to_end(&mut whole),
        }?;
        match whole.len() > most {
            true => Err(io::Error::other("it holds more than it may")),
            false => Ok(whole),
        }
    }

    /// Hands on what a body holds, up to where it is cut off, damaged or too large.
    pub(super) fn unpack(self, body: &[u8], each: impl FnMut(&[u8])) {
        let result = match self {
            Coding::Gzip => hand_on(MultiGzDecoder::new(body), each),
            Coding::Deflate => hand_on(ZlibDecoder::new(body), each),
            Coding::Brotli => hand_on(Decompressor::new(body, PIECE), each),
            Coding::Zstd => match StreamingDecoder::new(body) {
                Ok(decoder) => hand_on(decoder, each),
                Err(_) => Ok(()),
            },
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a compressed reply could be read in part only");
        }
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
