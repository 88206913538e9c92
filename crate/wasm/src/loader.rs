//! A model from its bytes.

use flamingo_runtime::ModelLoader as RuntimeLoader;
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
    /// Starts to load a model onto a device.
    #[wasm_bindgen(constructor)]
    pub fn new(device: &Device) -> Self {
        Self {
            loader: RuntimeLoader::new(device.compute()),
        }
    }

    /// Takes the next bytes, of any number.
    ///
    /// # Errors
    /// As [`RuntimeLoader::push`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), JsValue> {
        self.loader.push(bytes).map_err(thrown)
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
