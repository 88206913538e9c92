//! Why no model is made.

use thiserror::Error;

use crate::import::ImportError;
use crate::output::OutputError;
use crate::pack::PackError;

/// Why no model is made.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// The model cannot be put where it is to be.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A released checkpoint makes no model.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The parts make no model.
    #[error(transparent)]
    Pack(#[from] PackError),
}
