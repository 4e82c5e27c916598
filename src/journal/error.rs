//! Why a journal cannot be used, with the next step.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::language::Phrase;

/// A journal cannot be used.
#[derive(Debug)]
pub enum Error {
    /// There is no folder that it could be in.
    NoFolder,
    /// There is no file yet.
    Absent(PathBuf),
    /// The file is no database, or another program's.
    Foreign(PathBuf),
    /// The database has a version that this program does not know.
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// This program's.
        known: i64,
    },
    /// The folder cannot be made, or the file.
    File(PathBuf, std::io::Error),
    /// The write-ahead log is too long, and cannot be moved into the database while somebody reads.
    LongLog(PathBuf),
    /// The database's own.
    Database(PathBuf, rusqlite::Error),
}

impl Error {
    pub(super) fn of(path: &Path, error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Error::Foreign(path.to_owned()),
            _ => Error::Database(path.to_owned(), error),
        }
    }

    /// Whether it may be otherwise at the next try.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Error::LongLog(_) => true,
            Error::File(_, error) => error.kind() == ErrorKind::StorageFull,
            Error::Database(_, error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::DiskFull
                        | ErrorCode::OutOfMemory
                        | ErrorCode::SystemIoFailure
                )
            ),
            _ => false,
        }
    }

    /// For operators: what is wrong and what to do.
    pub fn explain(&self) -> Phrase {
        match self {
            Error::NoFolder => Phrase::new(
                "不知道请求记录放在哪里：没有 STATE_DIRECTORY、XDG_STATE_HOME，也没有 HOME。下一步：写上 journal.path，或用 journal = \"off\" 关掉",
                "no folder for the journal is known: STATE_DIRECTORY, XDG_STATE_HOME and HOME are not set. Next: set journal.path, or turn it off with journal = \"off\"",
            ),
            Error::Absent(path) => Phrase::new(
                format!(
                    "{} 还没有记录。下一步：先运行网关，或检查 journal.path",
                    path.display()
                ),
                format!(
                    "{} holds no journal yet. Next: let the gateway run, or check journal.path",
                    path.display()
                ),
            ),
            Error::Foreign(path) => Phrase::new(
                format!(
                    "{} 不是 intentgate 的请求记录，不会改动它。下一步：检查 journal.path，或把这个文件移走",
                    path.display()
                ),
                format!(
                    "{} is no journal of intentgate and is left alone. Next: check journal.path, or move the file away",
                    path.display()
                ),
            ),
            Error::Version { path, found, known } => Phrase::new(
                format!(
                    "{} 的版本是 {found}，本程序认识的是 {known}。下一步：版本较新就升级本程序；较旧就先用本程序运行一次网关",
                    path.display()
                ),
                format!(
                    "{} is of version {found}, and this program knows {known}. Next: update the program for a newer one; for an older one, let its gateway run once",
                    path.display()
                ),
            ),
            Error::File(path, error) => Phrase::new(
                format!(
                    "{} 建不了：{error}。下一步：检查文件夹的权限，或写上 journal.path",
                    path.display()
                ),
                format!(
                    "{} cannot be made: {error}. Next: check who may write its folder, or set journal.path",
                    path.display()
                ),
            ),
            Error::LongLog(path) => Phrase::new(
                format!(
                    "{} 一直有程序在读，写入的内容无法归并。下一步：结束读它的程序",
                    path.display()
                ),
                format!(
                    "{} is being read all the time, so that what is written cannot be moved into it. Next: end the program that reads it",
                    path.display()
                ),
            ),
            Error::Database(path, error) => Phrase::new(
                format!(
                    "{} 出错：{error}。下一步：检查磁盘空间、权限，以及是否有别的程序占着它",
                    path.display()
                ),
                format!(
                    "{} failed: {error}. Next: check the disk's space, who may write the file, and whether another program holds it",
                    path.display()
                ),
            ),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explain().here())
    }
}

impl std::error::Error for Error {}
