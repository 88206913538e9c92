//! Typed answers: a value of a JSON schema about an image, each part with its probability.
//!
//! A schema is walked, and each of its leaves is a question of its own. If all values that a
//! leaf can have are known, they are compared by likelihood, as [`Session::choose`] does;
//! else one is written under a constraint that lets nothing else through. So the value is
//! always valid, whatever the model would rather say.

mod ecma;
mod json;
mod question;
mod range;
mod schema;
mod written;

use std::fmt;
use std::ops::{ControlFlow, RangeInclusive};

use serde::Serialize;

use crate::error::RuntimeError;
use crate::generate::{Constraint, GenerateOptions, Pattern};
use crate::model::{Example, Model};
use crate::prompt::Task;
use crate::session::{Choice, ChoiceParts, ChooseOptions, Query, Session};

pub use json::Json;
use schema::{Kind, Node};
pub use schema::{Schema, SchemaError};

/// How a value is decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecideOptions {
    /// How the values of a leaf are compared, if all of them are known.
    pub choose: ChooseOptions,
    /// Most tokens of a text or number that is written. One that is not valid yet is then
    /// completed in as few characters as will do.
    pub max_new_tokens: usize,
}

impl Default for DecideOptions {
    fn default() -> Self {
        Self {
            choose: ChooseOptions::default(),
            max_new_tokens: GenerateOptions::default().max_new_tokens,
        }
    }
}

/// A value of a schema.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The value, valid by the schema.
    pub value: Json,
    /// The product of the leaves' probabilities.
    pub probability: f64,
    /// Its parts that are neither lists nor objects, and the lengths of lists that could
    /// have had another.
    pub leaves: Vec<Leaf>,
}

/// A part of a value, and how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leaf {
    /// JSON pointer into the value; of a list it is about its length.
    pub path: String,
    /// The part's value, or the list's length.
    pub value: Json,
    /// Among the values that it could have had, if they were compared with one another, 1
    /// if there was no other; of a text or number that was written, the product of its
    /// tokens' probabilities.
    pub probability: f64,
    /// The two parts of that, if the examples voted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<ChoiceParts>,
}

impl fmt::Display for Decision {
    /// Writes it as JSON, with the members in the schema's order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// Everything that the questions about all leaves share.
struct Asking<'a> {
    model: &'a Model,
    query: &'a Query,
    options: &'a DecideOptions,
    /// The examples, whose answers are values of the schema.
    shots: Vec<Shot>,
    /// The tokens' bytes, once they were needed.
    constraint: Option<Constraint>,
    leaves: Vec<Leaf>,
}

/// An example with the value that it shows.
struct Shot {
    example: Example,
    value: Json,
}

/// A place in the value.
struct Place<'a> {
    /// JSON pointer.
    pointer: String,
    /// The words that name it, outermost first.
    words: Vec<String>,
    /// The value of each example there, if it has one.
    shown: Vec<Option<&'a Json>>,
}

impl Session {
    /// Decides about a query what a schema asks for. The answer of each example is a value
    /// of the schema, as JSON; a text needs no quotes if the schema is of one.
    ///
    /// Leaves are asked one by one, each in the session's format if that has a place for a
    /// question, else in the model's own for questions about pictures. The query's question
    /// stands before a leaf's.
    ///
    /// # Errors
    /// If an example's answer is no value of the schema, and as [`Self::choose`] and
    /// [`Self::answer`].
    pub async fn decide(
        &mut self,
        model: &Model,
        query: &Query,
        schema: &Schema,
        options: &DecideOptions,
    ) -> Result<Decision, RuntimeError> {
        options.choose.check()?;
        let examples = self.examples().to_vec();
        let format = self.format().clone();
        let asks_nothing = schema.is_scalar()
            && schema.root.description.is_none()
            && query.question.trim().is_empty();
        if !format.asks() && !asks_nothing {
            self.set_format(model.format(Task::VisualQuestion)?);
        }
        let outcome = match shots(&examples, schema) {
            Ok(shots) => self.decide_with(model, query, schema, options, shots).await,
            Err(error) => Err(error),
        };
        self.set_format(format);
        self.set_examples(examples);
        outcome
    }

    async fn decide_with(
        &mut self,
        model: &Model,
        query: &Query,
        schema: &Schema,
        options: &DecideOptions,
        shots: Vec<Shot>,
    ) -> Result<Decision, RuntimeError> {
        let values: Vec<Json> = shots.iter().map(|shot| shot.value.clone()).collect();
        let mut asking = Asking {
            model,
            query,
            options,
            shots,
            constraint: None,
            leaves: Vec::new(),
        };
        let place = Place {
            pointer: String::new(),
            words: Vec::new(),
            shown: values.iter().map(Some).collect(),
        };
        let value = self.node(&mut asking, &schema.root, place).await?;
        Ok(Decision {
            value,
            probability: asking.leaves.iter().map(|leaf| leaf.probability).product(),
            leaves: asking.leaves,
        })
    }

    /// Decides a part and all within it.
    async fn node(
        &mut self,
        asking: &mut Asking<'_>,
        node: &Node,
        place: Place<'_>,
    ) -> Result<Json, RuntimeError> {
        let question = question::of(node, &place.words);
        match &node.kind {
            Kind::Object(members) => {
                let mut decided = Vec::with_capacity(members.len());
                for (name, member) in members {
                    let inner = place.member(name);
                    // A future of its own size, or it would hold itself.
                    let value = Box::pin(self.node(asking, member, inner)).await?;
                    decided.push((name.clone(), value));
                }
                Ok(Json::Object(decided))
            }
            Kind::List {
                item,
                least,
                most,
                unique,
            } => {
                let length = self.length(asking, &place, *least..=*most).await?;
                if let (Kind::Closed(values), true) = (&item.kind, *unique) {
                    return self
                        .different(asking, &place, &question, values, length)
                        .await;
                }
                let mut items = Vec::with_capacity(length);
                for index in 0..length {
                    let inner = place.item(index);
                    items.push(Box::pin(self.node(asking, item, inner)).await?);
                }
                Ok(Json::List(items))
            }
            Kind::Closed(values) => {
                let choices = self.compare(asking, &place, &question, values).await?;
                let (value, choice) = likeliest(values, &choices);
                Ok(asking.leaf(&place, value.clone(), choice))
            }
            Kind::Integer(pattern) => {
                let (text, probability) =
                    self.write(asking, &place, &question, Some(pattern)).await?;
                let number: i64 = text
                    .parse()
                    .expect("invariant: the pattern matches integers of 53 bits");
                let number = Json::Number(number.into());
                Ok(asking.leaf(&place, number, Choice::of(probability)))
            }
            Kind::Number(pattern) => {
                let (text, probability) =
                    self.write(asking, &place, &question, Some(pattern)).await?;
                let number = text
                    .parse()
                    .ok()
                    .and_then(serde_json::Number::from_f64)
                    .expect("invariant: the pattern matches decimal numbers");
                Ok(asking.leaf(&place, Json::Number(number), Choice::of(probability)))
            }
            Kind::Text(pattern) => {
                let (text, probability) = self
                    .write(asking, &place, &question, pattern.as_ref())
                    .await?;
                Ok(asking.leaf(&place, Json::Text(text), Choice::of(probability)))
            }
        }
    }

    /// How many items a list has.
    async fn length(
        &mut self,
        asking: &mut Asking<'_>,
        place: &Place<'_>,
        range: RangeInclusive<usize>,
    ) -> Result<usize, RuntimeError> {
        let lengths: Vec<usize> = range.collect();
        let values: Vec<Json> = lengths
            .iter()
            .map(|&length| Json::Number(length.into()))
            .collect();
        let shown: Vec<Option<Json>> = place
            .shown
            .iter()
            .map(|list| match list {
                Some(Json::List(items)) => Some(Json::Number(items.len().into())),
                _ => None,
            })
            .collect();
        let counted = Place {
            pointer: place.pointer.clone(),
            words: place.words.clone(),
            shown: shown.iter().map(Option::as_ref).collect(),
        };
        let question = question::how_many(&place.words);
        let choices = self.compare(asking, &counted, &question, &values).await?;
        let (value, choice) = likeliest(&values, &choices);
        if values.len() > 1 {
            asking.leaf(place, value.clone(), choice);
        }
        let chosen = values.iter().position(|other| other == value);
        Ok(lengths[chosen.expect("invariant: the likeliest value is one of them")])
    }

    /// A list of different values, the likeliest first.
    async fn different(
        &mut self,
        asking: &mut Asking<'_>,
        place: &Place<'_>,
        question: &str,
        values: &[Json],
        length: usize,
    ) -> Result<Json, RuntimeError> {
        // Every example shows one value: the first of its list.
        let first = Place {
            pointer: place.pointer.clone(),
            words: place.words.clone(),
            shown: place.within(|list| list.item(0)),
        };
        let choices = self.compare(asking, &first, question, values).await?;
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| {
            let [a, b] = [a, b].map(|index| choices[index].probability);
            b.total_cmp(&a)
        });
        let items = order
            .into_iter()
            .take(length)
            .enumerate()
            .map(|(index, value)| {
                let value_place = place.item(index);
                asking.leaf(&value_place, values[value].clone(), choices[value])
            });
        Ok(Json::List(items.collect()))
    }

    /// How likely each value is; the probabilities sum to 1.
    async fn compare(
        &mut self,
        asking: &Asking<'_>,
        place: &Place<'_>,
        question: &str,
        values: &[Json],
    ) -> Result<Vec<Choice>, RuntimeError> {
        if values.len() == 1 {
            return Ok(vec![Choice::CERTAIN]);
        }
        let asked = asking.query.question.trim();
        // The question about the place, which is the same, has not been added to these.
        let asks_the_same = asking.shots.iter().zip(&place.shown).all(|(shot, value)| {
            let question = shot.example.question.trim();
            value.is_none() || question.is_empty() || question == asked
        });
        let query = self.ask(asking, place, question);
        let answers: Vec<String> = values.iter().map(question::spelled).collect();
        let options = &asking.options.choose;
        self.choose_where(asking.model, &query, &answers, options, asks_the_same)
            .await
    }

    /// A text that matches a pattern, and its probability.
    async fn write(
        &mut self,
        asking: &mut Asking<'_>,
        place: &Place<'_>,
        question: &str,
        pattern: Option<&Pattern>,
    ) -> Result<(String, f64), RuntimeError> {
        let constraint = pattern
            .map(|pattern| asking.constraint(pattern))
            .transpose()?;
        let options = GenerateOptions {
            max_new_tokens: asking.options.max_new_tokens,
            constraint,
            ..GenerateOptions::default()
        };
        let query = self.ask(asking, place, question);
        let (mut written, mut log_probability) = (String::new(), 0.0);
        let generation = self
            .answer(asking.model, &query, &options, async |piece| {
                written += &piece.text;
                log_probability += f64::from(piece.log_probability);
                ControlFlow::Continue(())
            })
            .await?;
        let text = match pattern {
            None => generation.text,
            Some(pattern) => pattern
                .completed(&written)
                .expect("invariant: a constraint lets nothing through that cannot be completed"),
        };
        Ok((text, log_probability.exp()))
    }

    /// Makes the examples show what they have at a place, and gives the question about it.
    fn ask(&mut self, asking: &Asking<'_>, place: &Place<'_>, question: &str) -> Query {
        let shown = asking.shots.iter().zip(&place.shown);
        let examples = shown.filter_map(|(shot, value)| {
            Some(Example {
                media: shot.example.media.clone(),
                question: join(&shot.example.question, question),
                answer: question::spelled((*value)?),
            })
        });
        self.set_examples(examples.collect());
        Query {
            media: asking.query.media.clone(),
            question: join(&asking.query.question, question),
        }
    }
}

impl Asking<'_> {
    fn constraint(&mut self, pattern: &Pattern) -> Result<Constraint, RuntimeError> {
        let constraint = match &self.constraint {
            Some(known) => known.replaced(pattern),
            None => pattern.over(self.model.tokenizer())?,
        };
        self.constraint = Some(constraint.clone());
        Ok(constraint)
    }

    /// Notes a leaf and gives its value back.
    fn leaf(&mut self, place: &Place<'_>, value: Json, choice: Choice) -> Json {
        let Choice { probability, parts } = choice;
        self.leaves.push(Leaf {
            path: place.pointer.clone(),
            value: value.clone(),
            probability,
            parts,
        });
        value
    }
}

impl<'a> Place<'a> {
    fn member(&self, name: &str) -> Self {
        Self {
            pointer: format!("{}/{}", self.pointer, schema::escaped(name)),
            words: [&self.words[..], &[question::words(name)]].concat(),
            shown: self.within(|value| value.get(name)),
        }
    }

    fn item(&self, index: usize) -> Self {
        Self {
            pointer: format!("{}/{index}", self.pointer),
            words: [&self.words[..], &[(index + 1).to_string()]].concat(),
            shown: self.within(|value| value.item(index)),
        }
    }

    /// The values of the examples at an inner place.
    fn within(&self, inner: impl Fn(&'a Json) -> Option<&'a Json>) -> Vec<Option<&'a Json>> {
        self.shown.iter().map(|value| inner((*value)?)).collect()
    }
}

/// The examples with the values that they show.
fn shots(examples: &[Example], schema: &Schema) -> Result<Vec<Shot>, RuntimeError> {
    let shot = |(index, example): (usize, &Example)| {
        let text = example.answer.trim();
        let value = match (schema.is_scalar(), Json::parse(text)) {
            (true, Ok(value)) if question::may_be(&schema.root, &value) => Ok(value),
            (true, _) => question::read(&schema.root, text),
            (false, Ok(value)) => Ok(value),
            (false, Err(error)) => Err(format!("it is no JSON: {error}")),
        };
        let value = value.and_then(|value| match question::may_be(&schema.root, &value) {
            true => Ok(value),
            false => Err("it is no value of the schema".to_owned()),
        });
        Ok(Shot {
            example: example.clone(),
            value: value.map_err(|reason| RuntimeError::ShotValue { index, reason })?,
        })
    };
    examples.iter().enumerate().map(shot).collect()
}

/// The likeliest of several values.
fn likeliest<'a>(values: &'a [Json], choices: &[Choice]) -> (&'a Json, Choice) {
    let best = values
        .iter()
        .zip(choices)
        .rev()
        .max_by(|a, b| a.1.probability.total_cmp(&b.1.probability));
    let (value, &choice) = best.expect("invariant: a leaf has a value at least");
    (value, choice)
}

/// Two questions as one.
fn join(first: &str, second: &str) -> String {
    let parts = [first.trim(), second.trim()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}
