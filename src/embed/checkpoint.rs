//! PyTorch's own files, as far as BGE-M3's makers need them read: one linear layer that gives one number.
//!
//! Such a file is a zip archive with a pickle and, for each tensor, its numbers alone. Which tensor is which stands in
//! the pickle, a program that only Python runs; but of a layer that gives one number the bias is one number and the
//! weight is all the others, so that the archive's own listing is enough.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::Dtype;
use zip::ZipArchive;

use super::LoadError;
use super::pooling::{Linear, floats};

/// More is no layer that gives one number.
const MOST: u64 = 1 << 20;
/// How pickles call the kinds of numbers.
const KINDS: [(&[u8], Dtype); 3] = [
    (b"FloatStorage", Dtype::F32),
    (b"HalfStorage", Dtype::F16),
    (b"BFloat16Storage", Dtype::BF16),
];

/// Reads the layer.
pub(super) fn layer(path: &Path) -> Result<Linear, LoadError> {
    read(path).map_err(|error| LoadError::WrongFile {
        path: path.to_path_buf(),
        error,
    })
}

fn read(path: &Path) -> Result<Linear, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let file = File::open(path).map_err(|error| said(&error))?;
    let mut archive = ZipArchive::new(file).map_err(|error| said(&error))?;
    let (mut pickle, mut tensors) = (Vec::new(), Vec::new());
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| said(&error))?;
        let name = entry.name().map_err(|error| said(&error))?.into_owned();
        let mut bytes = Vec::new();
        let mut entry = entry.take(MOST);
        entry
            .read_to_end(&mut bytes)
            .map_err(|error| said(&error))?;
        match name.rsplit('/').collect::<Vec<_>>()[..] {
            ["data.pkl", ..] => pickle = bytes,
            [_, "data", _] => tensors.push(bytes),
            ["byteorder", ..] if bytes != b"little" => {
                return Err("its numbers are not little-endian".to_owned());
            }
            _ => {}
        }
    }
    let holds = |word: &[u8]| pickle.windows(word.len()).any(|found| found == word);
    let mut kinds = KINDS.into_iter().filter(|(word, _)| holds(word));
    let (Some((_, kind)), None) = (kinds.next(), kinds.next()) else {
        return Err("its numbers are not all of 32 bits, or all of 16".to_owned());
    };
    tensors.sort_by_key(|tensor| std::cmp::Reverse(tensor.len()));
    let numbers = tensors.iter().map(|tensor| floats(kind, tensor));
    let numbers: Vec<_> = numbers.map(Option::unwrap_or_default).collect();
    match <[Vec<f32>; 2]>::try_from(numbers) {
        Ok([weight, bias]) if bias.len() == 1 => Ok(Linear {
            takes: weight.len(),
            gives: 1,
            weight,
            bias,
        }),
        _ => Err("it is no linear layer that gives one number".to_owned()),
    }
}
