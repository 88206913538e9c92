//! Images and clips.

use flamingo_runtime::{EncodedMedia as RuntimeMedia, ImagePixels};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::error::thrown;

/// An image or a clip, seen by the model.
#[wasm_bindgen]
pub struct EncodedMedia {
    pub(crate) media: RuntimeMedia,
}

/// Pictures on their way into the model: the frames of a clip, in the order of time,
/// or one image whose pixels are decoded already.
#[wasm_bindgen]
#[derive(Default)]
pub struct Frames {
    pub(crate) pixels: Vec<ImagePixels>,
}

#[wasm_bindgen]
impl Frames {
    /// No frames.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a frame last: `[height, width, 4]` of red, green, blue and alpha, 8 bits
    /// each, row by row. It is laid on white, as files are.
    ///
    /// # Errors
    /// As [`ImagePixels::from_rgba8`].
    #[wasm_bindgen(js_name = pushPixels)]
    pub fn push_pixels(&mut self, rgba: &[u8], width: u32, height: u32) -> Result<(), JsValue> {
        let frame = ImagePixels::from_rgba8(width, height, rgba).map_err(thrown)?;
        self.pixels.push(frame);
        Ok(())
    }

    /// Puts a frame last: a JPEG, PNG or WebP file.
    ///
    /// # Errors
    /// As [`ImagePixels::decode`].
    #[wasm_bindgen(js_name = pushFile)]
    pub fn push_file(&mut self, file: &[u8]) -> Result<(), JsValue> {
        self.pixels.push(ImagePixels::decode(file).map_err(thrown)?);
        Ok(())
    }
}
