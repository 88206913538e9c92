//! The npm package's own tests, and the page in a real browser.

use anyhow::Result;

use super::report;
use super::tally::Tally;
use crate::workspace::Workspace;
use crate::{build, export, npm, pack, packages, wasm};

/// `web/`, with Vitest.
pub(super) fn package(workspace: &Workspace) -> Result<Tally> {
    vitest(workspace, "--workspace=web")
}

/// What `www/` computes without a page, with Vitest.
pub(super) fn page_logic(workspace: &Workspace) -> Result<Tally> {
    vitest(workspace, "--workspace=www")
}

fn vitest(workspace: &Workspace, package: &str) -> Result<Tally> {
    npm::install(workspace)?;
    wasm::build(workspace)?;
    report::collect(workspace, report::vitest, |file| {
        let mut command = npm::npm(workspace);
        command
            .args(["test", package, "--", "--reporter=default"])
            .args(["--reporter=json", "--outputFile.json"])
            .arg(file);
        command
    })
}

/// `tests/browser/`, with Playwright and the system's Chromium and Firefox.
pub(super) fn page(workspace: &Workspace) -> Result<Tally> {
    packages::install(packages::BROWSER_TESTS)?;
    wasm::build_with_parity(workspace)?;
    build::page(workspace)?;
    pack::models_and_programs(workspace)?;
    let site = workspace.target().join("site");
    export::write(
        &workspace.root().join("www/dist"),
        &workspace.models(),
        &[pack::TINY_MODEL.to_owned()],
        &site,
    )?;
    report::collect(workspace, report::playwright, |file| {
        let mut command = npm::npm(workspace);
        command
            .args(["test", "--workspace=tests/browser", "--"])
            .arg("--reporter=list,json")
            .env("PLAYWRIGHT_JSON_OUTPUT_FILE", file)
            .env("FLAMINGO_CLI", workspace.program())
            .env("FLAMINGO_SITE", &site);
        command
    })
}
