//! Which model a command runs, and where.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use flamingo_kernels::{ComputeDevice, DeviceKind};
use flamingo_runtime::{EncoderId, Model};

use crate::device::DeviceChoice;
use crate::failure::Failure;
use crate::model_source::ModelSource;

/// The model and the device.
#[derive(Args)]
pub(crate) struct ModelArgs {
    /// Folder with a model.json and its shards, that model.json, or a single GGUF file
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

/// A model that is there and a device that works, before the one is put on the other.
pub(crate) struct ModelOnDevice {
    source: ModelSource,
    device: ComputeDevice,
    /// Where and how it computes.
    computes: &'static str,
}

impl ModelOnDevice {
    /// Identifies the model and the device: what a model says depends on
    /// both.
    ///
    /// # Errors
    /// Where the model's bytes cannot be read.
    pub(crate) fn identity(&self) -> Result<ModelIdentity, Failure> {
        Ok(ModelIdentity {
            model: self.source.sha256()?,
            device: self.computes,
        })
    }

    /// Identifies the model's vision encoder.
    ///
    /// # Errors
    /// Where the model's bytes cannot be read or make no model.
    pub(crate) fn encoder(&self) -> Result<EncoderId, Failure> {
        Ok(self.source.encoder_sha256()?)
    }

    /// Loads the model.
    ///
    /// # Errors
    /// Where its bytes are damaged or make no model.
    pub(crate) fn load(self) -> Result<Model, Failure> {
        Ok(self.source.load(self.device)?)
    }
}

/// A model on a device, told from others.
pub(crate) struct ModelIdentity {
    /// SHA-256 of the model's bytes.
    pub(crate) model: String,
    /// Where and how it computes.
    pub(crate) device: &'static str,
}

impl ModelArgs {
    /// The files that the model is read from.
    ///
    /// # Errors
    /// Where there is no such model.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        Ok(ModelSource::open(&self.model)?.files())
    }

    /// Loads the model, saying on standard error which device it runs on.
    ///
    /// # Errors
    /// Where there is no such model or device.
    pub(crate) fn load(&self) -> Result<Model, Failure> {
        self.open()?.load()
    }

    /// Finds the model and opens the device, saying on standard error which it is.
    ///
    /// # Errors
    /// Where there is no such model or device.
    pub(crate) fn open(&self) -> Result<ModelOnDevice, Failure> {
        // What is cheap to find wrong comes first.
        let source = ModelSource::open(&self.model)?;
        let (device, report) = self.device.open()?;
        let _ = writeln!(io::stderr(), "{}", report.reason);
        let (device, computes) = match (device.kind(), self.int8_activations) {
            (DeviceKind::Cpu, true) => (ComputeDevice::cpu_int8(), "cpu, int8 activations"),
            (DeviceKind::Cpu, false) => (device, "cpu"),
            (DeviceKind::Gpu, _) => (device, "gpu"),
        };
        Ok(ModelOnDevice {
            source,
            device,
            computes,
        })
    }
}
