//! JSON schemas: which values a picture is described by.

use serde_json::Number;
use thiserror::Error;

use super::ecma;
use super::json::Json;
use super::range::between;
use crate::generate::{ConstraintError, Pattern};

/// Most parts of a schema, each reference resolved.
const MAX_PARTS: usize = 1024;

/// Most integers between two bounds that are compared with one another; of more, one is
/// written digit by digit.
const MAX_COMPARED: i64 = 64;

/// Most items a list gets beyond those that it must have, if the schema allows more.
const MAX_MORE_ITEMS: usize = 8;

/// Longest text that is written, in characters, if the schema allows longer ones.
const MAX_LENGTH: u64 = 256;

/// How far from zero, or from its only bound, a number is looked for.
const REACH: i64 = 1_000_000_000;

/// Keywords of an integer or a number.
const NUMBER_KEYWORDS: [&str; 5] = [
    "type",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
];

/// Largest integer that JavaScript tells from its neighbours.
const MAX_SAFE: i64 = (1 << 53) - 1;

/// Keywords that say nothing about which values are valid.
const ANNOTATIONS: [&str; 13] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    // Nothing that a schema does not name is ever added.
    "additionalProperties",
];

/// Why a schema cannot be decided by.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// It is no JSON.
    #[error("the schema is no JSON: {0}")]
    Json(String),
    /// A keyword that this library does not know, or does not know beside the others.
    #[error("the schema uses {keyword:?} at {place:?}, which is not supported here")]
    Keyword {
        /// JSON pointer of the part.
        place: String,
        /// The keyword.
        keyword: String,
    },
    /// A keyword has a value that it cannot have, or no value can satisfy the part.
    #[error("the schema at {place:?}: {reason}")]
    Invalid {
        /// JSON pointer of the part.
        place: String,
        /// The fault.
        reason: String,
    },
    /// It is larger than a decision could be.
    #[error("the schema has more than {MAX_PARTS} parts, each reference resolved")]
    TooLarge,
}

/// A schema that was understood: every value made by it is valid.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(super) root: Node,
}

/// A part of a schema.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its description in the schema, if it has one.
    pub(super) description: Option<String>,
    pub(super) kind: Kind,
}

/// The values that a part allows.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// An object with these members.
    Object(Vec<(String, Node)>),
    /// A list.
    List {
        item: Box<Node>,
        least: usize,
        most: usize,
        /// No two items are equal.
        unique: bool,
    },
    /// One of these values, none of which is a list or an object.
    Closed(Vec<Json>),
    /// An integer, written as the pattern has it.
    Integer(Pattern),
    /// A number, written as the pattern has it.
    Number(Pattern),
    /// A text, which must match the pattern if there is one.
    Text(Option<Pattern>),
}

impl Schema {
    /// Reads a schema: objects, lists, `enum`, `const`, truth values, integers and numbers
    /// with bounds, texts with lengths or a pattern, `$ref` within. Any other keyword that
    /// would decide what is valid is refused by its name.
    ///
    /// # Errors
    /// If it is no schema, uses what is not supported, or allows no value.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let document = Json::parse(text).map_err(|error| SchemaError::Json(error.to_string()))?;
        let mut reader = Reader {
            document: &document,
            parts: 0,
        };
        let root = reader.node(&document, "", &mut Vec::new())?;
        Ok(Self { root })
    }

    /// Whether the value is neither an object nor a list.
    pub fn is_scalar(&self) -> bool {
        !matches!(self.root.kind, Kind::Object(_) | Kind::List { .. })
    }
}

struct Reader<'a> {
    document: &'a Json,
    parts: usize,
}

impl<'a> Reader<'a> {
    fn node(
        &mut self,
        part: &'a Json,
        place: &str,
        references: &mut Vec<&'a str>,
    ) -> Result<Node, SchemaError> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(SchemaError::TooLarge);
        }
        let Json::Object(members) = part else {
            return Err(invalid(place, "a schema is an object here"));
        };
        let part = Part {
            members,
            place: place.to_owned(),
        };
        let description = part.text("description")?.or(part.text("title")?);
        if let Some(reference) = part.text("$ref")? {
            part.only(&["$ref"])?;
            if references.contains(&reference) {
                return Err(invalid(place, "a reference leads back to itself"));
            }
            let target = self.resolve(reference).ok_or_else(|| {
                invalid(place, &format!("there is no {reference:?} in the schema"))
            })?;
            references.push(reference);
            let mut node = self.node(target, reference.trim_start_matches('#'), references)?;
            references.pop();
            if let Some(description) = description {
                node.description = Some(description.to_owned());
            }
            return Ok(node);
        }
        Ok(Node {
            description: description.map(str::to_owned),
            kind: self.kind(&part, references)?,
        })
    }

    fn kind(
        &mut self,
        part: &Part<'a>,
        references: &mut Vec<&'a str>,
    ) -> Result<Kind, SchemaError> {
        if let Some(values) = part.given_values()? {
            return Ok(Kind::Closed(values));
        }
        match part.text("type")? {
            Some("object") => self.object(part, references),
            Some("array") => self.list(part, references),
            Some("boolean") => {
                part.only(&["type"])?;
                Ok(Kind::Closed(vec![Json::Bool(true), Json::Bool(false)]))
            }
            Some("null") => {
                part.only(&["type"])?;
                Ok(Kind::Closed(vec![Json::Null]))
            }
            Some("integer") => integer(part),
            Some("number") => number(part),
            Some("string") => text(part),
            Some(other) => Err(part.invalid(&format!("there is no type {other:?}"))),
            None if part.get("properties").is_some() => self.object(part, references),
            None => {
                part.only(&[])?;
                Err(part.invalid("has no \"type\", \"enum\", \"const\" or \"$ref\""))
            }
        }
    }

    fn object(
        &mut self,
        part: &Part<'a>,
        references: &mut Vec<&'a str>,
    ) -> Result<Kind, SchemaError> {
        part.only(&["type", "properties", "required"])?;
        let properties = match part.get("properties") {
            None => &[][..],
            Some(Json::Object(properties)) => properties,
            Some(_) => return Err(part.invalid("\"properties\" is no object")),
        };
        for name in part.texts("required")? {
            if !properties.iter().any(|(property, _)| property == name) {
                let reason = format!("{name:?} is required, but no property says what it is");
                return Err(part.invalid(&reason));
            }
        }
        let members = properties.iter().map(|(name, property)| {
            let place = format!("{}/properties/{}", part.place, escaped(name));
            Ok((name.clone(), self.node(property, &place, references)?))
        });
        Ok(Kind::Object(members.collect::<Result<_, SchemaError>>()?))
    }

    fn list(
        &mut self,
        part: &Part<'a>,
        references: &mut Vec<&'a str>,
    ) -> Result<Kind, SchemaError> {
        part.only(&["type", "items", "minItems", "maxItems", "uniqueItems"])?;
        let least = part.count("minItems")?.unwrap_or(0);
        let most = part.count("maxItems")?;
        let count = |count: u64| {
            usize::try_from(count)
                .ok()
                .filter(|&count| count <= MAX_PARTS)
                .ok_or(SchemaError::TooLarge)
        };
        let least = count(least)?;
        let most = match most {
            Some(most) => usize::try_from(most).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        if most < least {
            return Err(part.invalid("\"maxItems\" is less than \"minItems\""));
        }
        let unique = match part.get("uniqueItems") {
            None => false,
            Some(Json::Bool(unique)) => *unique,
            Some(_) => return Err(part.invalid("\"uniqueItems\" is neither true nor false")),
        };
        let item = part
            .get("items")
            .ok_or_else(|| part.invalid("a list needs \"items\""))?;
        let before = self.parts;
        let item = self.node(item, &format!("{}/items", part.place), references)?;
        let mut most = most.min(least + MAX_MORE_ITEMS);
        match (&item.kind, unique) {
            (Kind::Closed(values), true) => {
                if values.len() < least {
                    return Err(part.invalid("has fewer values than it must have different items"));
                }
                most = most.min(values.len());
            }
            (_, true) => return Err(part.unsupported("uniqueItems")),
            (_, false) => {}
        }
        // Every item is decided on its own.
        let parts = (self.parts - before).saturating_mul(most);
        self.parts = self.parts.saturating_add(parts);
        if self.parts > MAX_PARTS {
            return Err(SchemaError::TooLarge);
        }
        Ok(Kind::List {
            item: Box::new(item),
            least,
            most,
            unique,
        })
    }

    /// The part of the document that `#` or `#/…` names.
    fn resolve(&self, reference: &str) -> Option<&'a Json> {
        let pointer = reference.strip_prefix('#')?;
        let mut part = self.document;
        for step in pointer.split('/').skip(1) {
            let name = step.replace("~1", "/").replace("~0", "~");
            part = part.get(&name).or_else(|| part.item(name.parse().ok()?))?;
        }
        (pointer.is_empty() || pointer.starts_with('/')).then_some(part)
    }
}

/// A part of a schema with its place.
struct Part<'a> {
    members: &'a [(String, Json)],
    place: String,
}

impl<'a> Part<'a> {
    fn get(&self, keyword: &str) -> Option<&'a Json> {
        self.members
            .iter()
            .find_map(|(name, value)| (name == keyword).then_some(value))
    }

    /// Refuses keywords other than these and annotations.
    fn only(&self, known: &[&str]) -> Result<(), SchemaError> {
        let is_known = |name: &str| known.contains(&name) || ANNOTATIONS.contains(&name);
        match self.members.iter().find(|(name, _)| !is_known(name)) {
            None => Ok(()),
            Some((name, _)) => Err(self.unsupported(name)),
        }
    }

    fn unsupported(&self, keyword: &str) -> SchemaError {
        SchemaError::Keyword {
            place: self.place.clone(),
            keyword: keyword.to_owned(),
        }
    }

    fn invalid(&self, reason: &str) -> SchemaError {
        invalid(&self.place, reason)
    }

    fn text(&self, keyword: &str) -> Result<Option<&'a str>, SchemaError> {
        match self.get(keyword) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            // A list of types, say.
            Some(Json::List(_)) => Err(self.unsupported(keyword)),
            Some(_) => Err(self.invalid(&format!("{keyword:?} is no text"))),
        }
    }

    fn texts(&self, keyword: &str) -> Result<Vec<&'a str>, SchemaError> {
        let wrong = || self.invalid(&format!("{keyword:?} is no list of texts"));
        match self.get(keyword) {
            None => Ok(Vec::new()),
            Some(Json::List(items)) => items
                .iter()
                .map(|item| match item {
                    Json::Text(text) => Ok(text.as_str()),
                    _ => Err(wrong()),
                })
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    fn count(&self, keyword: &str) -> Result<Option<u64>, SchemaError> {
        match self.number(keyword)? {
            None => Ok(None),
            Some(number) => match whole(number).and_then(|number| u64::try_from(number).ok()) {
                Some(count) => Ok(Some(count)),
                None => Err(self.invalid(&format!("{keyword:?} is no count"))),
            },
        }
    }

    fn number(&self, keyword: &str) -> Result<Option<&'a Number>, SchemaError> {
        match self.get(keyword) {
            None => Ok(None),
            Some(Json::Number(number)) => Ok(Some(number)),
            Some(_) => Err(self.invalid(&format!("{keyword:?} is no number"))),
        }
    }

    /// A bound as `f64`, which every number of JSON has.
    fn bound(&self, keyword: &str) -> Result<Option<f64>, SchemaError> {
        let number = self.number(keyword)?;
        match number.map(Number::as_f64) {
            Some(None) => Err(self.invalid(&format!("{keyword:?} is out of range"))),
            Some(bound) => Ok(bound),
            None => Ok(None),
        }
    }

    /// The values that `const` and `enum` list, if there are such keywords: those of them
    /// that the other keywords allow.
    fn given_values(&self) -> Result<Option<Vec<Json>>, SchemaError> {
        let mut values = match self.get("enum") {
            None => None,
            Some(Json::List(values)) => Some(values.clone()),
            Some(_) => return Err(self.invalid("\"enum\" is no list")),
        };
        if let Some(only) = self.get("const") {
            let is_listed =
                values.is_none_or(|values| values.iter().any(|value| equal(value, only)));
            values = Some(if is_listed {
                vec![only.clone()]
            } else {
                Vec::new()
            });
        }
        let Some(mut values) = values else {
            return Ok(None);
        };
        let compound = |value: &Json| matches!(value, Json::List(_) | Json::Object(_));
        if let Some(value) = values.iter().find(|value| compound(value)) {
            let reason = format!("lists an {} among its values", value.type_name());
            return Err(self.invalid(&reason));
        }
        self.only(&[
            "type",
            "enum",
            "const",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "minLength",
            "maxLength",
            "pattern",
        ])?;
        let rules = Rules::of(self)?;
        values.retain(|value| rules.allow(value));
        let mut different: Vec<Json> = Vec::new();
        for value in values {
            if !different.iter().any(|known| equal(known, &value)) {
                different.push(value);
            }
        }
        match different.is_empty() {
            true => Err(self.invalid("allows none of its values")),
            false => Ok(Some(different)),
        }
    }
}

/// Constraints on a value by keywords beside `enum` and `const`.
struct Rules<'a> {
    type_name: Option<&'a str>,
    least: Option<f64>,
    most: Option<f64>,
    above: Option<f64>,
    below: Option<f64>,
    min_length: u64,
    max_length: u64,
    pattern: Option<Pattern>,
}

impl<'a> Rules<'a> {
    fn of(part: &Part<'a>) -> Result<Self, SchemaError> {
        let type_name = part.text("type")?;
        let known = ["boolean", "null", "integer", "number", "string"];
        if let Some(name) = type_name.filter(|name| !known.contains(name)) {
            return Err(part.invalid(&format!("no value listed is of type {name:?}")));
        }
        Ok(Self {
            type_name,
            least: part.bound("minimum")?,
            most: part.bound("maximum")?,
            above: part.bound("exclusiveMinimum")?,
            below: part.bound("exclusiveMaximum")?,
            min_length: part.count("minLength")?.unwrap_or(0),
            max_length: part.count("maxLength")?.unwrap_or(u64::MAX),
            pattern: part
                .text("pattern")?
                // Found anywhere in the text.
                .map(|pattern| part.pattern(pattern, |pattern| format!("(?s:.*)(?:{pattern})(?s:.*)")))
                .transpose()?,
        })
    }

    fn allow(&self, value: &Json) -> bool {
        let is_of_type = self.type_name.is_none_or(|name| match value {
            Json::Number(number) => {
                name == "number" || name == "integer" && whole(number).is_some()
            }
            value => name == value.type_name(),
        });
        is_of_type
            && match value {
                Json::Number(number) => {
                    let number = number.as_f64();
                    number.is_some_and(|number| {
                        self.least.is_none_or(|least| number >= least)
                            && self.most.is_none_or(|most| number <= most)
                            && self.above.is_none_or(|above| number > above)
                            && self.below.is_none_or(|below| number < below)
                    })
                }
                Json::Text(text) => {
                    (self.min_length..=self.max_length).contains(&(text.chars().count() as u64))
                        && self
                            .pattern
                            .as_ref()
                            .is_none_or(|pattern| pattern.is_met(text))
                }
                _ => true,
            }
    }
}

impl Part<'_> {
    /// A pattern of the schema, which is ECMAScript's, in the form that `written` gives it.
    fn pattern(
        &self,
        pattern: &str,
        written: impl Fn(&str) -> String,
    ) -> Result<Pattern, SchemaError> {
        let translated = ecma::translated(pattern).map_err(|what| {
            self.invalid(&format!("\"pattern\" has {what}, which is not supported"))
        })?;
        Pattern::regex(&written(&translated)).map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &ConstraintError) -> SchemaError {
        self.invalid(&error.to_string())
    }
}

fn integer(part: &Part<'_>) -> Result<Kind, SchemaError> {
    part.only(&NUMBER_KEYWORDS)?;
    let (least, most) = bounds(part, 0, MAX_SAFE)?;
    if most - least < MAX_COMPARED {
        let values = (least..=most).map(|value| Json::Number(value.into()));
        return Ok(Kind::Closed(values.collect()));
    }
    let pattern = Pattern::regex(&between(least, most, 0)).map_err(|error| part.refused(&error))?;
    Ok(Kind::Integer(pattern))
}

fn number(part: &Part<'_>) -> Result<Kind, SchemaError> {
    /// Steps of ten that a narrow range is divided by, at most.
    const MAX_DECIMALS: u32 = 9;
    part.only(&NUMBER_KEYWORDS)?;
    // As few decimals as give two digits of choice, two if nothing is said.
    let mut last_error = None;
    for decimals in 2..=MAX_DECIMALS {
        let units = 10_i64.pow(decimals);
        match bounds(part, decimals, MAX_SAFE / units) {
            Ok((least, most)) if most - least >= 10 || decimals == MAX_DECIMALS => {
                let pattern = Pattern::regex(&between(least, most, decimals));
                return pattern
                    .map(Kind::Number)
                    .map_err(|error| part.refused(&error));
            }
            Ok(_) => {}
            Err(error) => last_error = Some(error),
        }
    }
    // A single number, or a few that lie closer than can be written.
    let exact = [part.bound("minimum")?, part.bound("maximum")?];
    let rules = Rules::of(part)?;
    let exact = exact.into_iter().flatten().filter_map(Number::from_f64);
    let values: Vec<Json> = exact
        .map(Json::Number)
        .filter(|value| rules.allow(value))
        .take(1)
        .collect();
    match (values.is_empty(), last_error) {
        (false, _) => Ok(Kind::Closed(values)),
        (true, Some(error)) => Err(error),
        (true, None) => Err(part.invalid("allows no number that can be written")),
    }
}

/// The least and the most of a range, in units of the last of `decimals` decimals.
fn bounds(part: &Part<'_>, decimals: u32, limit: i64) -> Result<(i64, i64), SchemaError> {
    let units = 10_f64.powi(decimals.cast_signed());
    let rules = Rules::of(part)?;
    let least = max(rules.least, rules.above);
    let most = min(rules.most, rules.below);
    let limit = limit as f64;
    let reach = REACH as f64;
    let (low, high) = match (least, most) {
        (Some(low), Some(high)) => (low, high),
        (Some(low), None) => (low, low.max(0.0) + reach),
        (None, Some(high)) => (high.min(0.0) - reach, high),
        (None, None) => (-reach, reach),
    };
    let (low, high) = (low.max(-limit), high.min(limit));
    // Rounding of the product may step over a bound by a unit.
    let mut least = (low * units).ceil() as i64 - 1;
    let mut most = (high * units).floor() as i64 + 1;
    let allowed = |unit: i64| {
        let number = Number::from_f64(unit as f64 / units);
        number.is_some_and(|number| rules.allow(&Json::Number(number)))
    };
    for _ in 0..3 {
        least += i64::from(!allowed(least));
        most -= i64::from(!allowed(most));
    }
    match least <= most && allowed(least) && allowed(most) {
        true => Ok((least, most)),
        false => Err(part.invalid("allows no number that can be written")),
    }
}

fn text(part: &Part<'_>) -> Result<Kind, SchemaError> {
    part.only(&["type", "minLength", "maxLength", "pattern"])?;
    let least = part.count("minLength")?;
    let most = part.count("maxLength")?;
    if let Some(pattern) = part.text("pattern")? {
        let both = [("minLength", least), ("maxLength", most)];
        if let Some((keyword, _)) = both.iter().find(|(_, bound)| bound.is_some()) {
            return Err(part.unsupported(keyword));
        }
        // The whole text, so that nothing stands around what was asked for.
        let pattern = part.pattern(pattern, str::to_owned)?;
        if pattern.completed("").is_none() {
            return Err(part.invalid("\"pattern\" matches no text"));
        }
        return Ok(Kind::Text(Some(pattern)));
    }
    let (least, most) = match (least, most) {
        (None, None) => return Ok(Kind::Text(None)),
        (least, most) => (least.unwrap_or(0), most.unwrap_or(u64::MAX)),
    };
    if most < least {
        return Err(part.invalid("\"maxLength\" is less than \"minLength\""));
    }
    if least > MAX_LENGTH {
        let reason = format!("asks for a text of more than {MAX_LENGTH} characters");
        return Err(part.invalid(&reason));
    }
    let most = most.min(MAX_LENGTH);
    let pattern = format!(r"[^\x00-\x1f\x7f]{{{least},{most}}}");
    let pattern = Pattern::regex(&pattern).map_err(|error| part.refused(&error))?;
    Ok(Kind::Text(Some(pattern)))
}

/// The integer that a number is, if it is one: 1.0 is 1.
fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let value = number.as_f64()?;
        (value.fract() == 0.0 && value.abs() <= MAX_SAFE as f64).then_some(value as i64)
    })
}

/// Whether two values are equal as JSON schema has it: 1 and 1.0 are.
fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn max(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::max)
}

fn min(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::min)
}

fn invalid(place: &str, reason: &str) -> SchemaError {
    SchemaError::Invalid {
        place: place.to_owned(),
        reason: reason.to_owned(),
    }
}

/// A name as a JSON pointer has it.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
