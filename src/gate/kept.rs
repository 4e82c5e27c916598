//! The file of learned wrappings: JSON with a version, written whole and in one step, so that who reads it finds the old
//! one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::language::Phrase;
use crate::wrapping::Learned;

/// The version of the format.
const VERSION: u32 = 1;
/// The most that is read of a file, in bytes.
const LONGEST: u64 = 1 << 20;
/// Wrappings that are kept, those forgotten included.
pub(super) const MOST: usize = 64;

/// A wrapping, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The name of the client's key; none where clients have none.
    #[serde(default)]
    pub client: Option<String>,
    /// The protocol's word in metrics.
    pub protocol: String,
    /// When it was learned, in seconds of Unix time.
    #[serde(default)]
    pub learned_at: i64,
    /// Whether an operator says that it is none: it is neither taken off nor learned again.
    #[serde(default)]
    pub forgotten: bool,
    /// The wrapping.
    pub wrapping: Learned,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    wrappings: Vec<Kept>,
}

/// The wrappings in a file; none where there is no file.
///
/// # Errors
/// What is wrong with it.
pub fn read(path: &Path) -> Result<Vec<Kept>, Phrase> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(|error| failed(path, &error))?,
    };
    let mut text = String::new();
    let read = file.take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| failed(path, &error))?;
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let version: Version = serde_json::from_str(&text).map_err(|error| malformed(path, &error))?;
    if version.version != VERSION {
        return Err(Phrase::new(
            format!(
                "{}：version 是 {}，本程序认识的是 {VERSION}",
                path.display(),
                version.version
            ),
            format!(
                "{}: version is {}, and this program knows {VERSION}",
                path.display(),
                version.version
            ),
        ));
    }
    let document: Document =
        serde_json::from_str(&text).map_err(|error| malformed(path, &error))?;
    let mut kept = document.wrappings;
    kept.retain(|kept| kept.wrapping.is_sound());
    kept.truncate(MOST);
    Ok(kept)
}

/// Writes the wrappings.
///
/// # Errors
/// The file or its folder cannot be written.
pub fn write(path: &Path, kept: &[Kept]) -> Result<(), Phrase> {
    written(path, kept).map_err(|error| failed(path, &error))
}

fn written(path: &Path, kept: &[Kept]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("json.new");
    let document = Document {
        version: VERSION,
        wrappings: kept.to_vec(),
    };
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(&document)?)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

fn failed(path: &Path, error: &std::io::Error) -> Phrase {
    Phrase::new(
        format!("{} 无法读写：{error}；请检查文件夹的权限", path.display()),
        format!(
            "{} cannot be read or written: {error}; check who may write its folder",
            path.display()
        ),
    )
}

fn malformed(path: &Path, error: &serde_json::Error) -> Phrase {
    let (file, line) = (path.display(), error.line());
    Phrase::new(
        format!("{file}:{line}：不是学到的包装：{error}；请删掉这个文件，会重新学习"),
        format!(
            "{file}:{line}: holds no learned wrappings: {error}; delete the file, and they are learned anew"
        ),
    )
}
