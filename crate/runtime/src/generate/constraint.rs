//! Text that must follow a pattern: a list of choices or a regular expression.
//!
//! The pattern becomes a deterministic automaton over bytes. A token is allowed where
//! its bytes lead to a state from which the pattern can still be fulfilled, and the
//! end where it is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use flamingo_weights::excerpt::{Excerpt, one_line};
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use thiserror::Error;

use crate::tokenizer::{Tokenizer, TokenizerError};

/// Largest automaton, in bytes, and largest step on the way to it.
const SIZE_LIMIT: usize = 16 << 20;

/// Why a pattern cannot constrain a text.
#[derive(Debug, Error)]
pub enum ConstraintError {
    /// It is no regular expression, or one that no automaton of a sensible size
    /// decides: one with look-around, say.
    #[error("the pattern {} cannot be used: {reason}", Excerpt(pattern))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What the library says.
        reason: String,
    },
    /// A list of choices without any.
    #[error("a list of choices needs at least one")]
    NoChoices,
    /// The tokens' bytes are unknown.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A pattern that a whole text must match, of whatever tokens it is made. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Pattern {
    automaton: Arc<dense::DFA<Vec<u32>>>,
    start: StateID,
    expression: Arc<str>,
}

/// A pattern over the tokens of one model. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Constraint {
    pattern: Pattern,
    /// Bytes of every token; none where a token has no text.
    tokens: Arc<[Box<[u8]>]>,
    /// Spaces at the start of a text that have no place in it.
    spaces_dropped: usize,
}

impl Pattern {
    /// The text is one of `choices`.
    ///
    /// # Errors
    /// Where there is none, or they are too many to be told apart.
    pub fn choices(choices: &[String]) -> Result<Self, ConstraintError> {
        if choices.is_empty() {
            return Err(ConstraintError::NoChoices);
        }
        let escaped: Vec<String> = choices
            .iter()
            .map(|text| regex_syntax::escape(text))
            .collect();
        Self::regex(&escaped.join("|"))
    }

    /// The text matches a regular expression, from its first character to its last.
    ///
    /// # Errors
    /// Where the pattern is no regular expression of the `regex` crate, has
    /// look-around, or needs an automaton of more than 16 MiB.
    pub fn regex(pattern: &str) -> Result<Self, ConstraintError> {
        let refused = |reason: String| ConstraintError::Pattern {
            pattern: pattern.to_owned(),
            reason: one_line(&reason),
        };
        let config = dense::Config::new()
            // All alternatives, not the first that matches: the end decides.
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Anchored)
            .dfa_size_limit(Some(SIZE_LIMIT))
            .determinize_size_limit(Some(SIZE_LIMIT));
        // With its end in the pattern, a byte too many leads to the dead state.
        let automaton = dense::Builder::new()
            .configure(config)
            .thompson(thompson::Config::new().nfa_size_limit(Some(SIZE_LIMIT)))
            .build(&format!(r"(?:{pattern})\z"))
            .map_err(|error| refused(full_message(&error)))?;
        let start = automaton
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            automaton: Arc::new(automaton),
            start,
            expression: pattern.into(),
        })
    }

    /// The regular expression that it was made of.
    pub(crate) fn expression(&self) -> &str {
        &self.expression
    }

    /// The pattern over the tokens of a model.
    ///
    /// # Errors
    /// Where the bytes of its tokens are unknown.
    pub fn over(&self, tokenizer: &Tokenizer) -> Result<Constraint, ConstraintError> {
        Ok(Constraint {
            pattern: self.clone(),
            tokens: tokenizer.token_bytes()?.into(),
            spaces_dropped: tokenizer.spaces_dropped_at_start(),
        })
    }

    /// Whether a text is as it must be, from its first character to its last.
    pub fn is_met(&self, text: &str) -> bool {
        self.may_end(self.after(self.start, text.as_bytes()))
    }

    /// `text`, and what makes it match with the fewest bytes; `None` if nothing does.
    pub fn completed(&self, text: &str) -> Option<String> {
        let start = self.after(self.start, text.as_bytes());
        // Breadth first: the state before each, and the byte that led on from there.
        let mut before: HashMap<StateID, (StateID, u8)> = HashMap::new();
        let mut reached = VecDeque::from([start]);
        let mut end = None;
        while let Some(state) = reached.pop_front() {
            if self.may_end(state) {
                end = Some(state);
                break;
            }
            for byte in 0..=u8::MAX {
                let next = self.automaton.next_state(state, byte);
                let is_new = next != start && !before.contains_key(&next);
                if is_new && !self.automaton.is_dead_state(next) {
                    before.insert(next, (state, byte));
                    reached.push_back(next);
                }
            }
        }
        let mut state = end?;
        let mut missing = Vec::new();
        while state != start {
            let &(previous, byte) = before.get(&state)?;
            missing.push(byte);
            state = previous;
        }
        missing.reverse();
        let completed = [text.as_bytes(), &missing].concat();
        String::from_utf8(completed).ok()
    }

    fn after(&self, state: StateID, bytes: &[u8]) -> StateID {
        let next = |state, &byte| self.automaton.next_state(state, byte);
        bytes.iter().fold(state, next)
    }

    fn may_end(&self, state: StateID) -> bool {
        let end = self.automaton.next_eoi_state(state);
        self.automaton.is_match_state(end)
    }
}

impl Constraint {
    /// The text is one of `choices`.
    ///
    /// # Errors
    /// Where there is none, or they are too many to be told apart.
    pub fn choices(choices: &[String], tokenizer: &Tokenizer) -> Result<Self, ConstraintError> {
        Pattern::choices(choices)?.over(tokenizer)
    }

    /// The text matches a regular expression: see [`Pattern::regex`].
    ///
    /// # Errors
    /// As [`Pattern::regex`] and [`Pattern::over`].
    pub fn regex(pattern: &str, tokenizer: &Tokenizer) -> Result<Self, ConstraintError> {
        Pattern::regex(pattern)?.over(tokenizer)
    }

    /// Another pattern over the same tokens.
    pub fn replaced(&self, pattern: &Pattern) -> Self {
        Self {
            pattern: pattern.clone(),
            ..self.clone()
        }
    }

    /// Whether a text is as it must be, from its first character to its last.
    pub fn is_met(&self, text: &str) -> bool {
        self.pattern.is_met(text)
    }

    /// Before the first token.
    pub(crate) fn progress(&self) -> Progress<'_> {
        Progress {
            constraint: self,
            state: self.pattern.start,
            spaces_left: self.spaces_dropped,
        }
    }
}

/// What a text has made of a pattern so far.
#[derive(Clone, Debug)]
pub(crate) struct Progress<'a> {
    constraint: &'a Constraint,
    state: StateID,
    /// Spaces that would still be dropped.
    spaces_left: usize,
}

impl Progress<'_> {
    /// Whether a token may come next.
    pub(crate) fn allows(&self, id: u32) -> bool {
        let (_, bytes) = self.text_of(id);
        let automaton = &self.constraint.pattern.automaton;
        !bytes.is_empty() && !automaton.is_dead_state(self.after(bytes))
    }

    /// Whether the text may end here.
    pub(crate) fn may_end(&self) -> bool {
        self.constraint.pattern.may_end(self.state)
    }

    /// Takes a token.
    pub(crate) fn advance(&mut self, id: u32) {
        let (spaces, bytes) = self.text_of(id);
        let state = self.after(bytes);
        self.spaces_left = match bytes.is_empty() {
            true => self.spaces_left - spaces,
            false => 0,
        };
        self.state = state;
    }

    /// How many spaces of a token are dropped, and the bytes that it adds to the text.
    fn text_of(&self, id: u32) -> (usize, &[u8]) {
        let bytes = self.constraint.tokens.get(id as usize);
        let bytes = bytes.expect("invariant: a constraint knows each token of the vocabulary");
        let spaces = bytes.iter().take(self.spaces_left);
        let spaces = spaces.take_while(|&&byte| byte == b' ').count();
        (spaces, &bytes[spaces..])
    }

    fn after(&self, bytes: &[u8]) -> StateID {
        self.constraint.pattern.after(self.state, bytes)
    }
}

/// An error with its causes: the outermost alone says little.
fn full_message(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let messages: Vec<String> = causes.map(ToString::to_string).collect();
    messages.join(": ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use flamingo::config::TokensConfig;
    use flamingo_convert::tokenizer::{AddedToken, TokenizerJson};

    use super::*;

    /// A SentencePiece tokenizer of few pieces, most characters of which are bytes.
    fn tokenizer() -> Tokenizer {
        let path = "../../tests/fixtures/convert/tokenizers/llama/tokenizer.model";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let mut json = TokenizerJson::open(&path).unwrap();
        let first = u32::try_from(json.vocab_size()).unwrap();
        for (content, id) in [("<|endofchunk|>", first), ("<image>", first + 1)] {
            let special = true;
            json.add(&[AddedToken {
                content,
                id,
                special,
            }])
            .unwrap();
        }
        let tokens = TokensConfig {
            image: first + 1,
            end_of_chunk: first,
        };
        Tokenizer::from_json(&json.to_text(), tokens, json.vocab_size()).unwrap()
    }

    #[test]
    fn a_text_of_bytes_is_allowed_token_by_token_and_no_other() {
        let tokenizer = tokenizer();
        let choices = ["a dog", "naïve €", "日本"].map(str::to_owned);
        let constraint = Constraint::choices(&choices, &tokenizer).unwrap();
        for text in &choices {
            let ids = tokenizer.encode(text).unwrap();
            let mut progress = constraint.progress();
            for &id in &ids {
                assert!(!progress.may_end(), "{text}");
                assert!(
                    progress.allows(id) || tokenizer.text_of(id).unwrap() == " ",
                    "{text}: {id}"
                );
                progress.advance(id);
            }
            assert!(progress.may_end(), "{text}");
            assert_eq!(&tokenizer.decode(&ids).unwrap(), text);
        }
        // After the first of the three bytes of "€" only its second one may come.
        let ids = tokenizer.encode("naïve €").unwrap();
        let mut progress = constraint.progress();
        for &id in &ids[..ids.len() - 2] {
            progress.advance(id);
        }
        let allowed: Vec<u32> = (0..tokenizer.token_bytes().unwrap().len() as u32)
            .filter(|&id| progress.allows(id))
            .collect();
        assert_eq!(allowed, [ids[ids.len() - 2]]);
    }

    #[test]
    fn a_text_is_completed_by_as_few_bytes_as_will_do() {
        let pattern = Pattern::regex("(?:cat|catfish)s?, [0-9]{2}").unwrap();
        assert_eq!(pattern.completed("cat").as_deref(), Some("cat, 00"));
        assert_eq!(pattern.completed("catf").as_deref(), Some("catfish, 00"));
        assert_eq!(pattern.completed("cats, 42").as_deref(), Some("cats, 42"));
        assert_eq!(pattern.completed("dog"), None);
        let pattern = Pattern::regex("é{3}").unwrap();
        assert_eq!(pattern.completed("é").as_deref(), Some("ééé"));
    }

    #[test]
    fn one_space_before_a_text_has_no_place_in_it() {
        let tokenizer = tokenizer();
        let constraint = Constraint::regex("a dog", &tokenizer).unwrap();
        let with_space = Constraint::regex(" a dog", &tokenizer).unwrap();
        let ids = tokenizer.encode("a").unwrap();
        assert_eq!(tokenizer.text_of(ids[0]).unwrap(), " a");
        let progress = constraint.progress();
        assert!(progress.allows(ids[0]));
        assert!(!with_space.progress().allows(ids[0]));
        // Behind the start a space is one.
        let mut progress = constraint.progress();
        progress.advance(ids[0]);
        assert!(!progress.allows(ids[0]));
    }
}
