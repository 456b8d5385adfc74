//! `selvedge dev`.

use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use selvedge_base::SystemClock;
use selvedge_node::{Dev, DevError, DevOptions};
use selvedge_project::LoadOptions;

use crate::arguments::DevArguments;
use crate::console::{self, Console};

pub(crate) async fn run(arguments: DevArguments) -> ExitCode {
    let options = options(arguments);
    let progress = selvedge_workerd::Bar::default();
    let console = match Console::start() {
        Ok(console) => Arc::new(console),
        Err(error) => return console::failure(&error, crate::FAILED),
    };
    let mut told_to_stop = pin!(console::told_to_stop());
    let opening = Dev::open(options, Arc::clone(&console) as _, &progress, SystemClock::shared());
    let opened = tokio::select! {
        opened = opening => opened,
        () = &mut told_to_stop => return ExitCode::from(console::INTERRUPTED),
    };
    let served = match opened {
        Ok(dev) => {
            dev.run(told_to_stop).await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    // What was said on the way comes before the verdict.
    console.finish();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(DevError::Project(error)) => {
            console::diagnostics(&error);
            ExitCode::from(crate::MISUSED)
        }
        Err(error) => console::failure(&error, crate::FAILED),
    }
}

fn options(arguments: DevArguments) -> DevOptions {
    let environment = crate::environment();
    DevOptions {
        project: LoadOptions {
            configs: arguments.config,
            start: arguments.directory,
            env: arguments.env,
            environment: environment.clone(),
            allow_experimental: arguments.experimental,
            ..LoadOptions::default()
        },
        address: SocketAddr::new(arguments.ip, arguments.port),
        persist_to: arguments.persist_to,
        temporary: std::env::temp_dir(),
        cache: selvedge_workerd::default_cache(&environment),
        environment,
        migrate: !arguments.no_migrations,
        body_limit: (arguments.body_limit > 0).then_some(arguments.body_limit),
        colos: arguments.colo,
        drain: Duration::from_secs(arguments.drain),
        s3: arguments.s3_port.map(|port| SocketAddr::new(arguments.ip, port)),
    }
}
