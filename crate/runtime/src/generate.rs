//! Decoding: which token comes next, and when to stop.

use serde::Serialize;

use crate::error::RuntimeError;

/// What a caller may choose about decoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateOptions {
    /// Stop after this many tokens, if `<|endofchunk|>` has not come before.
    pub max_new_tokens: usize,
}

impl Default for GenerateOptions {
    /// 40 new tokens: twice OpenFlamingo's evaluation, so that a caption ends
    /// where it ends and not in the middle.
    fn default() -> Self {
        Self { max_new_tokens: 40 }
    }
}

/// A token as it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenPiece {
    /// Its id.
    pub id: u32,
    /// The text it completes: whole characters, often none or several.
    pub text: String,
    /// Natural logarithm of the model's probability for it, over the whole
    /// vocabulary.
    pub log_probability: f32,
}

/// Why decoding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model ended the example.
    EndOfChunk,
    /// [`GenerateOptions::max_new_tokens`] were generated.
    MaxNewTokens,
    /// The model's context is full.
    ContextFull,
    /// The caller's callback said so.
    Aborted,
}

/// How long the steps took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Encoding the last image of the prompt, from the file's bytes to its
    /// latents; it happened before decoding, perhaps long before. 0 where the
    /// prompt has no image.
    pub encode_ms: f64,
    /// Reading the prompt: its images' keys and values, and its tokens.
    pub prefill_ms: f64,
    /// From the request to the first token, encoding not counted.
    pub first_token_ms: f64,
    /// Mean over the tokens after the first, 0 where there are none.
    pub decode_ms_per_token: f64,
}

/// What the model said.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// The text, without white space around it.
    pub text: String,
    /// The tokens, without `<|endofchunk|>`.
    pub token_ids: Vec<u32>,
    /// How long it took.
    pub timings: Timings,
    /// Why it ended.
    pub stop_reason: StopReason,
}

/// The most probable token that is not banned, and the logarithm of its
/// probability. Of equals the lowest id, as PyTorch's argmax has it.
///
/// `logits` are `[vocab]`, `banned` ids ascending.
///
/// # Errors
/// [`RuntimeError::NotFinite`] where no comparison is possible.
pub(crate) fn most_probable(logits: &[f32], banned: &[u32]) -> Result<(u32, f32), RuntimeError> {
    let not_finite = RuntimeError::NotFinite { what: "logits" };
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err(not_finite);
    }
    let best = (0u32..)
        .zip(logits)
        .filter(|(id, _)| banned.binary_search(id).is_err())
        .reduce(|best, candidate| {
            if candidate.1 > best.1 {
                candidate
            } else {
                best
            }
        });
    let Some((id, &logit)) = best else {
        return Err(not_finite);
    };
    // Sum against the largest of all, banned ones included, so that exp stays in range.
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|&logit| f64::from(logit - largest).exp())
        .sum();
    Ok((id, (f64::from(logit - largest) - sum.ln()) as f32))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn takes_the_largest_logit_that_is_not_banned() {
        assert_eq!(most_probable(&[0.0, 3.0, 2.0, 1.0], &[]).unwrap().0, 1);
        assert_eq!(most_probable(&[0.0, 3.0, 2.0, 1.0], &[1]).unwrap().0, 2);
        assert_eq!(
            most_probable(&[0.0, 3.0, 2.0, 1.0], &[0, 1, 2]).unwrap().0,
            3
        );
    }

    #[test]
    fn takes_the_lowest_id_among_equals() {
        assert_eq!(most_probable(&[-1.0, 2.0, 2.0], &[]).unwrap().0, 1);
    }

    #[test]
    fn log_probability_is_over_the_whole_vocabulary() {
        // Logits ln 1, ln 2, ln 5 are probabilities 1/8, 2/8, 5/8, shifted by
        // an amount that overflows a plain exp.
        let logits = [1.0f32, 2.0, 5.0].map(|p| p.ln() + 200.0);
        let (id, log_probability) = most_probable(&logits, &[2]).unwrap();
        assert_eq!(id, 1);
        assert!(
            (log_probability - (2.0f32 / 8.0).ln()).abs() < 1e-4,
            "{log_probability}"
        );
    }

    #[test]
    fn refuses_what_is_no_number() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = most_probable(&[0.0, bad], &[]).unwrap_err();
            assert!(matches!(error, RuntimeError::NotFinite { what: "logits" }));
        }
    }
}
