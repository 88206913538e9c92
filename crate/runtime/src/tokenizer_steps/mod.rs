//! Checks a `tokenizer.json` before the library reads it.
//!
//! The library is made for files of people one trusts. It panics at some that are malformed,
//! and takes every step that one asks for, however long a text becomes by it: forty steps that
//! double a letter are a file of four kilobytes and a text of a terabyte. What is let through
//! here it reads and runs without a panic, in memory that the length of a text bounds.

mod charsmap;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tokenizers::{DecoderWrapper, NormalizerWrapper, PreTokenizerWrapper};

/// Most characters that the steps of one kind make of a character. Those of known tokenizers
/// make less than 400.
const MAX_GROWTH: usize = 1 << 12;

/// Most steps of one kind.
const MAX_STEPS: usize = 64;

/// Most characters that Unicode decomposes one into (U+FDFA).
const DECOMPOSED: usize = 18;

/// Checks the text of a `tokenizer.json`.
///
/// # Errors
/// The cause, for people, where the text is no JSON, or the library could not read it or should
/// not run its steps.
pub(crate) fn check(json: &str) -> Result<(), String> {
    let File(kinds) = serde_json::from_str(json).map_err(|error| error.to_string())?;
    for kind in kinds {
        match kind {
            Kind::Normalizer(step) => bound("normalizer", normalizer(&step)?)?,
            Kind::PreTokenizer(step) => bound("pre_tokenizer", pre_tokenizer(&step)?)?,
            Kind::Decoder(step) => bound("decoder", decoder(&step)?)?,
        }
    }
    Ok(())
}

/// What steps do to a text, at most.
#[derive(Clone, Copy)]
struct Effect {
    /// How many steps they are.
    steps: usize,
    /// Characters that they make of one.
    growth: usize,
}

impl Effect {
    const NONE: Self = Self {
        steps: 0,
        growth: 1,
    };

    fn of(growth: usize) -> Self {
        Self { steps: 1, growth }
    }

    fn then(self, next: Self) -> Self {
        Self {
            steps: self.steps.saturating_add(next.steps),
            growth: self.growth.saturating_mul(next.growth),
        }
    }
}

fn bound(kind: &str, effect: Effect) -> Result<(), String> {
    if effect.steps > MAX_STEPS {
        return Err(format!(
            "its {kind} has {} steps, more than {MAX_STEPS}",
            effect.steps
        ));
    }
    match effect.growth > MAX_GROWTH {
        true => Err(format!(
            "its {kind} may make a text more than {MAX_GROWTH} times as long"
        )),
        false => Ok(()),
    }
}

/// One after the other.
fn sequence<T>(
    steps: &[T],
    effect: impl Fn(&T) -> Result<Effect, String>,
) -> Result<Effect, String> {
    steps
        .iter()
        .try_fold(Effect::NONE, |before, step| Ok(before.then(effect(step)?)))
}

fn normalizer(step: &NormalizerWrapper) -> Result<Effect, String> {
    use NormalizerWrapper as Step;
    Ok(Effect::of(match step {
        Step::Sequence(steps) => return sequence(steps.as_ref(), normalizer),
        Step::StripNormalizer(_) | Step::StripAccents(_) | Step::Nmt(_) => 1,
        Step::NFC(_) | Step::NFD(_) | Step::NFKC(_) | Step::NFKD(_) => DECOMPOSED,
        // One capital letter is two small ones: U+0130.
        Step::Lowercase(_) => 2,
        // Spaces around it, and then as the two above.
        Step::BertNormalizer(_) => 3 * 2 * DECOMPOSED,
        Step::Precompiled(_) => charsmap::MAX_REPLACED,
        Step::Replace(replace) => 1 + replace.content.chars().count(),
        Step::Prepend(prepend) => 1 + prepend.prepend.chars().count(),
        // A character for each of its bytes.
        Step::ByteLevel(_) => 4,
    }))
}

fn pre_tokenizer(step: &PreTokenizerWrapper) -> Result<Effect, String> {
    use PreTokenizerWrapper as Step;
    Ok(Effect::of(match step {
        Step::Sequence(steps) => return sequence(steps.as_ref(), pre_tokenizer),
        Step::FixedLength(fixed) if fixed.length == 0 => {
            return Err("its pre_tokenizer cuts texts into pieces of no characters".to_owned());
        }
        // A space before it, and a character for each byte.
        Step::ByteLevel(_) => 5,
        Step::Metaspace(_) => 2,
        Step::BertPreTokenizer(_)
        | Step::Delimiter(_)
        | Step::Whitespace(_)
        | Step::Split(_)
        | Step::Punctuation(_)
        | Step::WhitespaceSplit(_)
        | Step::Digits(_)
        | Step::UnicodeScripts(_)
        | Step::FixedLength(_) => 1,
    }))
}

fn decoder(step: &DecoderWrapper) -> Result<Effect, String> {
    use DecoderWrapper as Step;
    Ok(Effect::of(match step {
        Step::Sequence(steps) => return sequence(steps.get_decoders(), decoder),
        // The library looks for them before the beginning of what is shorter.
        Step::Strip(strip) if strip.stop > 0 => {
            return Err("its decoder strips characters off the end of tokens".to_owned());
        }
        Step::Replace(replace) => 1 + replace.content.chars().count(),
        // A space before it, or in place of its suffix.
        Step::WordPiece(_) | Step::BPE(_) | Step::Metaspace(_) => 2,
        Step::ByteLevel(_)
        | Step::CTC(_)
        | Step::Fuse(_)
        | Step::Strip(_)
        | Step::ByteFallback(_) => 1,
    }))
}

/// Steps of one kind, as the library has them.
enum Kind {
    Normalizer(NormalizerWrapper),
    PreTokenizer(PreTokenizerWrapper),
    Decoder(DecoderWrapper),
}

/// A `tokenizer.json`, of which the steps are kept.
struct File(Vec<Kind>);

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FileVisitor)
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the parts of a tokenizer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
        let mut kinds = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let kind: fn(Value) -> serde_json::Result<Option<Kind>> = match name.as_str() {
                "normalizer" => |value| Ok(Option::deserialize(value)?.map(Kind::Normalizer)),
                "pre_tokenizer" => |value| Ok(Option::deserialize(value)?.map(Kind::PreTokenizer)),
                "decoder" => |value| Ok(Option::deserialize(value)?.map(Kind::Decoder)),
                _ => {
                    map.next_value::<Whole>()?;
                    continue;
                }
            };
            // What the library panics at must not reach it, so this is first.
            let value = map.next_value::<Value>()?;
            charsmap::check_all(&value).map_err(A::Error::custom)?;
            kinds.extend(kind(value).map_err(A::Error::custom)?);
        }
        Ok(File(kinds))
    }
}

/// A value that is whole: the library panics at a fault within some of its steps. Of a large
/// vocabulary nothing is kept.
struct Whole;

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl<'de> Visitor<'de> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Whole, E> {
        Ok(Whole)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Whole, E> {
        Ok(Whole)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Whole, E> {
        Ok(Whole)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Whole, E> {
        Ok(Whole)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Whole, E> {
        Ok(Whole)
    }

    fn visit_str<E>(self, _: &str) -> Result<Whole, E> {
        Ok(Whole)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Whole, A::Error> {
        while seq.next_element::<Whole>()?.is_some() {}
        Ok(Whole)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Whole, A::Error> {
        while map.next_entry::<Whole, Whole>()?.is_some() {}
        Ok(Whole)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn refusal(file: &Value) -> String {
        check(&file.to_string()).unwrap_err()
    }

    #[test]
    fn steps_that_make_a_text_a_million_times_as_long_are_refused() {
        let double = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
        let bytes = json!({
            "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true
        });
        let normalizers = |steps| json!({"normalizer": {"type": "Sequence", "normalizers": steps}});
        assert_eq!(check(&normalizers(vec![&double; 7]).to_string()), Ok(()));
        let too_long = "may make a text more than 4096 times as long";
        let inner = normalizers(vec![&double; 5]);
        for file in [
            normalizers(vec![&double; 40]),
            // In sequences of sequences too.
            normalizers(vec![&inner["normalizer"]; 5]),
            json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": vec![&bytes; 40]}}),
            json!({"decoder": {"type": "Sequence", "decoders": vec![&double; 40]}}),
        ] {
            assert!(refusal(&file).contains(too_long), "{}", refusal(&file));
        }
        let strip = json!({"type": "Strip", "strip_left": true, "strip_right": true});
        assert_eq!(check(&normalizers(vec![&strip; 64]).to_string()), Ok(()));
        assert!(refusal(&normalizers(vec![&strip; 65])).contains("65 steps, more than 64"));
    }

    #[test]
    fn files_that_the_library_panics_at_are_refused() {
        assert!(check(r#"{"decoder": {"type"#).is_err());
        assert!(check(&format!(r#"{{"decoder": {}"#, "[".repeat(200))).is_err());
        assert!(check("[]").is_err());
        for (file, cause) in [
            (
                json!({"pre_tokenizer": {"type": "FixedLength", "length": 0}}),
                "pieces of no characters",
            ),
            (
                json!({"decoder": {"type": "Strip", "content": " ", "start": 0, "stop": 1}}),
                "off the end of tokens",
            ),
            (
                json!({"normalizer": {"type": "Precompiled"}}),
                "precompiled_charsmap is no text",
            ),
        ] {
            assert!(refusal(&file).contains(cause), "{}", refusal(&file));
        }
    }

    #[test]
    fn a_file_without_steps_is_let_through() {
        let file = json!({
            "normalizer": null, "decoder": null, "model": {"vocab": {"a": 0, "b": [1.5, true, null]}}
        });
        assert_eq!(check(&file.to_string()), Ok(()));
    }
}
