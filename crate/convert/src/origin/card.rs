//! The front matter of a model's `README.md`, as far as it is needed: its licence.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{Origin, licence};

/// Longest front matter that is looked through, in bytes. Those of the hub have some 2 kB.
const MAX_BYTES: u64 = 64 << 10;

/// The line around the front matter.
const FENCE: &str = "---";

/// Facts of the `README.md` in `folder`; none if there is no such file.
///
/// # Errors
/// Those of the file system.
pub(crate) fn read(folder: &Path) -> io::Result<Origin> {
    let file = match File::open(folder.join("README.md")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Origin::default()),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(of(&String::from_utf8_lossy(&bytes)))
}

fn of(text: &str) -> Origin {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    if lines.next().map(str::trim_end) != Some(FENCE) {
        return Origin::default();
    }
    let front: Vec<&str> = lines.take_while(|line| line.trim_end() != FENCE).collect();
    let licence = match value(&front, "license") {
        Some("other") => value(&front, "license_name").or(Some("other")),
        told => told,
    };
    Origin {
        licence: licence.and_then(licence::spdx),
        ..Origin::default()
    }
}

/// The value of a key at the outermost level: a text behind it, on the next line, or the only
/// element of a list.
fn value<'a>(front: &[&'a str], key: &str) -> Option<&'a str> {
    let mut lines = front.iter();
    let behind = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let own = scalar(behind);
    if !own.is_empty() {
        return Some(own.trim_matches(['[', ']']).trim());
    }
    let element = |line: &&'a str| {
        let bare = line.trim_start();
        // A key of the outermost level ends the value.
        let belongs = line.starts_with([' ', '-']) || !line.contains(':');
        let is_blank = bare.is_empty() || bare.starts_with('#');
        (belongs && !is_blank).then(|| scalar(bare.trim_start_matches('-')))
    };
    let elements: Vec<&str> = lines.map_while(element).collect();
    match elements[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// A scalar without quotation marks and without the comment behind it.
fn scalar(text: &str) -> &str {
    let text = text.split(" #").next().unwrap_or(text).trim();
    text.trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_licence_is_found_however_it_is_written() {
        for (text, expected) in [
            ("---\nlicense: mit\n---\n", Some("MIT")),
            (
                "---\r\nlicense: \"apache-2.0\" # free\r\n---\r\n",
                Some("Apache-2.0"),
            ),
            (
                "---\nlanguage: en\nlicense:\n- cc-by-4.0\ntags:\n- a\n---\n",
                Some("CC-BY-4.0"),
            ),
            ("---\nlicense:\napache-2.0\n---\n", Some("Apache-2.0")),
            ("---\nlicense: [mit]\n---\n", Some("MIT")),
            (
                "---\nlicense: other\nlicense_name: llama-3\n---\n",
                Some("LicenseRef-llama-3"),
            ),
            ("---\nlicense: other\n---\n", Some("LicenseRef-other")),
            ("---\nlicense: unknown\n---\n", None),
            ("---\nlicense:\n- mit\n- apache-2.0\n---\n", None),
            ("---\nlanguage: en\n---\nlicense: mit\n", None),
            ("license: mit\n", None),
            ("", None),
        ] {
            assert_eq!(of(text).licence.as_deref(), expected, "{text:?}");
        }
    }
}
