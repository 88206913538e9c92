//! Remembering what an output was made from, so that it is made again only when
//! that has changed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// A SHA-256 over everything that an output depends on.
pub(crate) struct Inputs(Sha256);

impl Inputs {
    /// Starts from the version of the recipe, which is changed by hand whenever the
    /// same inputs are to give another output.
    pub(crate) fn new(recipe: &str) -> Self {
        Self(Sha256::new()).text(recipe)
    }

    /// Adds a text.
    pub(crate) fn text(mut self, text: &str) -> Self {
        // The length goes first: "ab" + "c" and "a" + "bc" are different inputs.
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// Adds a file's contents.
    pub(crate) fn file(mut self, path: &Path) -> Result<Self> {
        let mut content = Sha256::new();
        File::open(path)
            .and_then(|mut file| io::copy(&mut file, &mut content))
            .with_context(|| format!("cannot read {}", path.display()))?;
        self.0.update(content.finalize());
        Ok(self)
    }

    fn hex(self) -> String {
        self.0
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Runs `make`, which is to create `output`, unless `output` is there and was made
/// from the same inputs. The stamp lies beside the output, as a hidden file.
///
/// Returns whether `make` was run.
pub(crate) fn make_if_changed(
    output: &Path,
    inputs: Inputs,
    make: impl FnOnce() -> Result<()>,
) -> Result<bool> {
    let stamp = stamp_path(output)?;
    let digest = inputs.hex();
    if output.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == digest) {
        return Ok(false);
    }
    // Should `make` be interrupted, what it leaves behind must not look current.
    remove_if_present(&stamp)?;
    make()?;
    fs::write(&stamp, digest).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(true)
}

/// Removes a folder and its stamp; neither needs to be there.
pub(crate) fn remove_output(output: &Path) -> Result<()> {
    remove_if_present(&stamp_path(output)?)?;
    match fs::remove_dir_all(output) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", output.display()))
        }
        _ => Ok(()),
    }
}

fn remove_if_present(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

fn stamp_path(output: &Path) -> Result<PathBuf> {
    let name = output
        .file_name()
        .with_context(|| format!("{} has no name", output.display()))?;
    Ok(output.with_file_name(format!(".{}.stamp", name.to_string_lossy())))
}

#[cfg(test)]
pub(crate) use tests::TestFolder;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::process;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A folder of one test's own. (The crate `tempfile` would have the crates that
    /// this tool is made of compiled a second time, with more features.)
    pub(crate) struct TestFolder(PathBuf);

    impl TestFolder {
        pub(crate) fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("xtask-test-{}-{number}", process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for TestFolder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn make_folder(output: &Path, inputs: Inputs) -> bool {
        make_if_changed(output, inputs, || Ok(fs::create_dir_all(output)?)).unwrap()
    }

    #[test]
    fn an_output_is_made_once_for_the_same_inputs() {
        let folder = TestFolder::new();
        let output = folder.path().join("output");
        assert!(make_folder(&output, Inputs::new("1")));
        assert!(!make_folder(&output, Inputs::new("1")));
    }

    #[test]
    fn a_changed_file_a_changed_recipe_and_a_lost_output_each_make_it_again() {
        let folder = TestFolder::new();
        let (output, input) = (folder.path().join("output"), folder.path().join("input"));
        let inputs = |recipe| Inputs::new(recipe).file(&input).unwrap();
        fs::write(&input, "one").unwrap();
        assert!(make_folder(&output, inputs("1")));
        fs::write(&input, "two").unwrap();
        assert!(make_folder(&output, inputs("1")));
        assert!(make_folder(&output, inputs("2")));
        fs::remove_dir(&output).unwrap();
        assert!(make_folder(&output, inputs("2")));
    }

    #[test]
    fn a_failed_attempt_is_not_taken_for_current() {
        let folder = TestFolder::new();
        let output = folder.path().join("output");
        assert!(make_folder(&output, Inputs::new("1")));
        make_if_changed(&output, Inputs::new("2"), || anyhow::bail!("no")).unwrap_err();
        assert!(make_folder(&output, Inputs::new("1")));
    }

    #[test]
    fn where_one_text_ends_is_part_of_the_digest() {
        let digest = |first: &str, second: &str| Inputs::new(first).text(second).hex();
        assert_ne!(digest("ab", "c"), digest("a", "bc"));
    }
}
