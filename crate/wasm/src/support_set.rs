//! Choosing examples by what they look like.

use flamingo_runtime::{SupportEntry, SupportSet as RuntimeSet};
use serde::Serialize;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::error::{thrown, to_js};
use crate::model::Model;

/// Images with texts, found again by what they look like.
#[wasm_bindgen]
pub struct SupportSet {
    set: RuntimeSet,
}

#[wasm_bindgen]
impl SupportSet {
    /// An empty set for what a model sees.
    #[wasm_bindgen(constructor)]
    pub fn new(model: &Model) -> Self {
        let width = model.model.config().vision.encoder.width();
        Self {
            set: RuntimeSet::new(width),
        }
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// As [`RuntimeSet::from_bytes`].
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, JsValue> {
        let set = RuntimeSet::from_bytes(bytes).map_err(thrown)?;
        Ok(Self { set })
    }

    /// The set as bytes.
    #[wasm_bindgen(js_name = toBytes)]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.set.to_bytes()
    }

    /// Adds an image by its embedding, as [`Model::embed`] makes it. `image` is
    /// whatever finds the image again.
    ///
    /// # Errors
    /// As [`RuntimeSet::add`].
    pub fn add(
        &mut self,
        embedding: &[f32],
        image: String,
        question: String,
        answer: String,
    ) -> Result<(), JsValue> {
        let entry = SupportEntry {
            image,
            question,
            answer,
        };
        self.set.add(embedding, entry).map_err(thrown)
    }

    /// The `count` entries nearest to an embedding, the most similar last.
    ///
    /// # Errors
    /// As [`RuntimeSet::nearest`].
    #[wasm_bindgen(unchecked_return_type = "SupportEntry[]")]
    pub fn nearest(&self, embedding: &[f32], count: usize) -> Result<JsValue, JsValue> {
        let places = self.set.nearest(embedding, count).map_err(thrown)?;
        let entries = self.set.entries();
        let nearest: Vec<Entry<'_>> = places
            .into_iter()
            .filter_map(|place| Some((place, entries.get(place)?)))
            .map(Entry::from)
            .collect();
        Ok(to_js(&nearest))
    }
}

/// [`SupportEntry`] with its place, as JavaScript gets it.
#[derive(Serialize)]
struct Entry<'a> {
    index: usize,
    image: &'a str,
    question: &'a str,
    text: &'a str,
}

impl<'a> From<(usize, &'a SupportEntry)> for Entry<'a> {
    fn from((index, entry): (usize, &'a SupportEntry)) -> Self {
        Self {
            index,
            image: &entry.image,
            question: &entry.question,
            text: &entry.answer,
        }
    }
}
