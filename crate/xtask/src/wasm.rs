//! Rust made into modules that browsers load: compiled, bound to JavaScript and
//! TypeScript, and, where it is shipped, made smaller and weighed.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use wasm_bindgen_cli_support::Bindgen;

use crate::stamp::{self, Inputs};
use crate::workspace::Workspace;
use crate::{npm, process, toolchain};

/// A crate that becomes a WebAssembly module.
struct Module {
    package: &'static str,
    /// Where the module, its JavaScript and its types go.
    folder: &'static str,
    /// `NAME.js`, `NAME.d.ts`, `NAME_bg.wasm`.
    name: &'static str,
    shipped: bool,
}

/// What the npm package loads.
const SHIPPED: Module = Module {
    package: "flamingo-wasm",
    folder: "web/wasm",
    name: "flamingo",
    shipped: true,
};

/// The parity harness, for the browser tests.
const PARITY: Module = Module {
    package: "flamingo-parity",
    folder: "tests/parity/wasm",
    name: "parity",
    shipped: false,
};

/// How cargo compiles a module: its library, for browsers, small.
pub(crate) const BUILD: &[&str] = &["--lib", "--target=wasm32-unknown-unknown", "--profile=web"];

/// What rustc emits for this target beyond the first WebAssembly standard, and SIMD,
/// which `.cargo/config.toml` turns on. Nothing else may be assumed of a browser.
const OPTIMIZER_FLAGS: &[&str] = &[
    "-O1",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// Builds what the npm package loads into `web/wasm` and prints its size.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    build_modules(workspace, &[SHIPPED])
}

/// Builds the parity harness too, into `tests/parity/wasm`.
pub(crate) fn build_with_parity(workspace: &Workspace) -> Result<()> {
    build_modules(workspace, &[SHIPPED, PARITY])
}

/// The folders of the modules.
pub(crate) fn outputs(workspace: &Workspace) -> [PathBuf; 2] {
    [SHIPPED, PARITY].map(|module| workspace.root().join(module.folder))
}

fn build_modules(workspace: &Workspace, modules: &[Module]) -> Result<()> {
    toolchain::browser_target(workspace)?;
    let mut cargo = workspace.command("cargo");
    cargo.arg("build").args(BUILD);
    for module in modules {
        cargo.arg(format!("--package={}", module.package));
    }
    process::run(&mut cargo)?;
    for module in modules {
        let compiled = workspace
            .target()
            .join("wasm32-unknown-unknown/web")
            .join(module.package.replace('-', "_"))
            .with_extension("wasm");
        let inputs = Inputs::new(&OPTIMIZER_FLAGS.join(" "))
            .file(&compiled)?
            .file(&workspace.root().join("package-lock.json"))?;
        let folder = workspace.root().join(module.folder);
        stamp::make_if_changed(&folder, inputs, || {
            bind(workspace, module, &compiled, &folder)
        })?;
    }
    Ok(())
}

fn bind(workspace: &Workspace, module: &Module, compiled: &Path, folder: &Path) -> Result<()> {
    stamp::remove_output(folder)?;
    Bindgen::new()
        .input_path(compiled)
        .out_name(module.name)
        .web(true)
        .and_then(|bindgen| bindgen.typescript(true).generate(folder))
        .map_err(|error| anyhow!("wasm-bindgen: {error:#}"))?;
    if !module.shipped {
        return Ok(());
    }
    npm::install(workspace)?;
    let file = folder.join(format!("{}_bg.wasm", module.name));
    process::run(
        workspace
            .command(npm::program(workspace, "wasm-opt"))
            .args(OPTIMIZER_FLAGS)
            .arg(&file)
            .arg("--output")
            .arg(&file),
    )?;
    let weigh = ["--input-type=module", "--eval", include_str!("weigh.mjs")];
    print!(
        "{}",
        process::output(workspace.command("node").args(weigh).arg(&file))?
    );
    Ok(())
}
