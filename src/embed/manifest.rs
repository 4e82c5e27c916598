//! `manifest.json`: what a model says of itself, and the checksums of its files.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{LoadError, require};

/// The manifest's name; a folder with one has the bundled model's layout.
pub(super) const FILE: &str = "manifest.json";
/// The bundled model's folder, from the project's root.
pub(super) const BUNDLED: &str = "models/multilingual-e5-small";

/// A model's facts.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    /// The model's name.
    pub name: String,
    /// The length of one of its vectors.
    pub dimension: usize,
    /// What stands before every text.
    pub prefix: String,
    /// The most tokens it reads, prefix and markers included.
    pub max_tokens: usize,
    /// ISO 639-1 codes of the languages it knows, or `multilingual`.
    #[serde(default = "multilingual")]
    pub languages: Vec<String>,
    /// Its files.
    files: BTreeMap<String, File>,
    /// Tells models apart, and states of one model: the checksum of the manifest.
    #[serde(skip)]
    pub fingerprint: String,
}

#[derive(Clone, Debug, Deserialize)]
struct File {
    sha256: String,
}

impl Manifest {
    /// Reads a model's manifest and checks its files against it.
    pub(super) fn read(folder: &Path) -> Result<Self, LoadError> {
        let path = require(folder, FILE)?;
        let wrong = |error: String| LoadError::WrongFile {
            path: path.clone(),
            error,
        };
        let text = std::fs::read(&path).map_err(|e| wrong(e.to_string()))?;
        let mut manifest: Manifest =
            serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        manifest.fingerprint = hex(&Sha256::digest(&text));
        for (name, file) in &manifest.files {
            let path = require(folder, name)?;
            let found = checksum(&path).map_err(|error| LoadError::WrongFile {
                path: path.clone(),
                error: error.to_string(),
            })?;
            if found != file.sha256 {
                let expected = &file.sha256;
                let error = format!("its sha256 is {found}, the manifest says {expected}");
                return Err(LoadError::WrongFile { path, error });
            }
        }
        Ok(manifest)
    }
}

fn multilingual() -> Vec<String> {
    vec!["multilingual".to_owned()]
}

pub(super) fn checksum(path: &Path) -> io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Bytes as people write checksums.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
