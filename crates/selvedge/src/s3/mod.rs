//! `selvedge s3`: an S3 endpoint on a directory.

mod key;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::{Args, Subcommand, ValueEnum};
use selvedge_base::SystemClock;
use selvedge_node::{S3, S3Extras, S3Settings};
use serde_json::json;

use crate::tools::PlaceArguments;
use crate::{console, tools};

const BOLD: Style = Style::new().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();

/// Serve the R2 buckets of a data directory to S3 clients, without a project.
///
/// The first start makes an access key, which is kept in the directory and printed at every start. Clients need the
/// endpoint, the key, and any region; `auto` is R2's.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct S3Arguments {
    #[command(subcommand)]
    command: Option<S3Command>,

    /// Keep the data here.
    #[arg(value_name = "DIR", default_value = ".selvedge")]
    directory: PathBuf,

    /// Listen here; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,

    /// Take <BUCKET>.DOMAIN as the bucket of that name; may be repeated.
    #[arg(long, value_name = "DOMAIN", default_value = "localhost")]
    domain: Vec<String>,

    /// Also do what R2 does not: `attributes` (GetObjectAttributes), `forms` (uploads by HTML forms).
    #[arg(long, value_name = "NAME")]
    extra: Vec<Extra>,

    /// When stopping, give requests in flight this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    drain: u64,

    /// Print the endpoint and the key as JSON on stdout, and nothing else.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Extra {
    Attributes,
    Forms,
}

#[derive(Debug, Subcommand)]
enum S3Command {
    /// Make, list and delete access keys.
    Key {
        #[command(flatten)]
        place: PlaceArguments,

        #[command(subcommand)]
        command: key::Command,
    },
}

pub(crate) async fn run(arguments: S3Arguments) -> ExitCode {
    if let Some(S3Command::Key { place, command }) = arguments.command {
        return tools::finish(command.run(place).await);
    }
    let settings = S3Settings {
        domains: arguments.domain,
        drain: Duration::from_secs(arguments.drain),
        extras: S3Extras {
            attributes: arguments.extra.contains(&Extra::Attributes),
            forms: arguments.extra.contains(&Extra::Forms),
        },
        ..S3Settings::at(arguments.listen)
    };
    let mut told_to_stop = pin!(console::told_to_stop());
    let (temporary, clock) = (std::env::temp_dir(), SystemClock::shared());
    let opened = tokio::select! {
        opened = S3::open(&arguments.directory, &temporary, settings, &clock) => opened,
        () = &mut told_to_stop => return ExitCode::from(console::INTERRUPTED),
    };
    let s3 = match opened {
        Ok(s3) => s3,
        Err(error) => return console::failure(&error, crate::FAILED),
    };
    if let Err(error) = introduce(&s3, arguments.json) {
        return console::failure(error.as_ref(), crate::FAILED);
    }
    s3.run(told_to_stop).await;
    ExitCode::SUCCESS
}

fn introduce(s3: &S3, as_json: bool) -> anyhow::Result<()> {
    let (endpoint, key) = (format!("http://{}", s3.local_addr()), s3.key());
    if as_json {
        return tools::json(&json!({
            "endpoint": endpoint,
            "region": "auto",
            "accessKeyId": key.id,
            "secretAccessKey": key.secret,
            "directory": s3.data(),
        }));
    }
    tools::spoken(format_args!(
        "{GREEN}Ready{GREEN:#} on {BOLD}{endpoint}{BOLD:#}, with the data in {}\n\
         \n  export AWS_ENDPOINT_URL={endpoint}\
         \n  export AWS_ACCESS_KEY_ID={}\
         \n  export AWS_SECRET_ACCESS_KEY={}\
         \n  export AWS_REGION=auto\n",
        s3.data().display(),
        key.id,
        key.secret,
    ));
    Ok(())
}
