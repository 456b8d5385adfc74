//! The files of a config: the config itself and the modules it embeds. Only their owner can read them, for
//! they hold the app's secrets.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::text::Value;

pub(super) struct Files {
    directory: PathBuf,
    written: usize,
}

impl Files {
    /// Makes the directory, or makes it private when it is there.
    pub(super) fn new(directory: &Path) -> Result<Self, ConfigError> {
        private_directory(directory)?;
        Ok(Self { directory: directory.to_owned(), written: 0 })
    }

    /// Writes a file that the config refers to. `hint` is part of its name, for a person who looks.
    pub(super) fn embed(&mut self, hint: &str, content: &[u8]) -> Result<Value, ConfigError> {
        let name = format!("{}-{}", self.written, selvedge_base::path_component(hint));
        self.written += 1;
        self.write(&name, content)?;
        Ok(Value::Embed(name))
    }

    /// Writes `name`, in the place of an earlier one.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, ConfigError> {
        let path = self.directory.join(name);
        let written = match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            // Made anew, since the mode of a file that is already there would stay as it is.
            _ => OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .and_then(|mut file| file.write_all(content)),
        };
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(ConfigError::Write { path, source }),
        }
    }
}

/// Makes sure that `path` is a directory only its owner can enter.
pub(super) fn private_directory(path: &Path) -> Result<(), ConfigError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o700)))
        .map_err(|source| ConfigError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_even_when_they_replace_public_ones() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("config.capnp"), "old and longer").unwrap();
        let mut files = Files::new(&inner).unwrap();
        let path = files.write("config.capnp", b"new").unwrap();
        files.embed("../index.js", b"x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&inner), 0o700);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&inner.join("0-%2E.%2Findex.js")), 0o600);
    }
}
