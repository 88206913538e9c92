//! The harness as a page calls it.

use burn::tensor::Tensor;
use flamingo_kernels::{ComputeDevice, DevicePreference, DeviceReport, select_device};
use js_sys::{Function, Promise};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::matvec::{FEW, enqueue};
use crate::{Clock, Golden, MaxError, ParityError, compare_resampler_video, measure_matvecs};

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

    /// The table of [`measure_matvecs`]. `busy_ms()` gives a promise of the milliseconds that the
    /// GPU was busy since it was asked before.
    ///
    /// # Errors
    /// Where the device or the promise fails.
    pub async fn measure_matvecs(
        &self,
        rounds: usize,
        busy_ms: Function,
    ) -> Result<String, JsError> {
        let clock = GpuClock { busy_ms };
        Ok(measure_matvecs(&self.device, rounds, &clock).await?.table())
    }
}

/// The GPU's own clock, which launches do not count on: the page reads it.
struct GpuClock {
    busy_ms: Function,
}

impl GpuClock {
    async fn busy_ms(&self) -> Result<f64, ParityError> {
        let asked = async {
            let promise: Promise = self.busy_ms.call0(&JsValue::NULL)?.dyn_into()?;
            JsFuture::from(promise).await
        };
        let failed = |it: JsValue| ParityError::Clock(format!("{it:?}"));
        let answer = asked.await.map_err(failed)?;
        answer.as_f64().ok_or_else(|| failed(answer))
    }
}

impl Clock for GpuClock {
    async fn time(&self, product: &impl Fn() -> Tensor<2>) -> Result<f64, ParityError> {
        self.busy_ms().await?;
        enqueue(product, FEW).await?;
        Ok(self.busy_ms().await? / FEW as f64)
    }
}

fn to_js<T: Serialize>(value: &T) -> Result<JsValue, JsError> {
    Ok(serde_wasm_bindgen::to_value(value)?)
}
