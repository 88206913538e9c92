//! Adapters: found, described, opened, listened to.

use std::sync::Arc;

use burn_wgpu::{MemoryConfiguration, RuntimeOptions, WgpuSetup, try_init_device};

use super::context::GpuContext;
use super::faults::Faults;
use super::self_test;
use crate::device::{ComputeDevice, DeviceReport, GpuOptions, KernelFamily, SelfTestOutcome};
use crate::error::DeviceError;

/// A WebGPU adapter, not opened yet.
pub(crate) struct Adapter {
    instance: wgpu::Instance,
    adapter: wgpu::Adapter,
    name: String,
    software: bool,
}

impl Adapter {
    /// The best adapter there is.
    pub(crate) async fn request() -> Result<Self, DeviceError> {
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
        let info = super::browser::named(info).await;
        Ok(Self {
            software: is_software(&info),
            name: readable_name(&info),
            instance,
            adapter,
        })
    }

    /// Whether it computes on the CPU.
    pub(crate) fn is_software(&self) -> bool {
        self.software
    }

    /// This adapter, described; the device is the CPU until it is opened.
    pub(crate) fn report(&self) -> DeviceReport {
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
    pub(crate) async fn open_and_test(
        self,
        options: GpuOptions,
    ) -> Result<(ComputeDevice, SelfTestOutcome), DeviceError> {
        check_limits(&self.adapter.limits())?;
        let not_opened = |reason: String| DeviceError::NotOpened {
            adapter: self.name.clone(),
            reason,
        };
        if options.kernels == Some(KernelFamily::Cpu) {
            return Err(not_opened("the CPU's kernels do not run on a GPU".into()));
        }
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
        let runtime = RuntimeOptions {
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
            try_init_device(setup, runtime).map_err(|error| not_opened(error.to_string()))?;
        let faults = Arc::new(Faults::default());
        // After Burn's registration, which installs a handler that panics.
        listen(&device, &faults);
        let kernels = options
            .kernels
            .unwrap_or_else(|| KernelFamily::of_adapter(self.software));
        let context = GpuContext::register(
            burn_device.into(),
            device,
            kernels,
            options.largest_binding,
            faults,
        );
        let device = ComputeDevice::on_gpu(context);
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
}
