//! A model from its bytes.

use flamingo_runtime::{ModelLoader as RuntimeLoader, Rehearsal as RuntimeRehearsal};
use js_sys::Function;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::device::Device;
use crate::error::thrown;
use crate::model::Model;

/// Takes the bytes of a model in pieces.
#[wasm_bindgen]
pub struct ModelLoader {
    loader: RuntimeLoader,
}

#[wasm_bindgen]
impl ModelLoader {
    /// Starts to load a model whose file has `length` bytes onto a device.
    #[wasm_bindgen(constructor)]
    pub fn new(device: &Device, length: f64) -> Self {
        Self {
            // A length past what a float counts exactly is none of a file.
            loader: RuntimeLoader::new(device.compute(), length as u64),
        }
    }

    /// Takes the next bytes, of any number.
    ///
    /// # Errors
    /// As [`RuntimeLoader::push`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), JsValue> {
        self.loader.push(bytes).map_err(thrown)
    }

    /// A rehearsal of a caption, for as long as the rest arrives; none before the header
    /// has arrived, and none on the CPU.
    ///
    /// # Errors
    /// As [`RuntimeLoader::rehearsal`].
    pub fn rehearsal(&self) -> Result<Option<Rehearsal>, JsValue> {
        let rehearsal = self.loader.rehearsal().map_err(thrown)?;
        Ok(rehearsal.map(|rehearsal| Rehearsal { rehearsal }))
    }

    /// Puts the model together when all bytes have come. The loader is of no
    /// use afterwards.
    ///
    /// # Errors
    /// As [`RuntimeLoader::finish`].
    pub fn finish(self) -> Result<Model, JsValue> {
        self.loader.finish().map(Model::new).map_err(thrown)
    }
}

/// A caption by a model that knows nothing, which has the GPU compile what the model will need.
#[wasm_bindgen]
pub struct Rehearsal {
    rehearsal: RuntimeRehearsal,
}

#[wasm_bindgen]
impl Rehearsal {
    /// Rehearses, once. `on_step` is told after each step how many are done, and of how
    /// many. The rehearsal is of no use afterwards.
    ///
    /// # Errors
    /// As [`RuntimeRehearsal::run`].
    pub async fn run(
        self,
        #[wasm_bindgen(
            js_name = onStep,
            unchecked_param_type = "(done: number, total: number) => void"
        )]
        on_step: Function,
    ) -> Result<(), JsValue> {
        let total = JsValue::from(RuntimeRehearsal::STEPS);
        self.rehearsal
            .run(|done| {
                // The listener is `web/`'s and does not throw.
                let _ = on_step.call2(&JsValue::UNDEFINED, &done.into(), &total);
            })
            .await
            .map_err(thrown)
    }
}
