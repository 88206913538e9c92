//! Devices: opened, tested, chosen, watched.

use std::sync::Arc;

use burn::tensor::Device;
use burn_wgpu::{MemoryConfiguration, RuntimeOptions, WgpuSetup, try_init_device};
use serde::Serialize;

use crate::error::DeviceError;
use crate::gpu::{Faults, GpuContext};
use crate::self_test;

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
        let adapter = Adapter::request().await?;
        let (device, _) = adapter.open_and_test().await?;
        Ok(device)
    }

    /// What this device is.
    pub fn kind(&self) -> DeviceKind {
        match self.place {
            Place::Cpu { .. } => DeviceKind::Cpu,
            Place::Gpu(_) => DeviceKind::Gpu,
        }
    }

    /// This device for Burn.
    pub fn burn(&self) -> Device {
        match &self.place {
            Place::Cpu { .. } => Device::flex(),
            Place::Gpu(context) => Device::new(context.device.clone()),
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

    /// What the device holds for everybody in this process; none on the CPU, where
    /// everything lies on the heap.
    pub fn memory(&self) -> Option<DeviceMemory> {
        match &self.place {
            Place::Cpu { .. } => None,
            Place::Gpu(context) => Some(context.memory()),
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
    if adapter.software && !forced {
        return cpu(DeviceReport {
            reason: format!(
                "CPU: the only WebGPU adapter ({}) is software, which is slower.",
                report.adapter
            ),
            ..report
        });
    }
    match adapter.open_and_test().await {
        Ok((device, self_test)) => {
            let wish = if forced { ", as asked for" } else { "" };
            let report = DeviceReport {
                kind: DeviceKind::Gpu,
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
    fn cpu(reason: impl Into<String>) -> Self {
        Self {
            kind: DeviceKind::Cpu,
            adapter: String::new(),
            backend: String::new(),
            software: false,
            reason: reason.into(),
            max_buffer_size: 0,
            max_storage_buffer_binding_size: 0,
            subgroups: false,
            self_test: SelfTestOutcome::NotRun,
        }
    }
}

/// A WebGPU adapter, not opened yet.
struct Adapter {
    instance: wgpu::Instance,
    adapter: wgpu::Adapter,
    name: String,
    software: bool,
}

impl Adapter {
    /// The best adapter there is.
    async fn request() -> Result<Self, DeviceError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            // Without OpenGL, whose compute shaders fall short of WebGPU's limits.
            backends: wgpu::Backends::PRIMARY,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapter = instance
            .request_adapter(&wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::HighPerformance,
                ..wgpu::RequestAdapterOptions::default()
            })
            .await
            .map_err(|error| DeviceError::NoAdapter {
                reason: error.to_string(),
            })?;
        let info = adapter.get_info();
        #[cfg(target_family = "wasm")]
        let info = crate::browser::named(info).await;
        Ok(Self {
            software: is_software(&info),
            name: readable_name(&info),
            instance,
            adapter,
        })
    }

    /// This adapter, described; the device is the CPU until it is opened.
    fn report(&self) -> DeviceReport {
        let limits = self.adapter.limits();
        DeviceReport {
            adapter: self.name.clone(),
            backend: self.adapter.get_info().backend.to_string(),
            software: self.software,
            max_buffer_size: limits.max_buffer_size,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            subgroups: self.adapter.features().contains(wgpu::Features::SUBGROUP),
            ..DeviceReport::cpu("")
        }
    }

    /// Opens the device with all the adapter offers, hands it to Burn, listens
    /// to its errors, and compares its numbers with the CPU's.
    async fn open_and_test(self) -> Result<(ComputeDevice, SelfTestOutcome), DeviceError> {
        check_limits(&self.adapter.limits())?;
        let not_opened = |reason: String| DeviceError::NotOpened {
            adapter: self.name.clone(),
            reason,
        };
        // Burn asks the adapter, not the device, what it may use. Mappable
        // primary buffers are slow on discrete GPUs; experimental features need
        // a promise that nothing here could keep.
        let features = self
            .adapter
            .features()
            .difference(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS)
            .difference(wgpu::Features::all_experimental_mask());
        let (device, queue) = self
            .adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("flamingo"),
                required_features: features,
                required_limits: self.adapter.limits(),
                // Burn pools buffers itself.
                memory_hints: wgpu::MemoryHints::MemoryUsage,
                ..wgpu::DeviceDescriptor::default()
            })
            .await
            .map_err(|error| not_opened(error.to_string()))?;
        let options = RuntimeOptions {
            // One buffer an allocation, as Burn has it in browsers: buffers in
            // use by one dispatch must not be read-only and writable at once,
            // and pages shared by several tensors would be.
            memory_config: MemoryConfiguration::ExclusivePages,
            ..RuntimeOptions::try_default().map_err(|error| not_opened(error.to_string()))?
        };
        let setup = WgpuSetup {
            backend: self.adapter.get_info().backend,
            instance: self.instance.clone(),
            adapter: self.adapter.clone(),
            device: device.clone(),
            queue,
        };
        let burn_device =
            try_init_device(setup, options).map_err(|error| not_opened(error.to_string()))?;
        let faults = Arc::new(Faults::default());
        // After Burn's registration, which installs a handler that panics.
        listen(&device, &faults);
        let context = GpuContext::register(burn_device.into(), device, self.software, faults);
        let device = ComputeDevice {
            place: Place::Gpu(context),
        };
        let outcome = self_test::run(&device).await?;
        Ok((device, outcome))
    }
}

/// Sends what `device` reports to `faults`.
fn listen(device: &wgpu::Device, faults: &Arc<Faults>) {
    let errors = faults.clone();
    device.on_uncaptured_error(Arc::new(move |error| {
        errors.push(match error {
            wgpu::Error::OutOfMemory { source } => DeviceError::OutOfMemory {
                message: source.to_string(),
            },
            wgpu::Error::Validation { description, .. }
            | wgpu::Error::Internal { description, .. } => DeviceError::Validation {
                message: description,
            },
        });
    }));
    let losses = faults.clone();
    device.set_device_lost_callback(move |reason, message| {
        losses.push(DeviceError::Lost {
            message: format!("{reason:?}: {message}"),
        });
    });
}

/// Whether an adapter computes on the CPU.
fn is_software(info: &wgpu::AdapterInfo) -> bool {
    // Browsers keep the type to themselves and blur the name, so look at every
    // field that may hold a trace.
    const SOFTWARE: [&str; 5] = [
        "swiftshader",
        "llvmpipe",
        "lavapipe",
        "microsoft basic render",
        "softpipe",
    ];
    let described = [&info.name, &info.driver, &info.driver_info].map(|text| text.to_lowercase());
    info.device_type == wgpu::DeviceType::Cpu
        || SOFTWARE
            .iter()
            .any(|name| described.iter().any(|text| text.contains(name)))
}

/// A name for people: browsers often leave the adapter's own name empty.
fn readable_name(info: &wgpu::AdapterInfo) -> String {
    [&info.name, &info.driver_info, &info.driver]
        .into_iter()
        .find(|text| !text.trim().is_empty())
        .map_or_else(|| "unnamed adapter".to_string(), |text| text.trim().into())
}

/// What the kernels need, all of it guaranteed by the WebGPU standard; an
/// adapter of a compatibility mode may offer less.
fn check_limits(limits: &wgpu::Limits) -> Result<(), DeviceError> {
    let needs: [(&'static str, u64, u64); 6] = [
        (
            "maxComputeInvocationsPerWorkgroup",
            256,
            limits.max_compute_invocations_per_workgroup.into(),
        ),
        (
            "maxComputeWorkgroupSizeX",
            256,
            limits.max_compute_workgroup_size_x.into(),
        ),
        (
            "maxComputeWorkgroupStorageSize",
            16 << 10,
            limits.max_compute_workgroup_storage_size.into(),
        ),
        (
            "maxComputeWorkgroupsPerDimension",
            65_535,
            limits.max_compute_workgroups_per_dimension.into(),
        ),
        (
            "maxStorageBuffersPerShaderStage",
            8,
            limits.max_storage_buffers_per_shader_stage.into(),
        ),
        (
            "maxStorageBufferBindingSize",
            128 << 20,
            limits.max_storage_buffer_binding_size,
        ),
    ];
    for (which, needed, available) in needs {
        if available < needed {
            return Err(DeviceError::LimitTooSmall {
                which,
                needed,
                available,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_limit_below_the_need_is_named() {
        assert_eq!(check_limits(&wgpu::Limits::default()), Ok(()));
        let limits = wgpu::Limits {
            max_compute_invocations_per_workgroup: 128,
            ..wgpu::Limits::default()
        };
        let error = check_limits(&limits).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("maxComputeInvocationsPerWorkgroup is 128, 256")
        );
    }

    #[test]
    fn asking_for_the_cpu_gives_the_cpu() {
        let (device, report) =
            futures_lite::future::block_on(select_device(DevicePreference::Cpu)).unwrap();
        assert_eq!(device.kind(), DeviceKind::Cpu);
        assert_eq!(report.kind, DeviceKind::Cpu);
        assert_eq!(report.self_test, SelfTestOutcome::NotRun);
    }
}
