//! Why the program ends without having done what it was asked, and the exit
//! code that says so.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use flamingo_convert::ConvertError;
use flamingo_convert::source::SourceError;
use flamingo_kernels::DeviceError;
use flamingo_runtime::RuntimeError;
use thiserror::Error;

use crate::answer::Unmet;
use crate::check::CheckError;
use crate::eval::EvalError;
use crate::media::MediaError;
use crate::model_source::ModelError;
use crate::output_file::OutputError;
use crate::text_file::{LineError, ReadError, TextFileError};

/// Described for people below the help of every command.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  everything was done
  1  some photos could not be captioned, the others were; or an answer was cut off
     before it matched --pattern
  2  the command line, or a file it names, asks for something impossible
  3  the model or the device failed";

/// An error that ends the program.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Some photos failed, each of which has been reported.
    #[error("{failed} of {total} photos could not be captioned")]
    Photos {
        /// How many.
        failed: usize,
        /// Of how many.
        total: usize,
    },
    /// An answer is not as `--pattern` has it.
    #[error("{what}: {reason}")]
    Unmet {
        /// Which answer.
        what: String,
        /// The reason why it was cut off.
        reason: Unmet,
    },
    /// A text file cannot be read.
    #[error(transparent)]
    Text(#[from] TextFileError),
    /// A line of one cannot be used.
    #[error(transparent)]
    Line(#[from] LineError),
    /// A file cannot be written.
    #[error(transparent)]
    OutputFile(#[from] OutputError),
    /// The support set cannot be used.
    #[error("the support set {}: {reason}", path.display())]
    Support {
        /// The file, or an image of it.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An example's image, or the prompt that the examples make, is refused.
    #[error("{what}: {source}")]
    Prompt {
        /// What was being done.
        what: String,
        /// Why it cannot be done.
        source: RuntimeError,
    },
    /// The photo or clip that was asked about cannot be read.
    #[error("{}: {source}", path.display())]
    Media {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: MediaError,
    },
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no device as asked for.
    #[error("{0}; --device cpu always works")]
    Device(#[from] DeviceError),
    /// Model or device failed while at work.
    #[error("{what}: {source}")]
    Run {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: RuntimeError,
    },
    /// An evaluation gives no scores.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A model does not compute what it should.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A model could not be made.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// Standard output cannot be written to.
    #[error("the result cannot be written to standard output: {0}")]
    Output(io::Error),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::File(error) => Self::Text(error),
            ReadError::Line(error) => Self::Line(error),
        }
    }
}

impl Failure {
    /// Whether whoever reads our output has had enough of it, as `head` does.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code, as [`EXIT_CODES`] has it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            _ if self.is_closed_pipe() => 0,
            Self::Photos { .. } | Self::Unmet { .. } | Self::Output(_) => 1,
            Self::Text(_)
            | Self::Line(_)
            | Self::OutputFile(_)
            | Self::Support { .. }
            | Self::Eval(_)
            | Self::Media { .. }
            | Self::Prompt { .. } => 2,
            Self::Model(_)
            | Self::Source(_)
            | Self::Device(_)
            | Self::Run { .. }
            | Self::Check(_)
            | Self::Convert(_) => 3,
        })
    }
}
