//! Locating, from every place in turn.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;

use super::*;

/// Remembers what it was told.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn begin(&self, what: &str, total_bytes: u64) {
        self.0.lock().unwrap().push(format!("begin {what} {total_bytes}"));
    }
    fn at(&self, _bytes: u64) {}
    fn end(&self) {
        self.0.lock().unwrap().push("end".to_owned());
    }
}

fn environment() -> BTreeMap<String, String> {
    std::env::vars().filter(|(name, _)| !name.starts_with("SELVEDGE_")).collect()
}

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn pin(tool: Tool) -> &'static Pin {
    Pin::find(tool, std::env::consts::OS, std::env::consts::ARCH).unwrap()
}

#[tokio::test]
async fn the_environment_variable_comes_first() {
    let directory = tempfile::tempdir().unwrap();
    let named = directory.path().join("my-workerd");
    executable(&named, "");
    executable(&install::destination(pin(Tool::Workerd), directory.path()), "");
    let mut environment = environment();
    environment.insert("SELVEDGE_WORKERD".to_owned(), named.display().to_string());
    let search = Search { project: None, cache: directory.path(), environment: &environment };
    assert_eq!(locate(Tool::Workerd, &search, &Heard::default()).await.unwrap(), named);

    fs::set_permissions(&named, fs::Permissions::from_mode(0o644)).unwrap();
    let error = locate(Tool::Workerd, &search, &Heard::default()).await.unwrap_err().to_string();
    assert!(error.contains("SELVEDGE_WORKERD") && error.contains("not an executable file"), "{error}");
    fs::remove_file(&named).unwrap();
    assert!(matches!(
        locate(Tool::Workerd, &search, &Heard::default()).await,
        Err(ToolError::NotExecutable { .. })
    ));
}

#[tokio::test]
async fn the_projects_copy_is_taken_only_in_the_pinned_version() {
    let directory = tempfile::tempdir().unwrap();
    let pin = pin(Tool::Workerd);
    let cache = directory.path().join("cache");
    let cached = install::destination(pin, &cache);
    executable(&cached, "");
    let package = directory.path().join("app/node_modules").join(pin.package);
    let own = package.join("bin/workerd");
    executable(&own, "");
    let project = directory.path().join("app/packages/one");
    fs::create_dir_all(&project).unwrap();
    let environment = environment();
    let search = Search { project: Some(&project), cache: &cache, environment: &environment };

    fs::write(package.join("package.json"), r#"{"version":"1.20260101.0"}"#).unwrap();
    assert_eq!(locate(Tool::Workerd, &search, &Heard::default()).await.unwrap(), cached);
    fs::write(package.join("package.json"), format!(r#"{{"version":"{}"}}"#, pin.version)).unwrap();
    assert_eq!(locate(Tool::Workerd, &search, &Heard::default()).await.unwrap(), own);
}

#[tokio::test]
async fn npm_installs_what_is_not_there_and_two_at_once_agree() {
    let directory = tempfile::tempdir().unwrap();
    let environment = environment();
    let search = Search { project: None, cache: directory.path(), environment: &environment };
    let (first, second) = (Heard::default(), Heard::default());
    let (one, two) =
        tokio::join!(locate(Tool::Esbuild, &search, &first), locate(Tool::Esbuild, &search, &second));
    let path = one.unwrap();
    assert_eq!(path, two.unwrap());
    let pin = pin(Tool::Esbuild);
    assert_eq!(
        *first.0.lock().unwrap(),
        [format!("begin {}@{} {}", pin.package, pin.version, pin.tarball), "end".to_owned()]
    );
    let version = crate::command::command(&path).arg("--version").output().await.unwrap();
    assert_eq!(String::from_utf8(version.stdout).unwrap().trim(), pin.version);
    // Nothing is left but the package.
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["@esbuild"]);
    // The next search does not ask npm.
    let third = Heard::default();
    assert_eq!(locate(Tool::Esbuild, &search, &third).await.unwrap(), path);
    assert!(third.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn offline_says_what_to_install_and_how_else() {
    let directory = tempfile::tempdir().unwrap();
    let mut environment = environment();
    environment.insert("npm_config_offline".to_owned(), "true".to_owned());
    let search = Search { project: None, cache: directory.path(), environment: &environment };
    let pin = pin(Tool::Workerd);
    let error = locate(Tool::Workerd, &search, &Heard::default()).await.unwrap_err().to_string();
    for part in [
        format!("npm could not fetch {}@{}", pin.package, pin.version),
        "ENOTCACHED".to_owned(),
        format!("npm install --save-dev workerd@{}", pin.version),
        "SELVEDGE_WORKERD".to_owned(),
    ] {
        assert!(error.contains(&part), "{part:?} is not in:\n{error}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_package_with_other_bytes_is_not_installed() {
    let directory = tempfile::tempdir().unwrap();
    // An npm that brings something else.
    let bin = directory.path().join("bin");
    executable(
        &bin.join("npm"),
        "#!/bin/sh\nwhile [ \"$1\" != --pack-destination ]; do shift; done\necho evil > \"$2/package.tgz\"\n",
    );
    let mut environment = environment();
    environment.insert("PATH".to_owned(), format!("{}:{}", bin.display(), environment["PATH"]));
    let cache = directory.path().join("cache");
    let search = Search { project: None, cache: &cache, environment: &environment };
    let error = locate(Tool::Workerd, &search, &Heard::default()).await.unwrap_err();
    assert!(matches!(error, ToolError::Integrity { .. }), "{error}");
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
}

#[tokio::test]
async fn without_npm_the_error_names_npm() {
    let directory = tempfile::tempdir().unwrap();
    let mut environment = environment();
    environment.insert("PATH".to_owned(), directory.path().display().to_string());
    let search = Search { project: None, cache: directory.path(), environment: &environment };
    let error = locate(Tool::Esbuild, &search, &Heard::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("npm was not found on PATH"), "{error}");
}

#[test]
fn the_cache_is_where_the_environment_says() {
    let of = |pairs: &[(&str, &str)]| {
        let environment = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        default_cache(&environment)
    };
    let all = [("SELVEDGE_CACHE", "/s"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
    assert_eq!(of(&all), Path::new("/s"));
    assert_eq!(of(&all[1..]), Path::new("/x/selvedge"));
    let own = if cfg!(target_os = "macos") { "/h/Library/Caches/selvedge" } else { "/h/.cache/selvedge" };
    assert_eq!(of(&all[2..]), Path::new(own));
}
