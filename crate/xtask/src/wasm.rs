//! Rust made into modules that browsers load: compiled, bound to JavaScript and
//! TypeScript, and, where it is shipped, made smaller and weighed.

use std::path::{Path, PathBuf};
use std::process::Command;

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
    kind: Kind,
    shipped: bool,
}

/// What a module is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// WebGPU, and the CPU on one thread: any browser.
    Gpu,
    /// The CPU on all threads, which share the module's memory: pages that are isolated
    /// from other origins.
    Threads,
}

/// What the npm package loads where it may use a GPU, or one thread only.
const GPU: Module = Module {
    package: "flamingo-wasm",
    folder: "web/wasm",
    name: "flamingo",
    kind: Kind::Gpu,
    shipped: true,
};

/// What the npm package loads where it may use threads and no GPU.
const THREADS: Module = Module {
    folder: "web/wasm-threads",
    kind: Kind::Threads,
    ..GPU
};

/// The parity harness, for the browser tests.
const PARITY: Module = Module {
    package: "flamingo-parity",
    folder: "tests/parity/wasm",
    name: "parity",
    kind: Kind::Gpu,
    shipped: false,
};

/// How cargo compiles a module: its library, for browsers, small.
const BUILD: &[&str] = &["--lib", "--target=wasm32-unknown-unknown", "--profile=web"];

/// How cargo compiles a module with threads, besides. The standard library that comes
/// with Rust has no locks between them, so it is compiled too.
const BUILD_THREADS: &[&str] = &[
    "--no-default-features",
    "-Zbuild-std=std,panic_abort",
    "--config",
    "target.wasm32-unknown-unknown.rustflags = [
        '-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals',
        '-Clink-arg=--shared-memory',
        '-Clink-arg=--import-memory',
        '-Clink-arg=--max-memory=4294967296',
        '-Clink-arg=--export=__wasm_init_tls',
        '-Clink-arg=--export=__tls_size',
        '-Clink-arg=--export=__tls_align',
        '-Clink-arg=--export=__tls_base',
        '-Clink-arg=--export=__heap_base',
    ]",
];

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

/// What it emits for threads besides. A browser without relaxed SIMD gets the other module.
const THREADS_OPTIMIZER_FLAGS: &[&str] = &["--enable-threads", "--enable-relaxed-simd"];

/// Builds what the npm package loads into `web/` and prints its size.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    build_modules(workspace, &[GPU], Kind::Gpu)?;
    build_modules(workspace, &[THREADS], Kind::Threads)
}

/// Builds the parity harness too, into `tests/parity/wasm`.
pub(crate) fn build_with_parity(workspace: &Workspace) -> Result<()> {
    build_modules(workspace, &[GPU, PARITY], Kind::Gpu)?;
    build_modules(workspace, &[THREADS], Kind::Threads)
}

/// The folders of the modules.
pub(crate) fn outputs(workspace: &Workspace) -> [PathBuf; 3] {
    [GPU, THREADS, PARITY].map(|module| workspace.root().join(module.folder))
}

/// `cargo SUBCOMMAND` for modules of a kind.
pub(crate) fn cargo(workspace: &Workspace, subcommand: &str, kind: Kind) -> Result<Command> {
    toolchain::browser_target(workspace)?;
    let mut cargo = workspace.command("cargo");
    cargo.arg(subcommand).args(BUILD);
    if kind == Kind::Threads {
        toolchain::library_source(workspace)?;
        cargo
            .args(BUILD_THREADS)
            // The stable compiler compiles the standard library that is its own.
            .env("RUSTC_BOOTSTRAP", "1");
    }
    cargo.arg("--target-dir").arg(target(workspace, kind));
    Ok(cargo)
}

/// Build scripts look at `RUSTC_BOOTSTRAP`, so what was compiled with it and what was not
/// must not replace each other.
fn target(workspace: &Workspace, kind: Kind) -> PathBuf {
    match kind {
        Kind::Gpu => workspace.target().to_path_buf(),
        Kind::Threads => workspace.target().join("threads"),
    }
}

fn build_modules(workspace: &Workspace, modules: &[Module], kind: Kind) -> Result<()> {
    let (what, about) = match kind {
        Kind::Gpu => ("with WebGPU", "10 minutes the first time"),
        Kind::Threads => ("with threads", "6 minutes the first time"),
    };
    process::step(&format!("compiling the WebAssembly module {what}"), about);
    let mut cargo = cargo(workspace, "build", kind)?;
    for module in modules {
        cargo.arg(format!("--package={}", module.package));
    }
    process::run(&mut cargo)?;
    for module in modules {
        let compiled = target(workspace, kind)
            .join("wasm32-unknown-unknown/web")
            .join(module.package.replace('-', "_"))
            .with_extension("wasm");
        let inputs = Inputs::new(&optimizer_flags(kind).join(" "))
            .file(&compiled)?
            .file(&workspace.root().join("package-lock.json"))?;
        let folder = workspace.root().join(module.folder);
        stamp::make_if_changed(&folder, inputs, || {
            bind(workspace, module, &compiled, &folder)
        })?;
    }
    Ok(())
}

fn optimizer_flags(kind: Kind) -> Vec<&'static str> {
    let more = match kind {
        Kind::Gpu => &[],
        Kind::Threads => THREADS_OPTIMIZER_FLAGS,
    };
    [OPTIMIZER_FLAGS, more].concat()
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
            .args(optimizer_flags(module.kind))
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
