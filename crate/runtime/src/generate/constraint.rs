//! Text that must follow a pattern: a list of choices or a regular expression.
//!
//! The pattern becomes a deterministic automaton over bytes. A token is allowed where
//! its bytes lead to a state from which the pattern can still be fulfilled, and the
//! end where it is.

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
}

/// A pattern over the tokens of one model. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Constraint {
    pattern: Pattern,
    /// Bytes of every token; none where a token has no text.
    tokens: Arc<[Box<[u8]>]>,
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
        })
    }

    /// The pattern over the tokens of a model.
    ///
    /// # Errors
    /// Where the bytes of its tokens are unknown.
    pub fn over(&self, tokenizer: &Tokenizer) -> Result<Constraint, ConstraintError> {
        Ok(Constraint {
            pattern: self.clone(),
            tokens: tokenizer.token_bytes()?.into(),
        })
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

    /// Whether a text is as it must be, from its first character to its last.
    pub fn is_met(&self, text: &str) -> bool {
        let pattern = &self.pattern;
        pattern.may_end(pattern.after(pattern.start, text.as_bytes()))
    }

    /// Before the first token.
    pub(crate) fn progress(&self) -> Progress<'_> {
        Progress {
            constraint: self,
            state: self.pattern.start,
        }
    }
}

/// What a text has made of a pattern so far.
#[derive(Clone, Debug)]
pub(crate) struct Progress<'a> {
    constraint: &'a Constraint,
    state: StateID,
}

impl Progress<'_> {
    /// Whether a token may come next.
    pub(crate) fn allows(&self, id: u32) -> bool {
        let bytes = self.constraint.tokens.get(id as usize);
        bytes.is_some_and(|bytes| {
            let automaton = &self.constraint.pattern.automaton;
            !bytes.is_empty() && !automaton.is_dead_state(self.after(bytes))
        })
    }

    /// Whether the text may end here.
    pub(crate) fn may_end(&self) -> bool {
        self.constraint.pattern.may_end(self.state)
    }

    /// Takes a token.
    pub(crate) fn advance(&mut self, id: u32) {
        if let Some(bytes) = self.constraint.tokens.get(id as usize) {
            self.state = self.after(bytes);
        }
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
