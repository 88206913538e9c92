//! Images and clips.

use std::rc::Rc;

use flamingo_runtime::{EncodedMedia as RuntimeMedia, ImagePixels, Model as RuntimeModel};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::error::thrown;
use crate::model::Model;

/// An image or a clip, seen by the model.
#[wasm_bindgen]
pub struct EncodedMedia {
    pub(crate) media: RuntimeMedia,
}

/// Pictures on their way into a model: the frames of a clip, in the order of time,
/// or one image whose pixels are decoded already. Each is scaled as it comes, so that
/// no more than one lies in memory at its full size.
#[wasm_bindgen]
pub struct Frames {
    model: Rc<RuntimeModel>,
    pub(crate) squares: Vec<ImagePixels>,
}

#[wasm_bindgen]
impl Frames {
    /// No frames yet for this model.
    #[wasm_bindgen(constructor)]
    pub fn new(model: &Model) -> Self {
        Self {
            model: model.model.clone(),
            squares: Vec::new(),
        }
    }

    /// Puts a frame last: `[height, width, 4]` of red, green, blue and alpha, 8 bits
    /// each, row by row. It is laid on white, as files are.
    ///
    /// # Errors
    /// As [`ImagePixels::from_rgba8`] and [`RuntimeModel::scaled`].
    #[wasm_bindgen(js_name = pushPixels)]
    pub fn push_pixels(&mut self, rgba: &[u8], width: u32, height: u32) -> Result<(), JsValue> {
        self.push(&ImagePixels::from_rgba8(width, height, rgba).map_err(thrown)?)
    }

    /// Puts a frame last: a JPEG, PNG or WebP file.
    ///
    /// # Errors
    /// As [`ImagePixels::decode`] and [`RuntimeModel::scaled`].
    #[wasm_bindgen(js_name = pushFile)]
    pub fn push_file(&mut self, file: &[u8]) -> Result<(), JsValue> {
        self.push(&ImagePixels::decode(file).map_err(thrown)?)
    }

    fn push(&mut self, pixels: &ImagePixels) -> Result<(), JsValue> {
        self.squares
            .push(self.model.scaled(pixels).map_err(thrown)?);
        Ok(())
    }
}
