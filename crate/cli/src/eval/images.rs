//! Image files of a data set: in a folder, or in tar archives beside its items.
//!
//! An image is found by its exact name, and one that lies in several places must be the same in
//! all of them: none is taken for another.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flamingo_weights::excerpt::Excerpt;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::model_source::hexadecimal;

/// Why an image is not found.
#[derive(Debug, Error)]
pub(crate) enum ImagesError {
    /// A folder of images cannot be read.
    #[error("the folder of images {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An archive cannot be read.
    #[error("the archive {}: {source}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A compressed archive.
    #[error("the archive {} is compressed; unpack it to a plain tar file", path.display())]
    Compressed {
        /// The archive.
        path: PathBuf,
    },
    /// There is no such image.
    #[error("the image {} is in none of: {}", Excerpt(name), places.join(", "))]
    Missing {
        /// Its name.
        name: String,
        /// Folders and archives that were looked through.
        places: Vec<String>,
    },
    /// Two different images have a name.
    #[error(
        "the image {} is in {} and, another one, in {}; rename or remove one of them",
        Excerpt(name),
        first.display(),
        second.display()
    )]
    Twice {
        /// The name.
        name: String,
        /// Where one lies.
        first: PathBuf,
        /// Where the other lies.
        second: PathBuf,
    },
    /// An image file cannot be read.
    #[error("the image {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where the images of a data set are found.
pub(super) struct Images {
    folders: Vec<PathBuf>,
    archives: Vec<PathBuf>,
    /// Files in archives, by name.
    packed: HashMap<String, Vec<Member>>,
}

/// A file in an archive.
struct Member {
    /// Its place among the archives.
    archive: usize,
    /// Where it begins, in bytes.
    start: u64,
    /// Its length, in bytes.
    length: u64,
}

/// The first bytes of compressed files.
const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0"];

impl Images {
    /// Images beside `items`, its file: in its folder, and in its archives there, which have
    /// its name and perhaps a number, such as `dev.tar` and `dev-0.tar` beside `dev.jsonl`.
    ///
    /// # Errors
    /// Where the folder or an archive cannot be read.
    pub(super) fn beside(items: &Path) -> Result<Self, ImagesError> {
        let folder = items.parent().unwrap_or(Path::new(""));
        let stem = items.file_stem().unwrap_or_default().to_string_lossy();
        let mut images = Self {
            folders: Vec::new(),
            archives: Vec::new(),
            packed: HashMap::new(),
        };
        images.add_those(folder, |name| belongs_to(name, &stem))?;
        Ok(images)
    }

    /// Adds a folder with all archives in it.
    ///
    /// # Errors
    /// Where the folder or an archive cannot be read.
    pub(super) fn add(&mut self, folder: &Path) -> Result<(), ImagesError> {
        self.add_those(folder, |_| true)
    }

    fn add_those(
        &mut self,
        folder: &Path,
        belongs: impl Fn(&str) -> bool,
    ) -> Result<(), ImagesError> {
        let here = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let at = |source| ImagesError::Folder {
            path: here.to_owned(),
            source,
        };
        let mut archives = Vec::new();
        for entry in fs::read_dir(here).map_err(at)? {
            let path = entry.map_err(at)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_archive = name.to_lowercase().ends_with(".tar") && !name.starts_with('.');
            if is_archive && belongs(&name[..name.len() - ".tar".len()]) && path.is_file() {
                archives.push(path);
            }
        }
        // What is told of them must not depend on how the disk lists them.
        archives.sort();
        for path in archives {
            let known = |known: &PathBuf| same_file::is_same_file(known, &path).unwrap_or(false);
            if !self.archives.iter().any(known) {
                self.add_archive(path)?;
            }
        }
        self.folders.push(folder.to_owned());
        Ok(())
    }

    fn add_archive(&mut self, path: PathBuf) -> Result<(), ImagesError> {
        let at = |source| ImagesError::Archive {
            path: path.clone(),
            source,
        };
        let mut file = File::open(&path).map_err(at)?;
        let mut head = Vec::new();
        file.by_ref().take(8).read_to_end(&mut head).map_err(at)?;
        if COMPRESSED.iter().any(|start| head.starts_with(start)) {
            return Err(ImagesError::Compressed { path });
        }
        file.rewind().map_err(at)?;
        let archive = self.archives.len();
        let mut members = Vec::new();
        for entry in tar::Archive::new(file).entries_with_seek().map_err(at)? {
            let entry = entry.map_err(at)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = entry.path().map_err(at)?.to_string_lossy().into_owned();
            members.push((
                plain(&name).to_owned(),
                Member {
                    archive,
                    start: entry.raw_file_position(),
                    length: entry.size(),
                },
            ));
        }
        for (name, member) in members {
            self.packed.entry(name).or_default().push(member);
        }
        self.archives.push(path);
        Ok(())
    }

    /// The archives.
    pub(super) fn archives(&self) -> &[PathBuf] {
        &self.archives
    }

    /// The files of this name in folders.
    pub(super) fn files(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let files = self.folders.iter().map(move |folder| folder.join(name));
        files.filter(|file| file.exists())
    }

    /// Checks that an image is there, without reading it.
    ///
    /// # Errors
    /// Where it is not.
    pub(super) fn check(&self, name: &str) -> Result<(), ImagesError> {
        match self.packed.contains_key(plain(name)) || self.files(name).next().is_some() {
            true => Ok(()),
            false => Err(self.missing(name)),
        }
    }

    fn missing(&self, name: &str) -> ImagesError {
        let folders = self
            .folders
            .iter()
            .map(|folder| match folder.as_os_str().is_empty() {
                true => ".".to_owned(),
                false => folder.display().to_string(),
            });
        let archives = self.archives.iter().map(|path| path.display().to_string());
        ImagesError::Missing {
            name: name.to_owned(),
            places: folders.chain(archives).collect(),
        }
    }

    /// The bytes of an image.
    ///
    /// # Errors
    /// Where there is no such image, or different ones.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, ImagesError> {
        let mut found: Option<(PathBuf, Vec<u8>)> = None;
        let packed = self.packed.get(plain(name)).into_iter().flatten();
        let packed = packed.map(|member| {
            let path = self.archives[member.archive].clone();
            let bytes = member.read(&path);
            bytes.map(|bytes| (path, bytes))
        });
        let files = self.files(name).map(|path| match fs::read(&path) {
            Ok(bytes) => Ok((path, bytes)),
            Err(source) => Err(ImagesError::File { path, source }),
        });
        for image in packed.chain(files) {
            let (place, bytes) = image?;
            match &found {
                None => found = Some((place, bytes)),
                Some((_, known)) if *known == bytes => {}
                Some((first, _)) => {
                    return Err(ImagesError::Twice {
                        name: name.to_owned(),
                        first: first.clone(),
                        second: place,
                    });
                }
            }
        }
        found
            .map(|(_, bytes)| bytes)
            .ok_or_else(|| self.missing(name))
    }

    /// SHA-256 of an image's bytes, in hexadecimal.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn sha256(&self, name: &str) -> Result<String, ImagesError> {
        Ok(hexadecimal(&Sha256::digest(self.read(name)?)))
    }
}

impl Member {
    fn read(&self, archive: &Path) -> Result<Vec<u8>, ImagesError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(archive)?;
            file.seek(SeekFrom::Start(self.start))?;
            let mut bytes = Vec::new();
            file.take(self.length).read_to_end(&mut bytes)?;
            match bytes.len() as u64 == self.length {
                true => Ok(bytes),
                false => Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it ends within a file; download or copy it again",
                )),
            }
        };
        read().map_err(|source| ImagesError::Archive {
            path: archive.to_owned(),
            source,
        })
    }
}

/// A name without the present folder in front of it.
fn plain(name: &str) -> &str {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest;
    }
    name
}

/// Whether an archive called so, but for its ending, belongs to items of this name.
fn belongs_to(archive: &str, items: &str) -> bool {
    match archive.strip_prefix(items) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(|number| {
            !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit())
        }),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn archive(path: &Path, members: &[(&str, &[u8])]) {
        let mut builder = tar::Builder::new(File::create(path).unwrap());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.finish().unwrap();
    }

    #[test]
    fn an_image_is_the_one_of_its_exact_name() {
        let folder = tempfile::tempdir().unwrap();
        let here = |name: &str| folder.path().join(name);
        archive(
            &here("dev-0.tar"),
            &[("x.png", b"dev 0"), ("a/x.png", b"dev a")],
        );
        archive(
            &here("dev-1.tar"),
            &[("./y.png", b"dev 1"), ("z.png", b"one")],
        );
        archive(&here("dev.tar"), &[("w.png", b"dev"), ("z.png", b"two")]);
        archive(
            &here("dev2-0.tar"),
            &[("x.png", b"dev2"), ("only2.png", b"dev2")],
        );
        archive(&here("dev-old.tar"), &[("x.png", b"old")]);
        fs::write(here("file.png"), b"file").unwrap();
        fs::write(here("y.png"), b"dev 1").unwrap();

        let images = Images::beside(&here("dev.jsonl")).unwrap();
        for (name, expected) in [
            ("x.png", "dev 0"),
            ("./x.png", "dev 0"),
            ("a/x.png", "dev a"),
            ("w.png", "dev"),
            ("file.png", "file"),
            // The same bytes in two places are one image.
            ("y.png", "dev 1"),
        ] {
            images.check(name).unwrap();
            assert_eq!(images.read(name).unwrap(), expected.as_bytes(), "{name}");
        }
        for name in ["only2.png", "b/x.png", "X.png", "png"] {
            assert!(images.check(name).is_err(), "{name}");
            let error = images.read(name).unwrap_err().to_string();
            assert!(
                error.contains("is in none of") && error.contains("dev-1.tar"),
                "{error}"
            );
        }
        let error = images.read("z.png").unwrap_err().to_string();
        assert!(error.contains("dev-1.tar and, another one, in"), "{error}");

        let mut both = Images::beside(&here("dev2.jsonl")).unwrap();
        assert_eq!(both.read("x.png").unwrap(), b"dev2");
        both.add(folder.path()).unwrap();
        assert_eq!(both.archives().len(), 5);
        assert!(matches!(both.read("x.png"), Err(ImagesError::Twice { .. })));
    }

    #[test]
    fn what_is_no_archive_or_breaks_off_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let here = |name: &str| folder.path().join(name);
        fs::write(here("dev.tar"), b"\x1f\x8b\x08rest").unwrap();
        let error = Images::beside(&here("dev.jsonl")).err().unwrap();
        assert!(
            error.to_string().contains("dev.tar is compressed"),
            "{error}"
        );

        archive(&here("dev.tar"), &[("x.png", &[7; 5000])]);
        let whole = fs::read(here("dev.tar")).unwrap();
        fs::write(here("dev.tar"), &whole[..3000]).unwrap();
        let error = match Images::beside(&here("dev.jsonl")) {
            Ok(images) => images.read("x.png").unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains("dev.tar"), "{error}");
        let error = Images::beside(Path::new("/nope/dev.jsonl")).err().unwrap();
        assert!(error.to_string().contains("/nope: No such file"), "{error}");
    }
}
