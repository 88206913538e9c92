//! Image files of a data set: in a folder, or in tar archives beside its items.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where the images of a data set are found.
pub(super) struct Images {
    folders: Vec<PathBuf>,
    /// Files out of archives, by name.
    packed: HashMap<String, Vec<u8>>,
}

impl Images {
    /// Images beside `items`, its file: in its folder, and in the archives there whose
    /// names begin as its own, such as `dev-0.tar` beside `dev.jsonl`.
    ///
    /// # Errors
    /// Where an archive cannot be read.
    pub(super) fn beside(items: &Path) -> io::Result<Self> {
        let folder = items.parent().unwrap_or(Path::new(""));
        let stem = items.file_stem().unwrap_or_default().to_string_lossy();
        let mut images = Self {
            folders: Vec::new(),
            packed: HashMap::new(),
        };
        images.add(folder, &stem)?;
        Ok(images)
    }

    /// Adds a folder, with the archives there whose names begin with `stem`. What was
    /// there before is found first.
    ///
    /// # Errors
    /// Where the folder or an archive cannot be read.
    pub(super) fn add(&mut self, folder: &Path, stem: &str) -> io::Result<()> {
        let here = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        for entry in fs::read_dir(here)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with(stem) || path.extension().is_none_or(|kind| kind != "tar") {
                continue;
            }
            for file in tar::Archive::new(File::open(&path)?).entries()? {
                let mut file = file?;
                let name = file
                    .path()?
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                if let Some(name) = name {
                    self.packed.entry(name).or_insert(bytes);
                }
            }
        }
        self.folders.push(folder.to_owned());
        Ok(())
    }

    /// The bytes of an image.
    ///
    /// # Errors
    /// Where there is no such file.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        if let Some(bytes) = self.packed.get(name) {
            return Ok(bytes.clone());
        }
        let mut files = self.folders.iter().map(|folder| folder.join(name));
        match files.find(|file| file.exists()) {
            Some(file) => fs::read(file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
