//! What a model has read, kept for the next prompt that begins alike.
//!
//! The examples of a prompt stay the same from query to query. Their keys and values
//! do too, so that a new query costs its own image and its own tokens only.

use flamingo::{Flamingo, KvCache, Media, Positions};

use crate::error::RuntimeError;
use crate::media::EncodedMedia;
use crate::model::Model;
use crate::prompt::Prompt;

/// A prompt that a model has read, for work that branches behind it.
pub struct ReadPrompt<'a> {
    /// The model that read it.
    pub flamingo: &'a Flamingo,
    /// Its images.
    pub media: &'a Media,
    /// What the model keeps of it.
    pub cache: KvCache,
    /// Logits `[vocab]` behind its last token.
    pub logits: Vec<f32>,
}

/// What is noted of a forward pass besides its logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    Nothing,
    /// How the last token looks at the last image.
    Look,
}

/// What comes behind the last token read.
pub(crate) struct Behind {
    /// Logits `[vocab]`.
    pub(crate) logits: Vec<f32>,
    /// How the last token shares its attention among the latents of the last image
    /// `[latents]`; empty where there is none or it was not to be recorded.
    pub(crate) look: Vec<f32>,
}

/// A prompt that a model has read, with what it generated behind it.
pub struct PrefixCache {
    tokens: Vec<u32>,
    /// Places of `media` among the tokens, rising.
    places: Vec<usize>,
    media: Vec<EncodedMedia>,
    /// What the cross-attention blocks keep of `media`.
    seen: Media,
    cache: KvCache,
}

impl PrefixCache {
    /// Nothing read yet.
    pub fn new(model: &Model) -> Self {
        Self {
            tokens: Vec::new(),
            places: Vec::new(),
            media: Vec::new(),
            seen: Media::none(),
            cache: model.flamingo().new_cache(),
        }
    }

    /// Number of tokens held.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether nothing has been read.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Reads a prompt, except for what it shares with the last one, and gives what
    /// comes behind it and the number of tokens that were shared.
    ///
    /// # Errors
    /// Where the prompt holds another model's media or the device fails.
    pub(crate) async fn read(
        &mut self,
        model: &Model,
        prompt: &Prompt<EncodedMedia>,
        recorded: Recorded,
    ) -> Result<(Behind, usize), RuntimeError> {
        let shared = self.prepare(model, prompt)?;
        let new = prompt.places.iter().filter(|place| **place >= shared);
        let places: Vec<usize> = new.map(|place| place - shared).collect();
        let tokens = &prompt.tokens[shared..];
        let behind = self.read_on(model, tokens, &places, recorded).await?;
        Ok((behind, shared))
    }

    /// Forgets what the prompt does not share, sees its other images, and gives the
    /// number of tokens that are shared.
    fn prepare(
        &mut self,
        model: &Model,
        prompt: &Prompt<EncodedMedia>,
    ) -> Result<usize, RuntimeError> {
        let shared = self.shared_with(prompt);
        self.truncate(shared);
        let latents = prompt
            .media
            .iter()
            .enumerate()
            .skip(self.media.len())
            .map(|(index, media)| media.latents(model, index))
            .collect::<Result<Vec<_>, _>>()?;
        self.seen.extend(model.flamingo().media(&latents)?)?;
        self.media.clone_from(&prompt.media);
        Ok(shared)
    }

    /// Reads one more token of text and returns what comes behind it.
    pub(crate) async fn push(
        &mut self,
        model: &Model,
        token: u32,
        recorded: Recorded,
    ) -> Result<Behind, RuntimeError> {
        self.read_on(model, &[token], &[], recorded).await
    }

    /// Reads more tokens, with images at these places among them, and returns what comes
    /// behind the last.
    async fn read_on(
        &mut self,
        model: &Model,
        tokens: &[u32],
        places: &[usize],
        recorded: Recorded,
    ) -> Result<Behind, RuntimeError> {
        let (flamingo, cache, seen) = (model.flamingo(), &mut self.cache, &self.seen);
        let (logits, look) = match recorded {
            Recorded::Nothing => {
                let logits = flamingo.forward(tokens, places, seen, cache, Positions::Last)?;
                (logits, None)
            }
            Recorded::Look => flamingo.forward_recorded(tokens, places, seen, cache)?,
        };
        let before = self.tokens.len();
        self.places
            .extend(places.iter().map(|place| before + place));
        self.tokens.extend_from_slice(tokens);
        let logits = model.read(logits).await?;
        let look = match look {
            Some(look) => model.read(look).await?,
            None => Vec::new(),
        };
        Ok(Behind { logits, look })
    }

    /// Lends what was read to work that gives the cache back as it was.
    pub(crate) fn lend<'a>(&'a mut self, model: &'a Model, logits: Vec<f32>) -> ReadPrompt<'a> {
        let flamingo = model.flamingo();
        ReadPrompt {
            flamingo,
            media: &self.seen,
            cache: std::mem::replace(&mut self.cache, flamingo.new_cache()),
            logits,
        }
    }

    /// Takes the cache back.
    pub(crate) fn take_back(&mut self, cache: KvCache) {
        self.cache = cache;
    }

    /// How many leading tokens of the prompt are held already. Its last one never
    /// counts: what follows it must be computed.
    fn shared_with(&self, prompt: &Prompt<EncodedMedia>) -> usize {
        let first_other_media = self.first_other_media(prompt);
        // The cache may hold less than was noted where an earlier call failed.
        let held = self.tokens.len().min(self.cache.len());
        self.tokens[..held]
            .iter()
            .zip(&prompt.tokens)
            .take(prompt.tokens.len() - 1)
            .take_while(|(held, wanted)| held == wanted)
            .count()
            .min(first_other_media)
    }

    /// The place of the first image or clip that the prompt does not share: another one, or
    /// one that only one of both has.
    fn first_other_media(&self, prompt: &Prompt<EncodedMedia>) -> usize {
        let held = self.places.iter().zip(&self.media);
        let wanted = prompt.places.iter().zip(&prompt.media);
        let shared = held
            .zip(wanted)
            .take_while(|((place, held), (other, wanted))| place == other && held.is(wanted))
            .count();
        let places = [self.places.get(shared), prompt.places.get(shared)];
        places
            .into_iter()
            .flatten()
            .min()
            .copied()
            .unwrap_or(usize::MAX)
    }

    fn truncate(&mut self, tokens: usize) {
        self.tokens.truncate(tokens);
        self.cache.truncate(tokens);
        self.places.retain(|&place| place < tokens);
        let media = self.places.len();
        self.media.truncate(media);
        self.seen.truncate(media);
    }
}
