//! A model.

use std::rc::Rc;

use flamingo_runtime::{ImagePixels, Model as RuntimeModel, ModelMemory};
use js_sys::Function;
use serde::Serialize;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::error::{thrown, to_js};
use crate::generation::Listener;
use crate::media::{EncodedMedia, Frames};
use crate::options::{self, Generate};
use crate::prompt::Prompt;

/// [`ModelMemory`] as JavaScript gets it: numbers there are exact up to 2^53.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    weight_bytes: u64,
    latent_bytes: usize,
    gpu_bytes_in_use: u64,
    gpu_bytes_reserved: u64,
}

impl From<ModelMemory> for Memory {
    fn from(memory: ModelMemory) -> Self {
        Self {
            weight_bytes: memory.weights,
            latent_bytes: memory.latents,
            gpu_bytes_in_use: memory.device.map_or(0, |device| device.in_use),
            gpu_bytes_reserved: memory.device.map_or(0, |device| device.reserved),
        }
    }
}

/// What decoding a token takes, as JavaScript gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Work {
    weight_bytes_per_token: u64,
    dispatches: u64,
}

/// A model that is ready. Sessions share it and may outlive this handle.
#[wasm_bindgen]
pub struct Model {
    pub(crate) model: Rc<RuntimeModel>,
}

impl Model {
    pub(crate) fn new(model: RuntimeModel) -> Self {
        Self {
            model: Rc::new(model),
        }
    }
}

#[wasm_bindgen]
impl Model {
    /// Encodes a JPEG, PNG or WebP file.
    ///
    /// # Errors
    /// As [`RuntimeModel::encode`].
    pub async fn encode(&self, file: Vec<u8>) -> Result<EncodedMedia, JsValue> {
        let media = self.model.encode(&file).await.map_err(thrown)?;
        Ok(EncodedMedia { media })
    }

    /// Encodes frames as one clip; a single frame is an image.
    ///
    /// # Errors
    /// As [`RuntimeModel::encode_clip`].
    #[wasm_bindgen(js_name = encodeClip)]
    pub async fn encode_clip(&self, frames: &Frames) -> Result<EncodedMedia, JsValue> {
        let media = self
            .model
            .encode_clip(&frames.squares)
            .await
            .map_err(thrown)?;
        Ok(EncodedMedia { media })
    }

    /// What a JPEG, PNG or WebP file looks like, as a direction of length 1.
    ///
    /// # Errors
    /// As [`RuntimeModel::embed`]; and where the file gives no pixels.
    pub async fn embed(&self, file: Vec<u8>) -> Result<Vec<f32>, JsValue> {
        let pixels = ImagePixels::decode(&file).map_err(thrown)?;
        self.model.embed(&pixels).await.map_err(thrown)
    }

    /// As [`Self::embed`], of pixels as [`Frames::push_pixels`] takes them.
    ///
    /// # Errors
    /// As [`RuntimeModel::embed`] and [`ImagePixels::from_rgba8`].
    #[wasm_bindgen(js_name = embedPixels)]
    pub async fn embed_pixels(
        &self,
        rgba: Vec<u8>,
        width: u32,
        height: u32,
    ) -> Result<Vec<f32>, JsValue> {
        let pixels = ImagePixels::from_rgba8(width, height, &rgba).map_err(thrown)?;
        self.model.embed(&pixels).await.map_err(thrown)
    }

    /// Number of tokens of a prompt, one for each image or clip among them.
    ///
    /// # Errors
    /// As [`RuntimeModel::count_tokens`].
    #[wasm_bindgen(js_name = countTokens)]
    pub fn count_tokens(&self, prompt: &Prompt) -> Result<usize, JsValue> {
        self.model.count_tokens(&prompt.segments).map_err(thrown)
    }

    /// The memory it takes now.
    #[wasm_bindgen(unchecked_return_type = "ModelMemory")]
    pub fn memory(&self) -> JsValue {
        to_js(&Memory::from(self.model.memory()))
    }

    /// What decoding a token takes.
    #[wasm_bindgen(unchecked_return_type = "WorkReport")]
    pub fn work(&self) -> JsValue {
        to_js(&Work {
            weight_bytes_per_token: self.model.weight_bytes().read_per_token(),
            dispatches: self.model.device().dispatches(),
        })
    }

    /// Bytes read and written a second where its device copies memory.
    ///
    /// # Errors
    /// As [`ComputeDevice::copy_bandwidth`](flamingo_kernels::ComputeDevice::copy_bandwidth).
    #[wasm_bindgen(js_name = copyBandwidth)]
    pub async fn copy_bandwidth(&self) -> Result<f64, JsValue> {
        self.model.device().copy_bandwidth().await.map_err(thrown)
    }

    /// Continues a prompt. `on_piece` is given each token and resolves to whether to
    /// go on.
    ///
    /// # Errors
    /// As [`RuntimeModel::generate`]; and where `on_piece` throws, what it threw.
    #[wasm_bindgen(unchecked_return_type = "Caption")]
    pub async fn generate(
        &self,
        prompt: &Prompt,
        #[wasm_bindgen(unchecked_param_type = "WireOptions")] options: JsValue,
        #[wasm_bindgen(
            js_name = onPiece,
            unchecked_param_type = "(piece: WasmPiece) => Promise<boolean>"
        )]
        on_piece: Function,
    ) -> Result<JsValue, JsValue> {
        let options: Generate = options::read(options)?;
        let options = options.over(self.model.tokenizer()).map_err(thrown)?;
        let mut listener = Listener::new(on_piece);
        let generation = self
            .model
            .generate(&prompt.segments, &options, async |piece| {
                listener.hear(piece).await
            })
            .await
            .map_err(thrown)?;
        listener.finish(generation)
    }
}
