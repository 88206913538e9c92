//! Keeps `expect` and `unreachable!` to what cannot happen: each must begin with
//! `invariant: ` and go on with the reason. Whatever a caller or a file can bring about is an
//! error instead.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::tally::Tally;
use crate::workspace::Workspace;

/// Spellings of giving up.
const GIVING_UP: [&str; 2] = [".expect(", "unreachable!("];

/// Where a file's tests begin: they may give up as they like.
const TESTS: &str = "#[cfg(test)]\nmod ";

/// Looks through the sources of all crates.
pub(super) fn check(workspace: &Workspace) -> Result<Tally> {
    let mut unreasoned = Vec::new();
    for path in sources(&workspace.root().join("crate"))? {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for line in without_reason(&text) {
            unreasoned.push(format!("{}:{line}", path.display()));
        }
    }
    for place in &unreasoned {
        println!("{place}: say why this cannot happen: \"invariant: …\"");
    }
    Ok(Tally::check(unreasoned.is_empty()))
}

/// The Rust files below `crate/*/src` but for modules of tests alone.
fn sources(crates: &Path) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(crates)? {
        folders.push(entry?.path().join("src"));
    }
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_name().is_some_and(|name| name != "tests.rs")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The lines, from 1, on which a text gives up without a reason.
fn without_reason(text: &str) -> Vec<usize> {
    let code = text.split_once(TESTS).map_or(text, |(code, _)| code);
    let mut lines = Vec::new();
    for start in GIVING_UP {
        for (place, _) in code.match_indices(start) {
            let line = &code[..place];
            let is_comment = line
                .rsplit('\n')
                .next()
                .is_some_and(|line| line.trim_start().starts_with("//"));
            let argument = code[place + start.len()..].trim_start();
            let is_quoted = line.ends_with('"');
            if !is_comment && !is_quoted && !is_reason(argument, code) {
                lines.push(line.matches('\n').count() + 1);
            }
        }
    }
    lines.sort_unstable();
    lines
}

/// Whether an argument is a reason, or the name of a constant that is one.
fn is_reason(argument: &str, code: &str) -> bool {
    if argument.starts_with('"') {
        return argument.starts_with("\"invariant: ");
    }
    let name = argument.split([')', ',']).next().unwrap_or(argument).trim();
    code.contains(&format!("const {name}: &str = \"invariant: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_literal_or_a_constant() {
        let reasoned = "const WHY: &str = \"invariant: counted\";\n\
            a.expect(WHY);\n\
            b.expect(\n    \"invariant: just made\",\n);\n\
            _ => unreachable!(\"invariant: only blocks\"),\n\
            /// c.expect(\"a comment\")\n";
        assert_eq!(without_reason(reasoned), [0; 0]);
    }

    #[test]
    fn what_gives_up_without_a_reason_is_found() {
        let text = "a.expect(\"it works\");\n\
            b.expect(WHY);\n\
            _ => unreachable!(),\n\
            #[cfg(test)]\nmod tests { c.expect(\"in a test\") }";
        assert_eq!(without_reason(text), [1, 2, 3]);
    }
}
