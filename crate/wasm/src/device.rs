//! Where a model runs.

use flamingo_kernels::{
    ComputeDevice, DeviceKind, DevicePreference, DeviceReport, KernelFamily, SelfTestOutcome,
    select_device as select,
};
use serde::Serialize;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::error::{Thrown, thrown, to_js};

/// An open device.
#[wasm_bindgen]
pub struct Device {
    device: ComputeDevice,
    report: DeviceReport,
}

impl Device {
    pub(crate) fn compute(&self) -> ComputeDevice {
        self.device.clone()
    }
}

#[wasm_bindgen]
impl Device {
    /// What was chosen, and why.
    #[wasm_bindgen(unchecked_return_type = "DeviceReport")]
    pub fn report(&self) -> JsValue {
        to_js(&Report::from(&self.report))
    }
}

/// Opens a device: `auto`, `webgpu` or `cpu`. With `int8_activations` the CPU rounds
/// activations to bytes.
///
/// # Errors
/// As [`select`]; and for any other word.
#[wasm_bindgen(js_name = selectDevice)]
pub async fn select_device(
    #[wasm_bindgen(unchecked_param_type = "DevicePreference")] preference: String,
    #[wasm_bindgen(js_name = int8Activations)] int8_activations: bool,
) -> Result<Device, JsValue> {
    let preference = match preference.as_str() {
        "auto" => DevicePreference::Auto,
        "webgpu" => DevicePreference::Gpu,
        "cpu" => DevicePreference::Cpu,
        other => {
            return Err(Thrown::internal(format!(
                "there is no device {other:?}, only auto, webgpu and cpu"
            )));
        }
    };
    let (device, report) = select(preference).await.map_err(thrown)?;
    let device = match (report.kind, int8_activations) {
        (DeviceKind::Cpu, true) => ComputeDevice::cpu_int8(),
        _ => device,
    };
    Ok(Device { device, report })
}

/// [`DeviceReport`] as JavaScript gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    kind: &'static str,
    kernels: KernelFamily,
    adapter: &'a str,
    backend: &'a str,
    software: bool,
    reason: &'a str,
    // Numbers of JavaScript are exact up to 2^53.
    max_buffer_size: u64,
    max_storage_buffer_binding_size: u64,
    subgroups: bool,
    threads: usize,
    self_test: &'a SelfTestOutcome,
}

impl<'a> From<&'a DeviceReport> for Report<'a> {
    fn from(report: &'a DeviceReport) -> Self {
        Self {
            kind: match report.kind {
                DeviceKind::Cpu => "cpu",
                DeviceKind::Gpu => "webgpu",
            },
            kernels: report.kernels,
            adapter: &report.adapter,
            backend: &report.backend,
            software: report.software,
            reason: &report.reason,
            max_buffer_size: report.max_buffer_size,
            max_storage_buffer_binding_size: report.max_storage_buffer_binding_size,
            subgroups: report.subgroups,
            threads: report.threads,
            self_test: &report.self_test,
        }
    }
}
