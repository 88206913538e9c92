//! Which device the program runs on.

use clap::ValueEnum;
use flamingo_kernels::{ComputeDevice, DeviceError, DevicePreference, DeviceReport, select_device};
use futures_lite::future::block_on;

/// What `--device` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceChoice {
    /// The GPU where it is hardware and passes the self-test, else the CPU
    Auto,
    /// The CPU
    Cpu,
    /// The GPU, be it software; an error where there is none
    Gpu,
}

impl DeviceChoice {
    /// Opens and tests the device.
    ///
    /// # Errors
    /// Only for [`DeviceChoice::Gpu`].
    pub(crate) fn open(self) -> Result<(ComputeDevice, DeviceReport), DeviceError> {
        block_on(select_device(match self {
            Self::Auto => DevicePreference::Auto,
            Self::Cpu => DevicePreference::Cpu,
            Self::Gpu => DevicePreference::Gpu,
        }))
    }
}
