//! The harness as a page calls it.

use flamingo_kernels::{ComputeDevice, DevicePreference, DeviceReport, select_device};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::{Golden, MaxError, compare_resampler_video, measure_matvecs};

/// A device the page compares on.
#[wasm_bindgen]
pub struct ParityDevice {
    device: ComputeDevice,
    report: DeviceReport,
}

#[wasm_bindgen]
impl ParityDevice {
    /// Opens WebGPU, or fails: there is no falling back here.
    ///
    /// # Errors
    /// Where there is no WebGPU or its self-test fails.
    pub async fn webgpu() -> Result<ParityDevice, JsError> {
        let (device, report) = select_device(DevicePreference::Gpu).await?;
        Ok(Self { device, report })
    }

    /// What was opened.
    ///
    /// # Errors
    /// Where the report cannot be handed over.
    pub fn report(&self) -> Result<JsValue, JsError> {
        to_js(&self.report)
    }

    /// [`Golden::compare`] as `{errors: [{name, error, values}], …}`.
    ///
    /// # Errors
    /// Where the golden cannot be read or run.
    pub async fn compare_golden(
        &self,
        config: String,
        weights: Vec<u8>,
        expected: Vec<u8>,
    ) -> Result<JsValue, JsError> {
        let golden = Golden::read(&config, &weights, &expected)?;
        to_js(&golden.compare(&self.device).await?)
    }

    /// [`compare_resampler_video`] as `[{name, error, values}]`.
    ///
    /// # Errors
    /// Where the golden cannot be read or run.
    pub async fn compare_resampler_video(
        &self,
        weights: Vec<u8>,
        expected: Vec<u8>,
    ) -> Result<JsValue, JsError> {
        let errors: Vec<MaxError> =
            compare_resampler_video(&weights, &expected, &self.device).await?;
        to_js(&errors)
    }

    /// The table of [`measure_matvecs`].
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn measure_matvecs(&self, rounds: usize) -> Result<String, JsError> {
        Ok(measure_matvecs(&self.device, rounds).await?.table())
    }
}

fn to_js<T: Serialize>(value: &T) -> Result<JsValue, JsError> {
    Ok(serde_wasm_bindgen::to_value(value)?)
}
