//! Exit codes.

use std::process::ExitCode;

use crate::embed::LoadError;
use crate::hub::HubError;
use crate::journal;
use crate::problem::Problems;
use crate::snapshot::PrepareError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// As asked.
    Success = 0,
    /// It could not be done: a port in use, input that ended, a model that failed.
    Failure = 1,
    /// The command line is wrong; clap's own code.
    Usage = 2,
    /// The configuration, an intent file or a file of questions is wrong.
    BadFiles = 3,
    /// ONNX Runtime or the model is missing or wrong.
    NoModel = 4,
    /// There is no journal yet, or no request of the period in it.
    NothingThere = 5,
}

/// What was asked for is not there; the text says so to people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NothingThere(pub String);

impl Exit {
    /// The code of an error that ended a command.
    pub fn of(error: &anyhow::Error) -> Exit {
        let bad_files =
            error.is::<Problems>() || matches!(error.downcast_ref(), Some(PrepareError::Files(_)));
        if bad_files {
            Exit::BadFiles
        } else if error.is::<LoadError>() || error.is::<HubError>() {
            Exit::NoModel
        } else if error.is::<NothingThere>()
            || matches!(error.downcast_ref(), Some(journal::Error::Absent(_)))
        {
            Exit::NothingThere
        } else {
            Exit::Failure
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_codes() {
        let problems = || Problems(Vec::new());
        for (error, exit) in [
            (anyhow::anyhow!("x"), Exit::Failure),
            (problems().into(), Exit::BadFiles),
            (PrepareError::Files(problems()).into(), Exit::BadFiles),
            (LoadError::NoModel.into(), Exit::NoModel),
            (HubError::NoCache.into(), Exit::NoModel),
            (NothingThere(String::new()).into(), Exit::NothingThere),
            (
                journal::Error::Absent("x".into()).into(),
                Exit::NothingThere,
            ),
            (journal::Error::NoFolder.into(), Exit::Failure),
            (
                anyhow::Error::from(LoadError::NoModel).context("while starting"),
                Exit::NoModel,
            ),
        ] {
            assert_eq!(Exit::of(&error), exit, "{error:?}");
        }
    }
}
