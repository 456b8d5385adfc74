//! Compiles the amalgamation in `sqlite3/`.

use std::{env, fs, path::Path};

/// `NAME` or `NAME=value`.
const DEFINES: &[&str] = &[
    // As rusqlite's own build has them; without STAT4, DBSTAT, FTS3 and SOUNDEX, which Cloudflare's has not.
    "SQLITE_CORE",
    "SQLITE_DEFAULT_FOREIGN_KEYS=1",
    "SQLITE_ENABLE_API_ARMOR",
    "SQLITE_ENABLE_COLUMN_METADATA",
    "SQLITE_ENABLE_FTS5",
    "SQLITE_ENABLE_RTREE",
    "SQLITE_THREADSAFE=1",
    "SQLITE_USE_URI",
    "HAVE_USLEEP=1",
    "HAVE_ISNAN",
    "_POSIX_THREAD_SAFE_FUNCTIONS",
    // D1's SQLite has them; rusqlite's build leaves them out.
    "SQLITE_ENABLE_MATH_FUNCTIONS",
    // Whole pages, for a database's history. Users cannot reach it: the authorizer denies it.
    "SQLITE_ENABLE_DBPAGE_VTAB",
    // How wide printf() goes, as in Cloudflare's.
    "SQLITE_PRINTF_PRECISION_LIMIT=100000",
    // A single allocation, whatever a statement asks for.
    "SQLITE_MAX_ALLOCATION_SIZE=67108864",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=sqlite3/sqlite3.c");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::copy("sqlite3/bindgen_bundled_version.rs", Path::new(&out).join("bindgen.rs"))
        .expect("the bindings can be copied");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo:include={root}/sqlite3");
    println!("cargo:lib_dir={out}");
    let mut build = cc::Build::new();
    build.file("sqlite3/sqlite3.c").warnings(false);
    for define in DEFINES {
        build.flag(format!("-D{define}"));
    }
    if env::var("CARGO_CFG_WINDOWS").is_err() {
        build.flag("-DHAVE_LOCALTIME_R");
    }
    build.compile("sqlite3");
}
