//! A schema as one pattern: the JSON of its values, written from the first brace to the last.

use regex_syntax::hir::{Capture, Class, ClassUnicode, Hir, HirKind, Look, Repetition};

use super::json::Json;
use super::schema::{Kind, Node, Schema, SchemaError, escaped};
use crate::generate::Pattern;

/// A text without a given length or pattern, as JSON writes it. What JSON would escape does
/// not come in it.
const FREE_TEXT: &str = r#""[^"\\\x00-\x1f\x7f]*""#;

/// White space that may stand behind a colon or a comma.
const SPACE: &str = " ?";

impl Schema {
    /// The pattern of the JSON of its values, for
    /// [`GenerateOptions::constraint`](crate::GenerateOptions::constraint): members in the
    /// schema's order, all of them, with a space behind colons and commas or none.
    ///
    /// # Errors
    /// [`SchemaError::Keyword`] for `uniqueItems`, which no pattern can tell, if a list may
    /// have more than one item; [`SchemaError::Invalid`] if the pattern is too large.
    pub fn pattern(&self) -> Result<Pattern, SchemaError> {
        let expression = of_node(&self.root, "")?;
        Pattern::regex(&expression).map_err(|error| SchemaError::Invalid {
            place: String::new(),
            reason: error.to_string(),
        })
    }
}

fn of_node(node: &Node, place: &str) -> Result<String, SchemaError> {
    Ok(match &node.kind {
        Kind::Object(members) => {
            let members = members.iter().map(|(name, member)| {
                let value = of_node(member, &format!("{place}/properties/{}", escaped(name)))?;
                let name = literal(&Json::Text(name.clone()));
                Ok(format!("{name}:{SPACE}{value}"))
            });
            let members: Vec<String> = members.collect::<Result<_, SchemaError>>()?;
            format!(r"\{{{}\}}", members.join(&format!(",{SPACE}")))
        }
        Kind::List {
            item,
            least,
            most,
            unique,
        } => {
            if *unique && *most > 1 {
                return Err(SchemaError::Keyword {
                    place: place.to_owned(),
                    keyword: "uniqueItems".to_owned(),
                });
            }
            let value = of_node(item, &format!("{place}/items"))?;
            let some = |least: usize, most: usize| {
                format!(r"{value}(?:,{SPACE}{value}){{{},{}}}", least - 1, most - 1)
            };
            match (*least, *most) {
                (_, 0) => r"\[\]".to_owned(),
                (0, most) => format!(r"\[(?:{})?\]", some(1, most)),
                (least, most) => format!(r"\[{}\]", some(least, most)),
            }
        }
        Kind::Closed(values) => {
            let values: Vec<String> = values.iter().map(literal).collect();
            format!("(?:{})", values.join("|"))
        }
        Kind::Integer(pattern) | Kind::Number(pattern) => pattern.expression().to_owned(),
        Kind::Text(None) => FREE_TEXT.to_owned(),
        Kind::Text(Some(pattern)) => {
            let hir = regex_syntax::parse(&format!("(?:{})", pattern.expression()));
            let hir = hir.map_err(|error| SchemaError::Invalid {
                place: place.to_owned(),
                reason: error.to_string(),
            })?;
            let edges = Edges {
                start: true,
                end: true,
            };
            format!("\"{}\"", in_json(&hir, edges))
        }
    })
}

/// An expression for the JSON of one value.
fn literal(value: &Json) -> String {
    regex_syntax::escape(&value.to_string())
}

/// Whether a part of an expression begins, or ends, where the whole does.
#[derive(Clone, Copy)]
struct Edges {
    start: bool,
    end: bool,
}

/// An expression for texts, as one for what stands between the quotation marks of their
/// JSON.
fn in_json(hir: &Hir, edges: Edges) -> Hir {
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => Hir::concat(text.chars().map(character).collect()),
            // Bytes that are no text are in no JSON.
            Err(_) => Hir::fail(),
        },
        HirKind::Class(Class::Unicode(class)) => {
            let mut plain = class.clone();
            plain.difference(&escaped_characters());
            let mut escapes = class.clone();
            escapes.intersect(&escaped_characters());
            let escapes = escapes.iter().flat_map(|range| range.start()..=range.end());
            let plain = Hir::class(Class::Unicode(plain));
            Hir::alternation([plain].into_iter().chain(escapes.map(character)).collect())
        }
        HirKind::Class(Class::Bytes(_)) => Hir::fail(),
        // The quotation marks stand around the text, so that it has no other edges.
        HirKind::Look(Look::Start) if edges.start => Hir::empty(),
        HirKind::Look(Look::End) if edges.end => Hir::empty(),
        HirKind::Look(_) => Hir::fail(),
        HirKind::Repetition(repetition) => {
            let edges = match repetition.max {
                Some(1) => edges,
                _ => Edges {
                    start: false,
                    end: false,
                },
            };
            Hir::repetition(Repetition {
                sub: Box::new(in_json(&repetition.sub, edges)),
                ..repetition.clone()
            })
        }
        HirKind::Capture(Capture { sub, .. }) => in_json(sub, edges),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(|part| in_json(part, edges)).collect())
        }
        HirKind::Concat(parts) => {
            let is_empty = |part: &Hir| part.properties().maximum_len() == Some(0);
            let parts = parts.iter().enumerate().map(|(index, part)| {
                let edges = Edges {
                    start: edges.start && parts[..index].iter().all(is_empty),
                    end: edges.end && parts[index + 1..].iter().all(is_empty),
                };
                in_json(part, edges)
            });
            Hir::concat(parts.collect())
        }
    }
}

/// The characters that JSON writes with a backslash.
fn escaped_characters() -> ClassUnicode {
    use regex_syntax::hir::ClassUnicodeRange as Range;
    ClassUnicode::new([
        Range::new('\0', '\x1f'),
        Range::new('"', '"'),
        Range::new('\\', '\\'),
    ])
}

/// A character as JSON writes it.
fn character(character: char) -> Hir {
    let text = Json::Text(character.to_string()).to_string();
    Hir::literal(&text.as_bytes()[1..text.len() - 1])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pattern(schema: &str) -> Pattern {
        Schema::parse(schema).unwrap().pattern().unwrap()
    }

    #[test]
    fn the_json_of_a_schemas_values_matches_and_no_other() {
        let pattern = pattern(
            r#"{"type": "object", "properties": {
                "a \"b\"": {"enum": ["x.y", null, 1.5, "\n"]},
                "count": {"type": "integer", "minimum": 0, "maximum": 500},
                "names": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
                "code": {"type": "string", "pattern": "^(?:[\"-%]|\\\\)\\d$"},
                "none": {"type": "array", "items": {"const": 1}, "maxItems": 0}}}"#,
        );
        for text in [
            r#"{"a \"b\"":"x.y","count":500,"names":[],"code":"$7","none":[]}"#,
            r#"{"a \"b\"": null, "count": 0, "names": ["Zoë"], "code": "\"7", "none": []}"#,
            r#"{"a \"b\"": "\n", "count": 7, "names": ["", "b c"], "code": "\\7", "none": []}"#,
        ] {
            assert!(pattern.is_met(text), "{text}");
            Json::parse(text).unwrap();
        }
        for text in [
            r#"{"a \"b\"":"xzy","count":500,"names":[],"code":"$7","none":[]}"#,
            r#"{"a \"b\"":1.5,"count":501,"names":[],"code":"$7","none":[]}"#,
            r#"{"a \"b\"":1.5,"count":5,"names":["a","b","c"],"code":"$7","none":[]}"#,
            r#"{"a \"b\"":1.5,"count":5,"names":["a"b"],"code":"$7","none":[]}"#,
            r#"{"a \"b\"":1.5,"count":5,"names":[],"code":""7","none":[]}"#,
            r#"{"a \"b\"":1.5,"count":5,"names":[],"code":"\7","none":[]}"#,
            r#"{"a \"b\"":1.5,"count":5,"names":[],"code":"$7"}"#,
            r#"{"count":5,"a \"b\"":1.5,"names":[],"code":"$7","none":[]}"#,
        ] {
            assert!(!pattern.is_met(text), "{text}");
        }
    }

    #[test]
    fn anchors_hold_at_the_edges_of_the_text_only() {
        let of = |text: &str| {
            let text = Json::Text(text.to_owned());
            pattern(&format!(r#"{{"type": "string", "pattern": {text}}}"#))
        };
        assert!(of("^ab$").is_met(r#""ab""#));
        assert!(of("(?:^a|b)c").is_met(r#""ac""#));
        assert!(of("a(?:b|$)").is_met(r#""a""#));
        assert!(of("(?:b^|a)c").is_met(r#""ac""#));
        assert!(!of("(?:b^|a)c").is_met(r#""bc""#));
        // Parentheses that close another group than they seem to.
        assert!(of("a)|(?:b").is_met(r#""b""#));
    }

    #[test]
    fn what_no_pattern_tells_is_named() {
        let schema = Schema::parse(
            r#"{"type": "object", "properties": {"a/b": {"type": "array",
                "items": {"enum": [1, 2, 3]}, "maxItems": 2, "uniqueItems": true}}}"#,
        )
        .unwrap();
        let SchemaError::Keyword { place, keyword } = schema.pattern().unwrap_err() else {
            unreachable!("another error")
        };
        assert_eq!(
            (place.as_str(), keyword.as_str()),
            ("/properties/a~1b", "uniqueItems")
        );
        let one = r#"{"type": "array", "items": {"enum": [1, 2]}, "maxItems": 1,
            "uniqueItems": true}"#;
        assert!(pattern(one).is_met("[2]"));
    }
}
