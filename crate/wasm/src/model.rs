//! A model, photos and examples.

use std::cell::RefCell;
use std::ops::ControlFlow;

use flamingo_runtime::prompt::CAPTION;
use flamingo_runtime::{
    EncodedMedia, Example, GenerateOptions, Generation, Model as RuntimeModel, PromptFormat, Query,
    RuntimeError, Session, StopReason, Timings, TokenPiece,
};
use js_sys::{Function, Promise};
use serde::Serialize;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use crate::error::{thrown, to_js};

/// A photo, seen by the model.
#[wasm_bindgen]
pub struct EncodedImage {
    media: EncodedMedia,
}

/// Examples, in the order the model reads them.
#[wasm_bindgen]
#[derive(Default)]
pub struct Shots {
    examples: Vec<Example>,
    /// There from the first caption on, which reads the examples for all.
    session: RefCell<Option<Session>>,
}

impl Shots {
    /// The session over these examples; nobody else has it until it is put back.
    fn take_session(&self, model: &RuntimeModel) -> Result<Session, RuntimeError> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => {
                let format = PromptFormat::parse(CAPTION)?;
                Ok(Session::new(model, format, self.examples.clone()))
            }
        }
    }
}

#[wasm_bindgen]
impl Shots {
    /// No examples.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an example last. The image stays the caller's.
    pub fn add(&mut self, image: &EncodedImage, text: String) {
        self.examples.push(Example {
            media: Some(image.media.clone()),
            question: String::new(),
            answer: text,
        });
        self.session.take();
    }
}

/// A model that is ready.
#[wasm_bindgen]
pub struct Model {
    model: RuntimeModel,
}

impl Model {
    pub(crate) fn new(model: RuntimeModel) -> Self {
        Self { model }
    }
}

#[wasm_bindgen]
impl Model {
    /// Encodes a JPEG, PNG or WebP file.
    ///
    /// # Errors
    /// As [`RuntimeModel::encode`].
    pub async fn encode(&self, file: Vec<u8>) -> Result<EncodedImage, JsValue> {
        let media = self.model.encode(&file).await.map_err(thrown)?;
        Ok(EncodedImage { media })
    }

    /// Captions a photo in the manner of the examples. `on_piece` is given
    /// each token and resolves to whether to go on.
    ///
    /// # Errors
    /// As [`Session::answer`]; and where `on_piece` throws, what it threw.
    #[wasm_bindgen(unchecked_return_type = "Caption")]
    pub async fn caption(
        &self,
        shots: &Shots,
        image: &EncodedImage,
        #[wasm_bindgen(js_name = maxNewTokens)] max_new_tokens: usize,
        #[wasm_bindgen(
            js_name = onPiece,
            unchecked_param_type = "(piece: TokenPiece) => Promise<boolean>"
        )]
        on_piece: Function,
    ) -> Result<JsValue, JsValue> {
        let mut exception = None;
        let mut session = shots.take_session(&self.model).map_err(thrown)?;
        let query = Query {
            media: Some(image.media.clone()),
            question: String::new(),
        };
        let options = GenerateOptions {
            max_new_tokens,
            ..GenerateOptions::default()
        };
        let caption = session
            .answer(
                &self.model,
                &query,
                &options,
                async |piece| match goes_on(&on_piece, piece).await {
                    Ok(true) => ControlFlow::Continue(()),
                    Ok(false) => ControlFlow::Break(()),
                    Err(thrown) => {
                        exception = Some(thrown);
                        ControlFlow::Break(())
                    }
                },
            )
            .await;
        shots.session.replace(Some(session));
        let caption = caption.map_err(thrown)?;
        exception.map_or_else(|| Ok(to_js(&Caption::from(caption))), Err)
    }
}

async fn goes_on(on_piece: &Function, piece: &TokenPiece) -> Result<bool, JsValue> {
    let answer = on_piece.call1(&JsValue::UNDEFINED, &to_js(&Piece::from(piece)))?;
    Ok(JsFuture::from(Promise::resolve(&answer)).await?.is_truthy())
}

/// [`TokenPiece`] as JavaScript gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    id: u32,
    text: &'a str,
    log_probability: f32,
}

impl<'a> From<&'a TokenPiece> for Piece<'a> {
    fn from(piece: &'a TokenPiece) -> Self {
        Self {
            id: piece.id,
            text: &piece.text,
            log_probability: piece.log_probability,
        }
    }
}

/// [`Generation`] as JavaScript gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Caption {
    text: String,
    token_ids: Vec<u32>,
    stop_reason: StopReason,
    timings: Milliseconds,
}

impl From<Generation> for Caption {
    fn from(generation: Generation) -> Self {
        Self {
            text: generation.text,
            token_ids: generation.token_ids,
            stop_reason: generation.stop_reason,
            timings: generation.timings.into(),
        }
    }
}

/// [`Timings`] as JavaScript gets them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Milliseconds {
    encode_ms: f64,
    prefill_ms: f64,
    first_token_ms: f64,
    decode_ms_per_token: f64,
}

impl From<Timings> for Milliseconds {
    fn from(timings: Timings) -> Self {
        Self {
            encode_ms: timings.encode_ms,
            prefill_ms: timings.prefill_ms,
            first_token_ms: timings.first_token_ms,
            decode_ms_per_token: timings.decode_ms_per_token,
        }
    }
}
