//! Devices: opened, tested, chosen, watched.

use std::sync::Arc;

use burn::tensor::Device;
use serde::Serialize;

use crate::cpu::thread_count;
use crate::error::DeviceError;
use crate::gpu::{Adapter, GpuContext};

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// Threads and SIMD of the processor.
    Cpu,
    /// WebGPU, in a browser or natively.
    Gpu,
}

/// Which device a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevicePreference {
    /// The GPU where it is hardware and computes right, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU, be it software; an error where there is none.
    Gpu,
}

/// Which kernels compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelFamily {
    /// Those of the CPU.
    Cpu,
    /// A GPU's whose invocations share nothing: for software adapters, where barriers and
    /// a workgroup's memory take longer than to compute twice.
    Invocations,
    /// A GPU's whose workgroups share rows, through their memory.
    Workgroups,
}

impl KernelFamily {
    /// The kernels for an adapter.
    #[cfg_attr(not(feature = "webgpu"), expect(dead_code, reason = "there is none"))]
    pub(crate) fn of_adapter(software: bool) -> Self {
        if software {
            Self::Invocations
        } else {
            Self::Workgroups
        }
    }
}

/// How a GPU is opened other than by its own nature: for tests and measurements.
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuOptions {
    /// These kernels, instead of those for the adapter.
    pub kernels: Option<KernelFamily>,
    /// Weights in buffers of at most so many bytes, where the device would allow more.
    pub largest_binding: Option<usize>,
}

/// How the self-test of the chosen GPU went.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum SelfTestOutcome {
    /// Not run: the device is the CPU.
    NotRun,
    /// Every operation agreed with the CPU.
    Passed {
        /// Operations compared.
        operations: usize,
        /// Largest error of any, as a share of what is allowed.
        worst: f32,
    },
    /// The GPU was not taken because of this.
    Failed {
        /// The error's text.
        error: String,
    },
}

/// What was chosen, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceReport {
    /// The device chosen.
    pub kind: DeviceKind,
    /// Which kernels compute there.
    pub kernels: KernelFamily,
    /// Name of the WebGPU adapter that was looked at, empty where there is none.
    pub adapter: String,
    /// Interface of that adapter: `browserwebgpu`, `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// Whether that adapter is software.
    pub software: bool,
    /// Why this device, in a sentence for people.
    pub reason: String,
    /// Largest buffer of that adapter, in bytes.
    pub max_buffer_size: u64,
    /// Largest part of a buffer a kernel may see, in bytes.
    pub max_storage_buffer_binding_size: u64,
    /// Whether that adapter offers subgroup operations.
    pub subgroups: bool,
    /// Threads that compute where the device is the CPU.
    pub threads: usize,
    /// How the self-test went.
    pub self_test: SelfTestOutcome,
}

/// Memory of a device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// In buffers that are used.
    pub in_use: u64,
    /// Taken from the device, whether used or kept for what comes next.
    pub reserved: u64,
}

/// A device that tensors live on. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ComputeDevice {
    place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Cpu { int8_activations: bool },
    Gpu(Arc<GpuContext>),
}

impl ComputeDevice {
    /// The CPU.
    pub fn cpu() -> Self {
        Self {
            place: Place::Cpu {
                int8_activations: false,
            },
        }
    }

    /// The CPU, which rounds activations to bytes before it multiplies them with
    /// quantized weights: faster, and not quite the same numbers.
    pub fn cpu_int8() -> Self {
        Self {
            place: Place::Cpu {
                int8_activations: true,
            },
        }
    }

    /// The GPU, opened and tested, be it software.
    ///
    /// # Errors
    /// Where there is no adapter, it cannot be opened, it is too small, or it
    /// fails the self-test.
    pub async fn gpu() -> Result<Self, DeviceError> {
        Self::gpu_with(GpuOptions::default()).await
    }

    /// As [`gpu`](Self::gpu), with another way to compute than the adapter's own.
    ///
    /// # Errors
    /// As [`gpu`](Self::gpu), and where the kernels are not a GPU's.
    pub async fn gpu_with(options: GpuOptions) -> Result<Self, DeviceError> {
        let adapter = Adapter::request().await?;
        let (device, _) = adapter.open_and_test(options).await?;
        Ok(device)
    }

    /// The GPU behind `context`.
    #[cfg_attr(not(feature = "webgpu"), expect(dead_code, reason = "there is none"))]
    pub(crate) fn on_gpu(context: Arc<GpuContext>) -> Self {
        Self {
            place: Place::Gpu(context),
        }
    }

    /// What this device is.
    pub fn kind(&self) -> DeviceKind {
        match self.place {
            Place::Cpu { .. } => DeviceKind::Cpu,
            Place::Gpu(_) => DeviceKind::Gpu,
        }
    }

    /// Which kernels compute there.
    pub fn kernels(&self) -> KernelFamily {
        match &self.place {
            Place::Cpu { .. } => KernelFamily::Cpu,
            Place::Gpu(context) => context.kernels(),
        }
    }

    /// This device for Burn.
    pub fn burn(&self) -> Device {
        match &self.place {
            Place::Cpu { .. } => Device::flex(),
            Place::Gpu(context) => context.burn(),
        }
    }

    /// Whether the device reported a refused command, a lack of memory or its
    /// own loss since the last call. Waits for reports on their way, not for
    /// the work itself. A lost device stays an error for ever.
    ///
    /// # Errors
    /// The gravest of what was reported.
    pub async fn check(&self) -> Result<(), DeviceError> {
        match &self.place {
            Place::Cpu { .. } => Ok(()),
            Place::Gpu(context) => context.check().await,
        }
    }

    /// Programs of this crate launched on the device so far, by whatever tensor; Burn's
    /// own are not among them. 0 on the CPU.
    pub fn dispatches(&self) -> u64 {
        match &self.place {
            Place::Cpu { .. } => 0,
            Place::Gpu(context) => context.dispatches(),
        }
    }

    /// Programs of this crate that were launched on the device at least once, and therefore
    /// compiled. 0 on the CPU.
    pub fn programs(&self) -> usize {
        match &self.place {
            Place::Cpu { .. } => 0,
            Place::Gpu(context) => context.programs(),
        }
    }

    /// What the device holds for everybody in this process; none on the CPU, where
    /// everything lies on the heap.
    pub fn memory(&self) -> Option<DeviceMemory> {
        match &self.place {
            Place::Cpu { .. } => None,
            Place::Gpu(context) => Some(context.memory()),
        }
    }

    /// Gives back what the device keeps of buffers that nobody uses any more. Not for every
    /// now and then: what comes next is quicker in buffers that are there.
    pub fn release_unused(&self) {
        if let Place::Gpu(context) = &self.place {
            context.release_unused();
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

/// Chooses, opens and tests a device.
///
/// `Auto` takes the CPU where there is no adapter, the adapter is software
/// (slower than this crate's CPU kernels), it cannot be opened, or it fails the
/// self-test; the report says which.
///
/// # Errors
/// Only for [`DevicePreference::Gpu`], which never falls back.
pub async fn select_device(
    preference: DevicePreference,
) -> Result<(ComputeDevice, DeviceReport), DeviceError> {
    let cpu = |report: DeviceReport| Ok((ComputeDevice::cpu(), report));
    if preference == DevicePreference::Cpu {
        return cpu(DeviceReport::cpu("The CPU was asked for."));
    }
    let forced = preference == DevicePreference::Gpu;
    let adapter = match Adapter::request().await {
        Ok(adapter) => adapter,
        Err(error) if forced => return Err(error),
        Err(error) => return cpu(DeviceReport::cpu(format!("CPU: {error}."))),
    };
    let report = adapter.report();
    if adapter.is_software() && !forced {
        return cpu(DeviceReport {
            reason: format!(
                "CPU: the only WebGPU adapter ({}) is software, which is slower.",
                report.adapter
            ),
            ..report
        });
    }
    match adapter.open_and_test(GpuOptions::default()).await {
        Ok((device, self_test)) => {
            let wish = if forced { ", as asked for" } else { "" };
            let report = DeviceReport {
                kind: DeviceKind::Gpu,
                kernels: device.kernels(),
                reason: format!("WebGPU on {}{wish}.", report.adapter),
                self_test,
                ..report
            };
            Ok((device, report))
        }
        Err(error) if forced => Err(error),
        Err(error) => cpu(DeviceReport {
            reason: format!("CPU: {error}."),
            self_test: SelfTestOutcome::Failed {
                error: error.to_string(),
            },
            ..report
        }),
    }
}

impl DeviceReport {
    /// The CPU, with no adapter looked at.
    pub(crate) fn cpu(reason: impl Into<String>) -> Self {
        Self {
            kind: DeviceKind::Cpu,
            kernels: KernelFamily::Cpu,
            adapter: String::new(),
            backend: String::new(),
            software: false,
            reason: reason.into(),
            max_buffer_size: 0,
            max_storage_buffer_binding_size: 0,
            subgroups: false,
            threads: thread_count(),
            self_test: SelfTestOutcome::NotRun,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn asking_for_the_cpu_gives_the_cpu() {
        let (device, report) =
            futures_lite::future::block_on(select_device(DevicePreference::Cpu)).unwrap();
        assert_eq!(device.kind(), DeviceKind::Cpu);
        assert_eq!(report.kind, DeviceKind::Cpu);
        assert_eq!(report.kernels, KernelFamily::Cpu);
        assert_eq!(report.self_test, SelfTestOutcome::NotRun);
    }
}
