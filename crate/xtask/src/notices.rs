//! The work of others that the package and the page carry along: their licences in a
//! notice, and a bill of materials for programs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::process;
use crate::workspace::Workspace;

/// Names of the two files.
const NOTICE: &str = "NOTICE";
const BILL: &str = "sbom.cdx.json";

/// npm packages that are part of the package: its build copies them into `dist`.
const IN_PACKAGE: &[&str] = &["comlink"];

/// Somebody's package, in the version that is shipped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Component {
    name: String,
    version: String,
    /// Where it comes from: `cargo` or `npm`, as package URLs call them.
    ecosystem: &'static str,
    /// An SPDX expression.
    licence: String,
    /// The texts of licences and notices in its folder.
    texts: Vec<String>,
}

impl Component {
    /// Its package URL (<https://github.com/package-url/purl-spec>).
    fn url(&self) -> String {
        let name = self.name.replace('@', "%40");
        format!("pkg:{}/{name}@{}", self.ecosystem, self.version)
    }
}

/// Writes both files into the package's folder, and into the page's with what the page
/// adds.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    let mut components = crates(workspace)?;
    let lock = workspace.root().join("package-lock.json");
    let lock: Value = serde_json::from_str(&read(&lock)?)?;
    let npm = |names: &[&str]| npm_packages(workspace.root(), &lock, names);
    components.extend(npm(IN_PACKAGE)?);
    write_into(&workspace.root().join("web"), &components)?;
    let page = &lock["packages"]["www"]["dependencies"];
    let names = page.as_object().context("the page has dependencies")?;
    components.extend(npm(&names.keys().map(String::as_str).collect::<Vec<_>>())?);
    write_into(&workspace.root().join("www/dist"), &components)
}

fn write_into(folder: &Path, components: &BTreeSet<Component>) -> Result<()> {
    let bill = serde_json::to_string_pretty(&bill(components))?;
    for (name, text) in [(NOTICE, notice(components)), (BILL, bill + "\n")] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The crates that are compiled into the WebAssembly modules, without our own.
fn crates(workspace: &Workspace) -> Result<BTreeSet<Component>> {
    let tree = process::output(workspace.command("cargo").args([
        "tree",
        "--package=flamingo-wasm",
        "--target=wasm32-unknown-unknown",
        "--edges=normal,no-proc-macro",
        "--prefix=none",
        "--format={p}",
        "--locked",
    ]))?;
    let metadata = process::output(workspace.command("cargo").args([
        "metadata",
        "--format-version=1",
        "--filter-platform=wasm32-unknown-unknown",
        "--locked",
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let known = metadata["packages"].as_array().context("no packages")?;
    let mut packages = HashMap::new();
    for package in known {
        let identity = (text(package, "name")?, text(package, "version")?);
        packages.insert(identity, package);
    }
    let mut components = BTreeSet::new();
    for line in tree.lines() {
        // `name v1.2.3`, then a path or `(*)`.
        let mut words = line.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            continue;
        };
        let version = version.trim_start_matches('v');
        let package = packages.get(&(name, version));
        let package = package.with_context(|| format!("cargo knows no {name} {version}"))?;
        if package["source"].is_null() {
            continue;
        }
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        components.insert(Component {
            name: name.to_owned(),
            version: version.to_owned(),
            ecosystem: "cargo",
            licence: licence(name, &package["license"])?,
            texts: texts(manifest.parent().context("a manifest lies in a folder")?)?,
        });
    }
    Ok(components)
}

/// These npm packages and the ones that they depend on, without our own.
fn npm_packages(root: &Path, lock: &Value, names: &[&str]) -> Result<BTreeSet<Component>> {
    let mut waiting: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut components = BTreeSet::new();
    let mut seen = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let place = format!("node_modules/{name}");
        let package = &lock["packages"][&place];
        if package["link"] == true {
            continue;
        }
        if let Some(dependencies) = package["dependencies"].as_object() {
            waiting.extend(dependencies.keys().cloned());
        }
        components.insert(Component {
            version: text(package, "version")?.to_owned(),
            ecosystem: "npm",
            licence: licence(&name, &package["license"])?,
            texts: texts(&root.join(place))?,
            name,
        });
    }
    Ok(components)
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    let text = value[key].as_str();
    text.with_context(|| format!("a package without {key}"))
}

fn licence(name: &str, value: &Value) -> Result<String> {
    let licence = value.as_str();
    let licence = licence.with_context(|| format!("{name} names no licence"))?;
    // As crates wrote it before there were expressions.
    Ok(licence.replace('/', " OR "))
}

/// The texts of the licences and notices that lie in a folder, in the order of their names.
fn texts(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder);
    let entries = entries.with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_ascii_uppercase();
        let kinds = [
            "LICENSE",
            "LICENCE",
            "COPYING",
            "COPYRIGHT",
            "NOTICE",
            "UNLICENSE",
        ];
        if path.is_file() && kinds.iter().any(|kind| name.starts_with(kind)) {
            files.insert(
                name,
                read(&path)?.replace("\r\n", "\n").trim_end().to_owned(),
            );
        }
    }
    Ok(files.into_values().collect())
}

/// Each package with its licence, then each text once, below the packages that carry it.
fn notice(components: &BTreeSet<Component>) -> String {
    let mut notice = String::from(
        "This software contains the work of others, under the licences named below.\n\n",
    );
    let mut carriers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for component in components {
        let Component {
            name,
            version,
            licence,
            texts,
            ..
        } = component;
        let without = match texts.is_empty() {
            true => "; the package holds no text of it, see https://spdx.org/licenses",
            false => "",
        };
        notice += &format!("{name} {version} ({licence}{without})\n");
        for text in texts {
            carriers
                .entry(text)
                .or_default()
                .push(format!("{name} {version}"));
        }
    }
    for (text, names) in carriers {
        notice += &format!("\n{}\n{}\n\n{text}\n", "-".repeat(80), names.join(", "));
    }
    notice
}

/// CycloneDX 1.6 (<https://cyclonedx.org/docs/1.6/json/>).
fn bill(components: &BTreeSet<Component>) -> Value {
    let components = components.iter().map(|component| {
        json!({
            "type": "library",
            "bom-ref": component.url(),
            "name": component.name,
            "version": component.version,
            "purl": component.url(),
            "licenses": [{ "expression": component.licence }],
        })
    });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "name": "flamingo-web",
                "version": env!("CARGO_PKG_VERSION"),
            },
        },
        "components": components.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stamp::TestFolder;

    fn component(name: &str, texts: &[&str]) -> Component {
        Component {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            ecosystem: "cargo",
            licence: "MIT".to_owned(),
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    #[test]
    fn a_text_that_two_packages_carry_stands_once_below_both() {
        let notice = notice(&BTreeSet::from([
            component("a", &["Copyright of both"]),
            component("b", &["Copyright of both", "Notice of b"]),
            component("c", &[]),
        ]));
        assert_eq!(notice.matches("Copyright of both").count(), 1);
        assert!(
            notice.contains("a 1.2.3, b 1.2.3\n\nCopyright of both\n"),
            "{notice}"
        );
        assert!(notice.contains("b 1.2.3\n\nNotice of b\n"), "{notice}");
        assert!(
            notice.contains("c 1.2.3 (MIT; the package holds no text"),
            "{notice}"
        );
    }

    #[test]
    fn licences_and_notices_of_a_folder_are_found() {
        let folder = TestFolder::new();
        for (name, text) in [
            ("LICENSE-MIT", "mit\r\n"),
            ("license.md", "other"),
            ("NOTICE.txt", "notice"),
            ("README.md", "no licence"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(texts(folder.path()).unwrap(), ["mit", "other", "notice"]);
    }

    #[test]
    fn npm_packages_come_with_the_ones_that_they_depend_on() {
        let folder = TestFolder::new();
        for name in ["lit", "@lit/element"] {
            fs::create_dir_all(folder.path().join("node_modules").join(name)).unwrap();
        }
        let lock = json!({"packages": {
            "node_modules/flamingo-web": {"link": true},
            "node_modules/lit": {
                "version": "3.0.0", "license": "BSD-3-Clause", "dependencies": {"@lit/element": "1"},
            },
            "node_modules/@lit/element": {"version": "1.0.0", "license": "MIT/Apache-2.0"},
        }});
        let found = npm_packages(folder.path(), &lock, &["flamingo-web", "lit"]).unwrap();
        let urls: Vec<String> = found.iter().map(Component::url).collect();
        assert_eq!(urls, ["pkg:npm/%40lit/element@1.0.0", "pkg:npm/lit@3.0.0"]);
        let [first, _] = found.into_iter().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(first.licence, "MIT OR Apache-2.0");
        assert!(npm_packages(folder.path(), &lock, &["absent"]).is_err());
    }
}
