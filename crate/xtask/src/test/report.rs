//! Reading what each test runner says it ran.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::tally::Tally;
use crate::process;
use crate::workspace::Workspace;

/// Runs a test runner that writes its report to the file given to `command`, and reads
/// that with `parse`.
pub(crate) fn collect(
    workspace: &Workspace,
    parse: fn(&str) -> Result<Tally>,
    command: impl FnOnce(&Path) -> Command,
) -> Result<Tally> {
    fs::create_dir_all(workspace.target())?;
    let file = workspace.target().join("test-report");
    // An older report must not be taken for this run's, should the runner not get as
    // far as writing one.
    fs::write(&file, "")?;
    let succeeded = process::run_reading(&mut command(&file), |_| ())?;
    Ok(parse(&fs::read_to_string(&file)?)?.confirmed(succeeded))
}

/// A line that `cargo test` ends each test binary with:
/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; …`.
/// Nothing, if the line is another one.
pub(crate) fn cargo_test_line(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?;
    let count = |word: &str| -> Option<u64> {
        counts
            .split([';', '.'])
            .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")? + count("ignored")?,
    })
}

/// The report of Vitest's `json` reporter.
pub(crate) fn vitest(report: &str) -> Result<Tally> {
    let report: Value = serde_json::from_str(report).context("Vitest's report is no JSON")?;
    let passed = number(&report, "numPassedTests")?;
    Ok(Tally {
        passed,
        failed: number(&report, "numTotalTests")?.saturating_sub(passed),
    })
}

/// The report of Playwright's `json` reporter. A flaky test, one that passed only when
/// it was run again, is a failure.
pub(crate) fn playwright(report: &str) -> Result<Tally> {
    let report: Value = serde_json::from_str(report).context("Playwright's report is no JSON")?;
    let stats = &report["stats"];
    Ok(Tally {
        passed: number(stats, "expected")?,
        failed: number(stats, "unexpected")? + number(stats, "flaky")? + number(stats, "skipped")?,
    })
}

/// The JUnit report of pytest. Here skipped tests do not count: one that needs a GPU
/// can only run where there is one.
pub(crate) fn pytest(report: &str) -> Result<Tally> {
    let element = report
        .split_once("<testsuite ")
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(attributes, _)| attributes)
        .context("pytest's report has no <testsuite>")?;
    let count = |name: &str| -> Result<u64> {
        element
            .split_once(&format!(" {name}=\""))
            .and_then(|(_, rest)| rest.split_once('"'))
            .and_then(|(value, _)| value.parse().ok())
            .with_context(|| format!("pytest's report has no {name}"))
    };
    let failed = count("failures")? + count("errors")?;
    Ok(Tally {
        passed: count("tests")?.saturating_sub(failed + count("skipped")?),
        failed,
    })
}

fn number(object: &Value, key: &str) -> Result<u64> {
    object[key]
        .as_u64()
        .with_context(|| format!("the report has no number {key}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn tally(passed: u64, failed: u64) -> Tally {
        Tally { passed, failed }
    }

    #[test]
    fn cargo_test() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; \
                    7 filtered out; finished in 0.02s";
        assert_eq!(cargo_test_line(line), Some(tally(12, 4)));
        assert_eq!(cargo_test_line("test blocks::round_trip ... ok"), None);
    }

    #[test]
    fn vitest_counts_what_did_not_pass() {
        let report = r#"{"numTotalTests": 9, "numPassedTests": 7, "numFailedTests": 1,
                         "numPendingTests": 1, "success": false}"#;
        assert_eq!(vitest(report).unwrap(), tally(7, 2));
        assert!(vitest("{}").is_err());
    }

    #[test]
    fn playwright_counts_flaky_and_skipped_as_failed() {
        let report = r#"{"stats": {"expected": 5, "unexpected": 1, "flaky": 2, "skipped": 3}}"#;
        assert_eq!(playwright(report).unwrap(), tally(5, 6));
        assert!(playwright(r#"{"stats": {"expected": 5}}"#).is_err());
    }

    #[test]
    fn pytest_leaves_skipped_out() {
        let report = r#"<?xml version="1.0"?><testsuites name="pytest tests">
            <testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10" time="0.1">"#;
        assert_eq!(pytest(report).unwrap(), tally(4, 3));
        assert!(pytest("<testsuites/>").is_err());
    }
}
