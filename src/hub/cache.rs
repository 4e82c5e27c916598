//! One repository in the cache: `models--OWNER--NAME/{refs/REVISION, blobs/CHECKSUM, snapshots/COMMIT/FILE}`, as
//! every tool of the ecosystem keeps it.

use std::fs::{self, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use super::error::disk;
use super::listing::{File, folder_of, graph, is_hex, stays_inside};
use super::{HubError, Wanted};

/// How often another pull's lock is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Folders of a snapshot below one another that hold a graph.
const DEPTH: usize = 3;

/// The repository's folder.
#[derive(Debug)]
pub(super) struct Repository {
    folder: PathBuf,
    locks: PathBuf,
}

impl Repository {
    pub(super) fn new(cache: &Path, name: &str) -> Self {
        let own = format!("models--{}", name.replace('/', "--"));
        Repository {
            locks: cache.join(".locks").join(&own),
            folder: cache.join(own),
        }
    }

    /// Where the files of a revision are, where that is known here.
    pub(super) fn snapshot(&self, revision: &str) -> Option<PathBuf> {
        let commit = if is_hex(revision, 40) {
            revision.to_owned()
        } else {
            fs::read_to_string(self.folder.join("refs").join(revision)).ok()?
        };
        let commit = commit.trim();
        is_hex(commit, 40).then(|| self.files(commit))
    }

    /// Where the files of a commit are.
    pub(super) fn files(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Where a file's content is.
    pub(super) fn blob(&self, file: &File) -> PathBuf {
        self.folder.join("blobs").join(file.checksum.as_str())
    }

    /// Waits until nobody else fetches the file. The lock is the one that the ecosystem's own tool takes, and ends
    /// with what is returned.
    pub(super) async fn lock(&self, file: &File) -> Result<fs::File, HubError> {
        let path = self.locks.join(format!("{}.lock", file.checksum.as_str()));
        create_folder_of(&path)?;
        let lock = fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(disk(&path))?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) => sleep(LOOK).await,
                // A file system without locks.
                Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {
                    return Ok(lock);
                }
                Err(TryLockError::Error(e)) => return Err(disk(&path)(e)),
            }
        }
    }

    /// Puts a file whose content is here into a commit's folder.
    pub(super) fn link(&self, commit: &str, file: &File) -> Result<(), HubError> {
        let path = self.files(commit).join(&file.name);
        if length(&path) == Some(file.size) {
            return Ok(());
        }
        create_folder_of(&path)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(disk(&path)(error)),
            _ => {}
        }
        let up = "../".repeat(2 + file.name.matches('/').count());
        let target = format!("{up}blobs/{}", file.checksum.as_str());
        match symlink(target, &path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(disk(&path)(error)),
            _ => Ok(()),
        }
    }

    /// Says which commit a revision is; the last step of a pull.
    pub(super) fn point(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if revision == commit {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        create_folder_of(&path)?;
        let beside = self.folder.join(format!(".ref-{}", std::process::id()));
        fs::write(&beside, commit).map_err(disk(&beside))?;
        fs::rename(&beside, &path).map_err(disk(&path))
    }
}

/// Whether a snapshot's folder holds what a loader needs: other tools fetch files one by one and name the commit
/// first, so that a folder alone says nothing.
pub(super) fn is_whole(folder: &Path, wanted: &Wanted) -> bool {
    let mut names = Vec::new();
    if names_in(folder, "", DEPTH, &mut names).is_err() {
        return false;
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let Ok(graph) = graph(&wanted.repository, &names, wanted.file.as_deref()) else {
        return false;
    };
    let beside = folder_of(&graph);
    let has = |name: &str| names.contains(&name);
    let tokenizer = has("tokenizer.json") || has(&format!("{beside}tokenizer.json"));
    let Ok(data) = super::graph::external_data(&folder.join(&graph)) else {
        return false;
    };
    let data_is_here =
        |name: &String| stays_inside(name) && folder.join(beside).join(name).is_file();
    tokenizer && data.iter().all(data_is_here)
}

/// Files below a folder, by their names inside it. A link that leads nowhere is none.
fn names_in(folder: &Path, inside: &str, depth: usize, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(inside))? {
        let entry = entry?;
        let name = format!("{inside}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_file() {
            names.push(name);
        } else if path.is_dir() && depth > 1 {
            names_in(folder, &format!("{name}/"), depth - 1, names)?;
        }
    }
    Ok(())
}

pub(super) fn create_folder_of(path: &Path) -> Result<(), HubError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(disk(folder))
}

/// None: no file.
pub(super) fn length(path: &Path) -> Option<u64> {
    let metadata = fs::metadata(path).ok()?;
    metadata.is_file().then_some(metadata.len())
}
