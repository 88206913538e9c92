//! Licences as the hub and GGUF files name them, as SPDX does.

/// SPDX identifiers; the hub has the same ones in lower case.
const SPDX: [&str; 22] = [
    "AGPL-3.0",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "GPL-3.0",
    "ISC",
    "LGPL-3.0",
    "MIT",
    "MPL-2.0",
    "Unlicense",
    "Zlib",
];

/// A licence as SPDX writes it; `None` if the text says that nobody knows.
///
/// A licence that SPDX does not list has terms of its own, which is told as such:
/// `LicenseRef-llama2`.
pub(super) fn spdx(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || ["unknown", "none"].contains(&text) {
        return None;
    }
    if text.starts_with("LicenseRef-") || is_expression(text) {
        return Some(text.to_owned());
    }
    let mut listed = SPDX.iter();
    if let Some(listed) = listed.find(|listed| listed.eq_ignore_ascii_case(text)) {
        return Some((*listed).to_owned());
    }
    let allowed = |c: char| match c.is_ascii_alphanumeric() || matches!(c, '-' | '.') {
        true => c,
        false => '-',
    };
    Some(format!(
        "LicenseRef-{}",
        text.chars().map(allowed).collect::<String>()
    ))
}

/// Whether a text joins several licences.
fn is_expression(text: &str) -> bool {
    [" AND ", " OR ", " WITH "]
        .iter()
        .any(|operator| text.contains(operator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_spdx() {
        for (text, expected) in [
            ("apache-2.0", Some("Apache-2.0")),
            ("MIT", Some("MIT")),
            ("cc-by-nc-4.0", Some("CC-BY-NC-4.0")),
            ("llama2", Some("LicenseRef-llama2")),
            ("Gemma Terms", Some("LicenseRef-Gemma-Terms")),
            ("other", Some("LicenseRef-other")),
            ("MIT OR Apache-2.0", Some("MIT OR Apache-2.0")),
            ("LicenseRef-mine", Some("LicenseRef-mine")),
            ("unknown", None),
            (" ", None),
        ] {
            assert_eq!(spdx(text).as_deref(), expected, "{text}");
        }
    }
}
