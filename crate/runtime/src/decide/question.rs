//! How parts of a schema are asked, and their values spelled in a prompt.

use super::json::Json;
use super::schema::{Kind, Node};

/// The answer that stands for "nothing".
const NOTHING: &str = "none";

/// The question about a part: its description, or one made of the names that lead to it; none
/// if it has neither.
pub(super) fn of(node: &Node, words: &[String]) -> String {
    if let Some(description) = &node.description {
        return asked(description);
    }
    let Some(last) = words.last() else {
        return String::new();
    };
    let is_boolean = matches!(&node.kind, Kind::Closed(values)
        if values.iter().all(|value| matches!(value, Json::Bool(_))));
    let name = words.join(" ");
    match is_boolean {
        false => format!("What is the {name}?"),
        true => match last.split_once(' ') {
            Some(("is" | "are", rest)) => format!("Is it {rest}?"),
            Some(("has" | "have" | "contains" | "shows", rest)) => format!("Is there a {rest}?"),
            _ => format!("Is it {name}?"),
        },
    }
}

/// The question about the length of a list.
pub(super) fn how_many(words: &[String]) -> String {
    match words.is_empty() {
        true => "How many are there?".to_owned(),
        false => format!("How many {} are there?", words.join(" ")),
    }
}

/// The words of a name: `hairColor`, `hair_color` and `hair-color` are "hair color".
pub(super) fn words(name: &str) -> String {
    let mut words = String::new();
    let mut was_small = false;
    for character in name.chars() {
        let is_break = matches!(character, '_' | '-' | '.' | ' ');
        let starts_word = is_break || (was_small && character.is_uppercase());
        if starts_word && !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
        if !is_break {
            words.extend(character.to_lowercase());
        }
        was_small = character.is_lowercase() || character.is_numeric();
    }
    words.trim_end().to_owned()
}

/// A value as the model writes it.
pub(super) fn spelled(value: &Json) -> String {
    match value {
        Json::Null => NOTHING.to_owned(),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        // An empty text has no tokens to be compared by.
        Json::Text(text) if text.trim().is_empty() => NOTHING.to_owned(),
        Json::Text(text) => text.clone(),
        Json::Number(_) | Json::List(_) | Json::Object(_) => value.to_string(),
    }
}

/// The value that an answer's text means, if the schema is of a single value.
pub(super) fn read(node: &Node, text: &str) -> Result<Json, String> {
    if let Kind::Closed(values) = &node.kind {
        let meant = values
            .iter()
            .find(|value| spelled(value).trim().eq_ignore_ascii_case(text));
        return meant
            .cloned()
            .ok_or_else(|| "it is none of the values that the schema lists".to_owned());
    }
    match node.kind {
        Kind::Text(_) => Ok(Json::Text(text.to_owned())),
        _ => Err("it is no number".to_owned()),
    }
}

/// Whether a value has the form of a part: examples may go beyond bounds and patterns.
pub(super) fn may_be(node: &Node, value: &Json) -> bool {
    match (&node.kind, value) {
        (Kind::Object(members), Json::Object(_)) => members
            .iter()
            .all(|(name, member)| value.get(name).is_none_or(|value| may_be(member, value))),
        (Kind::List { item, .. }, Json::List(items)) => {
            items.iter().all(|value| may_be(item, value))
        }
        (Kind::Closed(values), value) => values.contains(value),
        (Kind::Integer(_) | Kind::Number(_), Json::Number(_)) | (Kind::Text(_), Json::Text(_)) => {
            true
        }
        _ => false,
    }
}

/// A description as a question.
fn asked(description: &str) -> String {
    let description = description.trim();
    match description.ends_with(['?', '.', ':', '!']) || description.is_empty() {
        true => description.to_owned(),
        false => format!("{description}?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        for (name, expected) in [
            ("hairColor", "hair color"),
            ("hair_color", "hair color"),
            ("dominant-colour", "dominant colour"),
            ("URL", "url"),
            ("_private", "private"),
            ("area51Name", "area51 name"),
        ] {
            assert_eq!(words(name), expected, "{name}");
        }
    }
}
