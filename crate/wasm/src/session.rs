//! A task, its examples and its turns.

use std::cell::Cell;
use std::rc::Rc;

use flamingo_runtime::decide::Schema;
use flamingo_runtime::{
    Example, GenerateOptions, Model as RuntimeModel, Query as RuntimeQuery, RuntimeError,
    Session as RuntimeSession,
};
use js_sys::Function;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::error::{Thrown, thrown, to_js};
use crate::generation::{Beam, Listener};
use crate::media::EncodedMedia;
use crate::model::Model;
use crate::options::{self, Beams, Choose, Decide, Generate, Task};

/// Examples, in the order the model reads them.
#[wasm_bindgen]
#[derive(Default)]
pub struct Examples {
    examples: Vec<Example>,
}

#[wasm_bindgen]
impl Examples {
    /// No examples.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an example of text only last.
    #[wasm_bindgen(js_name = addText)]
    pub fn add_text(&mut self, question: String, answer: String) {
        self.examples.push(Example {
            media: None,
            question,
            answer,
        });
    }

    /// Puts an example with an image or a clip last, which stays the caller's.
    #[wasm_bindgen(js_name = addMedia)]
    pub fn add_media(&mut self, media: &EncodedMedia, question: String, answer: String) {
        self.examples.push(Example {
            media: Some(media.media.clone()),
            question,
            answer,
        });
    }
}

/// What is asked: about an image or a clip, or without one.
#[wasm_bindgen]
pub struct Query {
    query: RuntimeQuery,
}

#[wasm_bindgen]
impl Query {
    /// A question without an image of its own; empty where the task asks none.
    #[wasm_bindgen(constructor)]
    pub fn new(question: String) -> Self {
        Self {
            query: RuntimeQuery {
                media: None,
                question,
            },
        }
    }

    /// Makes it about an image or a clip, which stays the caller's.
    #[wasm_bindgen(js_name = setMedia)]
    pub fn set_media(&mut self, media: &EncodedMedia) {
        self.query.media = Some(media.media.clone());
    }
}

/// A task with its examples, put to a model query by query.
#[wasm_bindgen]
pub struct Session {
    model: Rc<RuntimeModel>,
    /// Nothing while a call works with it: calls wait for the device, and others may
    /// come in between.
    session: Cell<Option<RuntimeSession>>,
}

impl Session {
    fn take(&self) -> Result<RuntimeSession, JsValue> {
        self.session.take().ok_or_else(|| {
            Thrown::internal("a session was asked two things at once; await one first".into())
        })
    }

    /// Gives the session to `work` alone.
    async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut RuntimeSession) -> Result<T, RuntimeError>,
    ) -> Result<T, JsValue> {
        let mut session = self.take()?;
        let outcome = work(&mut session).await;
        self.session.set(Some(session));
        outcome.map_err(thrown)
    }

    fn options(&self, options: JsValue) -> Result<GenerateOptions, JsValue> {
        let options: Generate = options::read(options)?;
        options.over(self.model.tokenizer()).map_err(thrown)
    }
}

#[wasm_bindgen]
impl Session {
    /// A session without examples. `task` is a task's name or `{template}`; captions
    /// where it is undefined.
    ///
    /// # Errors
    /// Where there is no such task or the template describes no prompt.
    #[wasm_bindgen(constructor)]
    pub fn new(
        model: &Model,
        #[wasm_bindgen(unchecked_param_type = "Task | undefined")] task: JsValue,
    ) -> Result<Self, JsValue> {
        let format = Task::read(task)?.format(&model.model).map_err(thrown)?;
        let session = RuntimeSession::new(&model.model, format, Vec::new());
        Ok(Self {
            model: Rc::clone(&model.model),
            session: Cell::new(Some(session)),
        })
    }

    /// Replaces the examples. What the old and the new ones begin with alike is not
    /// read again.
    ///
    /// # Errors
    /// While another call works with the session.
    #[wasm_bindgen(js_name = setExamples)]
    pub fn set_examples(&self, examples: &Examples) -> Result<(), JsValue> {
        let mut session = self.take()?;
        session.set_examples(examples.examples.clone());
        self.session.set(Some(session));
        Ok(())
    }

    /// Forgets the turns of the dialogue.
    ///
    /// # Errors
    /// While another call works with the session.
    #[wasm_bindgen(js_name = forgetTurns)]
    pub fn forget_turns(&self) -> Result<(), JsValue> {
        let mut session = self.take()?;
        session.forget_turns();
        self.session.set(Some(session));
        Ok(())
    }

    /// Answers a query. `on_piece` is given each token and resolves to whether to go
    /// on.
    ///
    /// # Errors
    /// As [`RuntimeSession::answer`]; where `on_piece` throws, what it threw; and while
    /// another call works with the session.
    #[wasm_bindgen(unchecked_return_type = "Caption")]
    pub async fn answer(
        &self,
        query: &Query,
        #[wasm_bindgen(unchecked_param_type = "WireOptions")] options: JsValue,
        #[wasm_bindgen(
            js_name = onPiece,
            unchecked_param_type = "(piece: WasmPiece) => Promise<boolean>"
        )]
        on_piece: Function,
    ) -> Result<JsValue, JsValue> {
        let options = self.options(options)?;
        let mut listener = Listener::new(on_piece);
        let generation = self
            .with(async |session| {
                session
                    .answer(&self.model, &query.query, &options, async |piece| {
                        listener.hear(piece).await
                    })
                    .await
            })
            .await?;
        listener.finish(generation)
    }

    /// As [`Self::answer`], and keeps both as a turn of the dialogue.
    ///
    /// # Errors
    /// As [`Self::answer`].
    #[wasm_bindgen(unchecked_return_type = "Caption")]
    pub async fn converse(
        &self,
        query: &Query,
        #[wasm_bindgen(unchecked_param_type = "WireOptions")] options: JsValue,
        #[wasm_bindgen(
            js_name = onPiece,
            unchecked_param_type = "(piece: WasmPiece) => Promise<boolean>"
        )]
        on_piece: Function,
    ) -> Result<JsValue, JsValue> {
        let options = self.options(options)?;
        let mut listener = Listener::new(on_piece);
        let generation = self
            .with(async |session| {
                session
                    .converse(&self.model, &query.query, &options, async |piece| {
                        listener.hear(piece).await
                    })
                    .await
            })
            .await?;
        listener.finish(generation)
    }

    /// How likely given answers to a query are, in their order, each with what that is made
    /// of if the examples voted.
    ///
    /// # Errors
    /// As [`RuntimeSession::choose`]; and while another call works with the session.
    #[wasm_bindgen(unchecked_return_type = "WasmChoice[]")]
    pub async fn choose(
        &self,
        query: &Query,
        choices: Vec<String>,
        #[wasm_bindgen(unchecked_param_type = "ScoringOptions")] options: JsValue,
    ) -> Result<JsValue, JsValue> {
        let options = options::read::<Choose>(options)?.into();
        let found = self
            .with(async |session| {
                session
                    .choose(&self.model, &query.query, &choices, &options)
                    .await
            })
            .await?;
        Ok(to_js(&found))
    }

    /// A value of a JSON schema about a query, as JSON: `{value, probability, leaves}`.
    ///
    /// # Errors
    /// If the schema is not supported; as [`RuntimeSession::decide`]; and while another
    /// call works with the session.
    pub async fn decide(
        &self,
        query: &Query,
        schema: String,
        #[wasm_bindgen(unchecked_param_type = "DecisionOptions")] options: JsValue,
    ) -> Result<String, JsValue> {
        let options = options::read::<Decide>(options)?.into();
        let schema = Schema::parse(&schema).map_err(|error| thrown(RuntimeError::from(error)))?;
        let decision = self
            .with(async |session| {
                session
                    .decide(&self.model, &query.query, &schema, &options)
                    .await
            })
            .await?;
        Ok(decision.to_string())
    }

    /// The best answers to a query by beam search, best first.
    ///
    /// # Errors
    /// As [`RuntimeSession::beam_search`]; and while another call works with the
    /// session.
    #[wasm_bindgen(js_name = beamSearch, unchecked_return_type = "Hypothesis[]")]
    pub async fn beam_search(
        &self,
        query: &Query,
        #[wasm_bindgen(unchecked_param_type = "BeamOptions")] options: JsValue,
    ) -> Result<JsValue, JsValue> {
        let options = options::read::<Beams>(options)?.into();
        let hypotheses = self
            .with(async |session| {
                session
                    .beam_search(&self.model, &query.query, &options)
                    .await
            })
            .await?;
        let beams: Vec<Beam> = hypotheses.into_iter().map(Beam::from).collect();
        Ok(to_js(&beams))
    }
}
