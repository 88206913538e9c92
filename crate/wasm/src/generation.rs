//! What a model says, token by token and as a whole.

use std::ops::ControlFlow;

use flamingo_runtime::{
    Alternative, AttentionMap, Generation, Hypothesis, StopReason, Timings, TokenPiece,
};
use js_sys::{Function, Promise};
use serde::Serialize;
use wasm_bindgen::prelude::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::error::to_js;

/// JavaScript's callback for tokens. It is given each, and resolves to whether to go
/// on.
pub(crate) struct Listener {
    on_piece: Function,
    /// What the callback threw.
    exception: Option<JsValue>,
}

impl Listener {
    pub(crate) fn new(on_piece: Function) -> Self {
        Self {
            on_piece,
            exception: None,
        }
    }

    /// Passes a token on.
    pub(crate) async fn hear(&mut self, piece: &TokenPiece) -> ControlFlow<()> {
        match self.call(piece).await {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(exception) => {
                self.exception = Some(exception);
                ControlFlow::Break(())
            }
        }
    }

    async fn call(&self, piece: &TokenPiece) -> Result<bool, JsValue> {
        let answer = self
            .on_piece
            .call1(&JsValue::UNDEFINED, &to_js(&Piece::from(piece)))?;
        Ok(JsFuture::from(Promise::resolve(&answer)).await?.is_truthy())
    }

    /// What the generation came to; what the callback threw is thrown on.
    pub(crate) fn finish(self, generation: Generation) -> Result<JsValue, JsValue> {
        match self.exception {
            Some(exception) => Err(exception),
            None => Ok(to_js(&Caption::from(generation))),
        }
    }
}

/// [`TokenPiece`] as JavaScript gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    id: u32,
    text: &'a str,
    log_probability: f32,
    alternatives: Vec<Candidate<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attention: Option<Map<'a>>,
}

/// [`AttentionMap`] as JavaScript gets it.
#[derive(Serialize)]
struct Map<'a> {
    frames: usize,
    side: usize,
    weights: &'a [f32],
}

impl<'a> From<&'a AttentionMap> for Map<'a> {
    fn from(map: &'a AttentionMap) -> Self {
        Self {
            frames: map.frames,
            side: map.side,
            weights: &map.weights,
        }
    }
}

/// [`Alternative`] as JavaScript gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    id: u32,
    text: &'a str,
    log_probability: f32,
}

impl<'a> From<&'a TokenPiece> for Piece<'a> {
    fn from(piece: &'a TokenPiece) -> Self {
        let candidate = |alternative: &'a Alternative| Candidate {
            id: alternative.id,
            text: &alternative.text,
            log_probability: alternative.log_probability,
        };
        Self {
            id: piece.id,
            text: &piece.text,
            log_probability: piece.log_probability,
            alternatives: piece.alternatives.iter().map(candidate).collect(),
            attention: piece.attention.as_ref().map(Map::from),
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
    reused_tokens: usize,
    timings: Milliseconds,
    /// Absent where nothing constrained the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    meets_constraint: Option<bool>,
}

impl From<Generation> for Caption {
    fn from(generation: Generation) -> Self {
        Self {
            text: generation.text,
            token_ids: generation.token_ids,
            stop_reason: generation.stop_reason,
            reused_tokens: generation.reused_tokens,
            timings: generation.timings.into(),
            meets_constraint: generation.meets_constraint,
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

/// [`Hypothesis`] with its text, as JavaScript gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Beam {
    text: String,
    token_ids: Vec<u32>,
    score: f64,
    ended: bool,
}

impl From<(String, Hypothesis)> for Beam {
    fn from((text, hypothesis): (String, Hypothesis)) -> Self {
        Self {
            text,
            token_ids: hypothesis.token_ids,
            score: hypothesis.score,
            ended: hypothesis.ended,
        }
    }
}
