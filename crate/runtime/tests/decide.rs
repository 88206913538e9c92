//! Typed answers: values are valid whatever the model says, probabilities add up, examples
//! count, and what is not supported is named.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ops::ControlFlow;

use flamingo_kernels::ComputeDevice;
use flamingo_runtime::decide::{DecideOptions, Decision, Json, Schema, SchemaError};
use flamingo_runtime::prompt::{CAPTION, Task};
use flamingo_runtime::{
    Example, GenerateOptions, Model, PromptFormat, Query, RuntimeError, Session,
};
use futures_lite::future::block_on;
use support::{TinyModel, fixture};

fn model() -> Model {
    TinyModel::new().load(ComputeDevice::cpu())
}

fn shot(model: &Model, answer: &str) -> Example {
    Example {
        media: Some(block_on(model.encode(&fixture("images/photo.jpg"))).unwrap()),
        question: String::new(),
        answer: answer.to_owned(),
    }
}

fn query(model: &Model) -> Query {
    Query {
        media: shot(model, "").media,
        question: String::new(),
    }
}

fn session(model: &Model, examples: Vec<Example>) -> Session {
    Session::new(model, model.format(Task::VisualQuestion).unwrap(), examples)
}

fn decide(model: &Model, schema: &str) -> Result<Decision, RuntimeError> {
    let schema = Schema::parse(schema)?;
    let mut session = session(model, Vec::new());
    let options = DecideOptions {
        max_new_tokens: 6,
        ..DecideOptions::default()
    };
    block_on(session.decide(model, &query(model), &schema, &options))
}

#[test]
fn a_value_has_the_schemas_form_and_order() {
    let model = model();
    let schema = r##"{
        "type": "object",
        "properties": {
            "zebra": {"type": "boolean"},
            "animal": {"enum": ["cat", "dog", null]},
            "count": {"type": "integer", "minimum": 1, "maximum": 5},
            "size": {"$ref": "#/$defs/size"},
            "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"},
            "title": {"type": "string", "minLength": 3, "maxLength": 5},
            "colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]},
                "minItems": 2, "maxItems": 3, "uniqueItems": true},
            "nested": {"type": "object", "properties": {"a/b": {"const": 7}}}
        },
        "required": ["animal"],
        "$defs": {"size": {"type": "number", "minimum": 0.5, "exclusiveMaximum": 2}}
    }"##;
    let Decision {
        value,
        probability,
        leaves,
    } = decide(&model, schema).unwrap();
    let Json::Object(members) = &value else {
        panic!("{value}");
    };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "zebra", "animal", "count", "size", "code", "title", "colours", "nested",
    ];
    assert_eq!(names, expected);
    let Some(Json::Text(code)) = value.get("code") else {
        panic!("{value}");
    };
    assert!(
        code.len() == 6 && code[3..].parse::<u16>().is_ok(),
        "{code}"
    );
    let Some(Json::Number(size)) = value.get("size") else {
        panic!("{value}");
    };
    assert!((0.5..2.0).contains(&size.as_f64().unwrap()), "{size}");
    let Some(Json::Text(title)) = value.get("title") else {
        panic!("{value}");
    };
    assert!((3..=5).contains(&title.chars().count()), "{title:?}");
    let Some(Json::List(colours)) = value.get("colours") else {
        panic!("{value}");
    };
    assert!((2..=3).contains(&colours.len()) && colours[0] != colours[1]);
    assert_eq!(value.get("nested").unwrap().to_string(), r#"{"a/b":7}"#);

    let paths: Vec<&str> = leaves.iter().map(|leaf| leaf.path.as_str()).collect();
    assert!(
        paths.contains(&"/colours") && paths.contains(&"/colours/1"),
        "{paths:?}"
    );
    assert!(paths.contains(&"/nested/a~1b"), "{paths:?}");
    assert!(
        leaves
            .iter()
            .all(|leaf| (0.0..=1.0).contains(&leaf.probability))
    );
    let product: f64 = leaves.iter().map(|leaf| leaf.probability).product();
    assert_eq!(probability, product);
    // The same again: nothing is drawn.
    assert_eq!(decide(&model, schema).unwrap().value, value);
}

#[test]
fn closed_values_are_chosen_as_choose_does() {
    let model = model();
    let schema = Schema::parse(r#"{"enum": ["a dog", "a cat", "a boat"]}"#).unwrap();
    let examples = vec![shot(&model, "a cat"), shot(&model, "\"a boat\"")];
    let format = PromptFormat::parse(CAPTION).unwrap();
    let mut session = Session::new(&model, format, examples);
    let decision =
        block_on(session.decide(&model, &query(&model), &schema, &DecideOptions::default()))
            .unwrap();
    // The session is as it was: its format, and its examples with their own texts.
    let kept: Vec<&str> = session
        .examples()
        .iter()
        .map(|example| example.answer.as_str())
        .collect();
    assert_eq!(kept, ["a cat", "\"a boat\""]);
    let shown = vec![shot(&model, "a cat"), shot(&model, "a boat")];
    session.set_examples(shown);
    let answers = ["a dog", "a cat", "a boat"].map(str::to_owned);
    let chosen = block_on(session.choose(
        &model,
        &query(&model),
        &answers,
        &DecideOptions::default().choose,
    ))
    .unwrap();
    let best = (0..3)
        .max_by(|&a, &b| chosen[a].probability.total_cmp(&chosen[b].probability))
        .unwrap();
    assert_eq!(decision.value, Json::Text(answers[best].clone()));
    assert!((decision.probability - chosen[best].probability).abs() < 1e-6);
}

#[test]
fn examples_show_their_part_of_the_value() {
    let model = model();
    let schema = Schema::parse(
        r#"{"type": "object", "properties": {
            "kind": {"enum": ["cat", "dog"]}, "wet": {"type": "boolean"}}}"#,
    )
    .unwrap();
    let decided = |answers: &[&str]| {
        let examples = answers.iter().map(|answer| shot(&model, answer)).collect();
        let mut session = session(&model, examples);
        block_on(session.decide(&model, &query(&model), &schema, &DecideOptions::default()))
    };
    let bare = decided(&[]).unwrap();
    let shown = decided(&[r#"{"kind": "dog", "wet": true}"#]).unwrap();
    assert_ne!(bare.probability, shown.probability);
    // An example that says nothing of a part is not shown for it.
    let partly = decided(&[r#"{"kind": "dog"}"#]).unwrap();
    assert_eq!(partly.leaves[0], shown.leaves[0]);
    assert_eq!(partly.leaves[1], bare.leaves[1]);

    for (answer, reason) in [
        ("a dog", "no JSON"),
        (r#"{"kind": "bird"}"#, "no value of the schema"),
        ("[]", "no value of the schema"),
    ] {
        let error = decided(&[r#"{"kind": "cat"}"#, answer]).unwrap_err();
        let RuntimeError::ShotValue { index: 1, .. } = &error else {
            panic!("{error:?}");
        };
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn what_is_not_supported_is_named_with_its_place() {
    let keyword = |schema: &str| match Schema::parse(schema).unwrap_err() {
        SchemaError::Keyword { place, keyword } => format!("{place} {keyword}"),
        error => panic!("{error:?}"),
    };
    assert_eq!(keyword(r#"{"anyOf": []}"#), " anyOf");
    assert_eq!(keyword(r#"{"anyOf": [], "type": "string"}"#), " anyOf");
    assert_eq!(
        keyword(r#"{"type": "object", "properties": {"a": {"type": "string", "format": "date"}}}"#),
        "/properties/a format"
    );
    assert_eq!(keyword(r#"{"type": ["string", "null"]}"#), " type");
    assert_eq!(
        keyword(r#"{"type": "integer", "multipleOf": 2}"#),
        " multipleOf"
    );
    assert_eq!(
        keyword(r#"{"type": "array", "items": {"type": "string"}, "uniqueItems": true}"#),
        " uniqueItems"
    );
    assert_eq!(
        keyword(r#"{"type": "string", "pattern": "a", "minLength": 2}"#),
        " minLength"
    );
}

#[test]
fn schemas_that_allow_nothing_or_too_much_are_refused() {
    for (schema, reason) in [
        ("{", "no JSON"),
        (r#"{"type": "string", "type": "null"}"#, "two members named"),
        ("true", "is an object here"),
        ("{}", "no \"type\""),
        (r#"{"type": "word"}"#, "no type \"word\""),
        (r#"{"enum": []}"#, "allows none"),
        (r#"{"enum": [1, 2.5], "type": "string"}"#, "allows none"),
        (r#"{"enum": [[1]]}"#, "array among its values"),
        (
            r#"{"type": "integer", "minimum": 3, "maximum": 2}"#,
            "no number",
        ),
        (
            r#"{"type": "integer", "minimum": 0.2, "maximum": 0.8}"#,
            "no number",
        ),
        (
            r#"{"type": "number", "exclusiveMinimum": 1, "maximum": 1}"#,
            "no number",
        ),
        (
            r#"{"type": "string", "minLength": 4, "maxLength": 3}"#,
            "less than",
        ),
        (
            r#"{"type": "string", "minLength": 100000}"#,
            "more than 256",
        ),
        (r#"{"type": "string", "pattern": "(?=a)"}"#, "look-around"),
        (r#"{"type": "string", "pattern": "a^"}"#, "matches no text"),
        (r#"{"type": "string", "pattern": "("}"#, "cannot be used"),
        (r#"{"type": "array"}"#, "needs \"items\""),
        (
            r#"{"type": "array", "items": {"type": "null"}, "minItems": 9e9}"#,
            "more than 1024",
        ),
        (r##"{"$ref": "#"}"##, "leads back to itself"),
        (r##"{"$ref": "#/nowhere"}"##, "there is no \"#/nowhere\""),
        (r#"{"$ref": "https://example.org/a.json"}"#, "there is no"),
        (
            r#"{"type": "object", "required": ["a"]}"#,
            "no property says",
        ),
    ] {
        let error = Schema::parse(schema).unwrap_err().to_string();
        assert!(error.contains(reason), "{schema}: {error}");
    }
    // References that double with each step.
    let doubled = |step: usize| {
        format!(
            r##""d{step}": {{"type": "object", "properties": {{
                "a": {{"$ref": "#/$defs/d{0}"}}, "b": {{"$ref": "#/$defs/d{0}"}}}}}}"##,
            step + 1
        )
    };
    let mut definitions: Vec<String> = (0..40).map(doubled).collect();
    definitions.push(r#""d40": {"type": "null"}"#.to_owned());
    let schema = format!(
        r##"{{"$ref": "#/$defs/d0", "$defs": {{{}}}}}"##,
        definitions.join(",")
    );
    assert!(matches!(Schema::parse(&schema), Err(SchemaError::TooLarge)));
    // Nested beyond what a stack should hold.
    let deep = format!("{}{}", "{\"a\":".repeat(5000), "}".repeat(5000));
    assert!(matches!(Schema::parse(&deep), Err(SchemaError::Json(_))));
}

/// The schema as a constraint of a text that is written token by token.
#[test]
fn a_text_is_written_as_the_json_of_a_schema() {
    let model = model();
    let schema = Schema::parse(
        r#"{"type": "object", "properties": {"kind": {"enum": ["a \"dog\"", null]},
            "sizes": {"type": "array", "items": {"type": "integer", "minimum": 100,
                "maximum": 999}, "minItems": 1, "maxItems": 2}}}"#,
    )
    .unwrap();
    let constraint = schema.pattern().unwrap().over(model.tokenizer()).unwrap();
    let options = GenerateOptions {
        constraint: Some(constraint),
        ..GenerateOptions::default()
    };
    let mut session = session(&model, Vec::new());
    let go_on = async |_: &_| ControlFlow::Continue(());
    let written = block_on(session.answer(&model, &query(&model), &options, go_on)).unwrap();
    assert_eq!(written.meets_constraint, Some(true), "{}", written.text);
    let value = Json::parse(&written.text).unwrap();
    let kind = value.get("kind").unwrap();
    assert!(matches!(kind, Json::Null) || *kind == Json::Text("a \"dog\"".to_owned()));
    for item in 0..2 {
        if let Some(Json::Number(size)) = value.get("sizes").unwrap().item(item) {
            assert!((100..=999).contains(&size.as_i64().unwrap()));
        }
    }
    assert!(value.get("sizes").unwrap().item(0).is_some());
}
