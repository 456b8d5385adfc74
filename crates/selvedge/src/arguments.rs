//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use selvedge_node::Colo;

/// Cloudflare Workers and their storage, on your own machine.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Say more about what happens inside.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(DevArguments),
    Clock(crate::clock::ClockArguments),
    Import(crate::import::ImportArguments),
    D1(crate::d1::D1Arguments),
    Kv(crate::kv::KvArguments),
    R2(crate::r2::R2Arguments),
    S3(crate::s3::S3Arguments),
    Hyperdrive(Box<crate::hyperdrive::HyperdriveArguments>),
}

/// Serve a project with real storage, and rebuild it on every change.
///
/// Finds wrangler.json, wrangler.jsonc or wrangler.toml in DIR or above it, bundles the Worker, starts it on
/// workerd and serves it. What the Worker stores is kept in .selvedge beside the config.
#[derive(Args, Debug)]
pub(crate) struct DevArguments {
    /// The project's directory.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,

    /// Use this config file; several make an app of several Workers, the first of which is served.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,

    /// Use this environment of the config.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) env: Option<String>,

    /// Listen on this port; 0 takes a free one.
    #[arg(long, short, default_value_t = 8787)]
    pub(crate) port: u16,

    /// Listen on this address.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) ip: IpAddr,

    /// Also serve the project's R2 buckets to S3 clients, on this port; 0 takes a free one.
    #[arg(long, value_name = "PORT")]
    pub(crate) s3_port: Option<u16>,

    /// Keep the data here instead of in .selvedge beside the config.
    #[arg(long, value_name = "DIR")]
    pub(crate) persist_to: Option<PathBuf>,

    /// Do not apply D1 migrations at the start and on changes.
    #[arg(long)]
    pub(crate) no_migrations: bool,

    /// Refuse request bodies larger than this many bytes; 0 takes any.
    #[arg(long, value_name = "BYTES", default_value_t = 500_000_000)]
    pub(crate) body_limit: u64,

    /// Allow the project's own experimental compatibility flags.
    #[arg(long)]
    pub(crate) experimental: bool,

    /// Add a location, with a port for the requests that come in there; without one they say so in a CF-Colo
    /// header.
    #[arg(long, value_name = "NAME[:PORT]", value_parser = colo)]
    pub(crate) colo: Vec<Colo>,

    /// When stopping, give requests in flight this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) drain: u64,
}

fn colo(text: &str) -> Result<Colo, String> {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port.parse().map_err(|_| format!("{port:?} is not a port"))?)),
        None => (text, None),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !(1..=16).contains(&name.len()) || !name.bytes().all(plain) {
        return Err("a location is 1 to 16 letters, digits and hyphens".to_owned());
    }
    Ok(Colo { name: name.to_ascii_uppercase(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_has_a_name_and_may_have_a_port() {
        let is = |name: &str, port| Ok(Colo { name: name.to_owned(), port });
        assert_eq!(colo("ams"), is("AMS", None));
        assert_eq!(colo("weur-1:8788"), is("WEUR-1", Some(8788)));
        for wrong in ["", ":1", "a/b", "AMS:", "AMS:x", "AMS:99999", "longer-than-sixteen"] {
            assert!(colo(wrong).is_err(), "{wrong}");
        }
    }
}
