//! Debian packages: what only the system's package manager can give.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Browsers for the page's tests, and a Vulkan driver that runs on any CPU for the
/// native WebGPU tests.
pub(crate) const BROWSER_TESTS: &[&str] = &[
    "chromium",
    "firefox-esr",
    "libvulkan1",
    "mesa-vulkan-drivers",
];

/// The package that the program reads videos with, and pictures of formats that it does not decode.
pub(crate) const PROGRAM_TESTS: &[&str] = &["ffmpeg"];

/// Installs those of the packages that are not there yet.
///
/// Elsewhere than on a Debian system they are taken to be there: a test that misses
/// one says so itself.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if !process::succeeds(Command::new("dpkg-query").arg("--version")) {
        eprintln!(
            "x: no Debian system; these must be installed by hand: {}",
            packages.join(", ")
        );
        return Ok(());
    }
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if process::output(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!(
            "these Debian packages are missing and only root can install them: \
             apt-get install --no-install-recommends {}",
            missing.join(" ")
        );
    }
    let apt = |arguments: &[&str]| {
        process::run(
            Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["--quiet", "--quiet"])
                .args(arguments),
        )
    };
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    apt(&arguments)
}

fn is_installed(package: &str) -> bool {
    // Not `process::output`: dpkg-query complains aloud of a package it never met.
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${Status}", package])
        .output()
        .is_ok_and(|output| output.stdout == b"install ok installed")
}
