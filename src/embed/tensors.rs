//! Tensors in a safetensors file that is mapped into memory, or read row by row: what no text needs takes none.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use half::f16;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use super::{LoadError, require};

/// A mapped file, and what its header says.
#[derive(Debug)]
pub(super) struct Tensors {
    path: PathBuf,
    file: Arc<File>,
    map: Arc<Mmap>,
    header: Metadata,
    /// Where the first tensor begins.
    start: usize,
}

/// One tensor of a file, little-endian. Nothing is asked of where it lies, so numbers are read byte by byte, which
/// compilers make one load.
#[derive(Clone)]
pub(super) struct Tensor {
    file: Arc<File>,
    map: Arc<Mmap>,
    range: Range<usize>,
    /// Bytes of one row: of what has one index.
    row: usize,
}

impl Tensors {
    /// Maps the file `name` of a model's folder. None of its tensors is read.
    pub(super) fn open(folder: &Path, name: &str) -> Result<Self, LoadError> {
        let path = require(folder, name)?;
        match map(&path).map_err(|error| error.to_string()) {
            Err(error) => Err(LoadError::WrongFile { path, error }),
            Ok((file, map)) => match SafeTensors::read_metadata(&map) {
                Err(error) => {
                    let error = error.to_string();
                    Err(LoadError::WrongFile { path, error })
                }
                Ok((header_bytes, header)) => Ok(Tensors {
                    path,
                    file: Arc::new(file),
                    map: Arc::new(map),
                    header,
                    // A number of eight bytes stands before the header.
                    start: 8 + header_bytes,
                }),
            },
        }
    }

    /// The tensor `name`, of this kind and so many dimensions, and its shape.
    pub(super) fn tensor<const N: usize>(
        &self,
        name: &str,
        kind: Dtype,
    ) -> Result<(Tensor, [usize; N]), LoadError> {
        let found = self.header.info(name);
        let info = found.ok_or_else(|| self.wrong(format!("it has no tensor {name}")))?;
        let shape = <[usize; N]>::try_from(info.shape.as_slice());
        let (Ok(shape), true) = (shape, info.dtype == kind) else {
            let (found, dimensions) = (info.dtype, info.shape.len());
            let error =
                format!("{name} is {found:?} of {dimensions} dimensions, {kind:?} of {N} expected");
            return Err(self.wrong(error));
        };
        let (start, end) = info.data_offsets;
        let tensor = Tensor {
            file: self.file.clone(),
            map: self.map.clone(),
            range: self.start + start..self.start + end,
            row: (end - start) / shape.first().copied().unwrap_or(1).max(1),
        };
        Ok((tensor, shape))
    }

    /// What the header says of `name` beside its tensors.
    pub(super) fn fact<T: FromStr>(&self, name: &str) -> Result<T, LoadError> {
        let facts = self.header.metadata().as_ref();
        let fact = facts.and_then(|facts| facts.get(name)?.parse().ok());
        fact.ok_or_else(|| self.wrong(format!("its header does not say {name}")))
    }

    /// That there is something wrong with the file.
    pub(super) fn wrong(&self, error: impl Into<String>) -> LoadError {
        LoadError::WrongFile {
            path: self.path.clone(),
            error: error.into(),
        }
    }
}

impl Tensor {
    /// All of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }

    /// Row by row, as far as they are whole, where a row has so many bytes.
    pub(super) fn rows<const N: usize>(&self) -> &[[u8; N]] {
        self.bytes().as_chunks().0
    }

    /// The numbers that have the index `row`, of a tensor of f16.
    pub(super) fn halves(&self, row: usize) -> impl Iterator<Item = f32> {
        let (halves, _) = self.row(row).as_chunks::<2>();
        halves.iter().map(|half| f16::from_le_bytes(*half).to_f32())
    }

    /// Copies what has the index `row`, which the tensor has, out of the file. Of a large table whose rows are needed
    /// here and there a mapping would bring in sixteen pages for each.
    pub(super) fn copy_row(&self, row: usize, into: &mut [u8]) -> io::Result<()> {
        let at = self.range.start + row * self.row;
        self.file.read_exact_at(into, at as u64)
    }

    /// What has the index `row`, which the tensor has.
    pub(super) fn row(&self, row: usize) -> &[u8] {
        &self.bytes()[row * self.row..(row + 1) * self.row]
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({:?})", self.range)
    }
}

#[expect(unsafe_code, reason = "a mapping is no safer than the file under it")]
fn map(path: &Path) -> io::Result<(File, Mmap)> {
    let file = File::open(path)?;
    // SAFETY: the file must not change while it is mapped. A model's files are installed and replaced as a whole,
    // never written over, and the reader makes nothing but numbers of the bytes, so that other bytes are other
    // numbers. A file cut short in its place ends the process with SIGBUS.
    let map = unsafe { Mmap::map(&file) }?;
    Ok((file, map))
}
