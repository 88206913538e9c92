//! Prompts of any order.

use flamingo_runtime::Segment;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::media::EncodedMedia;

/// Text, images and clips, in the order the model reads them.
#[wasm_bindgen]
#[derive(Default)]
pub struct Prompt {
    pub(crate) segments: Vec<Segment>,
}

#[wasm_bindgen]
impl Prompt {
    /// An empty prompt.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts text last. Nothing in it is a special token.
    #[wasm_bindgen(js_name = addText)]
    pub fn add_text(&mut self, text: String) {
        self.segments.push(Segment::Text(text));
    }

    /// Puts an image or a clip last, which stays the caller's.
    #[wasm_bindgen(js_name = addMedia)]
    pub fn add_media(&mut self, media: &EncodedMedia) {
        self.segments.push(Segment::Media(media.media.clone()));
    }

    /// Puts the end of an example, `<|endofchunk|>`, last.
    #[wasm_bindgen(js_name = addEndOfChunk)]
    pub fn add_end_of_chunk(&mut self) {
        self.segments.push(Segment::EndOfChunk);
    }
}
