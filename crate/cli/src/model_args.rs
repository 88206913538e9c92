//! Which model a command runs, and where.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use flamingo_kernels::{ComputeDevice, DeviceKind};
use flamingo_runtime::Model;

use crate::device::DeviceChoice;
use crate::failure::Failure;
use crate::model_source::ModelSource;

/// The model and the device.
#[derive(Args)]
pub(crate) struct ModelArgs {
    /// Folder with a model.json and its shards, or a single GGUF file
    #[arg(
        long,
        value_name = "DIR|FILE",
        env = "FLAMINGO_MODEL",
        default_value = "models/flamingo-smollm2-135m"
    )]
    pub(crate) model: PathBuf,
    /// Where to compute
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    pub(crate) device: DeviceChoice,
    /// On the CPU, round activations to bytes before they meet quantized weights:
    /// faster, and not quite the same numbers
    #[arg(long)]
    pub(crate) int8_activations: bool,
}

impl ModelArgs {
    /// Loads the model, saying on standard error which device it runs on.
    ///
    /// # Errors
    /// Where there is no such model or device.
    pub(crate) fn load(&self) -> Result<Model, Failure> {
        // What is cheap to find wrong comes first.
        let source = ModelSource::open(&self.model)?;
        let (device, report) = self.device.open()?;
        let _ = writeln!(io::stderr(), "{}", report.reason);
        let device = match (device.kind(), self.int8_activations) {
            (DeviceKind::Cpu, true) => ComputeDevice::cpu_int8(),
            _ => device,
        };
        Ok(source.load(device)?)
    }
}
