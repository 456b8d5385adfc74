//! `selvedge kv`: namespaces and keys, with wrangler's words.

mod bulk;
mod key;
mod namespace;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::tools::{self, Misuse, Outcome, Place, PlaceArguments, segment};

/// Work with KV namespaces and their keys, on a running node or directly on its data.
#[derive(Args, Debug)]
pub(crate) struct KvArguments {
    #[command(flatten)]
    place: PlaceArguments,

    #[command(subcommand)]
    command: KvCommand,
}

#[derive(Debug, Subcommand)]
enum KvCommand {
    /// Create, list, rename and delete namespaces.
    #[command(subcommand)]
    Namespace(namespace::Command),
    /// Read and write single keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Read and write many keys at once.
    #[command(subcommand)]
    Bulk(bulk::Command),
}

/// Which namespace.
#[derive(Args, Debug)]
pub(crate) struct NamespaceArguments {
    /// The namespace that the config binds to this name.
    #[arg(long, short, value_name = "NAME", required_unless_present = "namespace_id")]
    binding: Option<String>,

    /// The namespace with this id.
    #[arg(long, short, value_name = "ID", conflicts_with = "binding")]
    namespace_id: Option<String>,
}

impl NamespaceArguments {
    /// Where the API has the namespace. One that the config names is made when it is not there yet, as
    /// `selvedge dev` makes it.
    async fn path(&self, place: &Place) -> anyhow::Result<String> {
        let id = match (&self.namespace_id, &self.binding) {
            (Some(id), _) => id.clone(),
            (None, Some(binding)) => {
                let id = place.binding("KV namespace", binding, |worker| {
                    let mut all = worker.kv_namespaces.iter();
                    all.find(|namespace| namespace.binding == *binding).map(|namespace| namespace.id.clone())
                })?;
                return ensure(place, binding, &id).await;
            }
            (None, None) => return Err(Misuse("name a namespace: --binding or --namespace-id".into()).into()),
        };
        Ok(format!("{}/{}", namespace::PATH, segment(&id)))
    }
}

/// Where the API has the namespace that a config binds to `binding`, which is made when it is not there yet.
pub(crate) async fn ensure(place: &Place, binding: &str, id: &str) -> anyhow::Result<String> {
    let body = json!({ "title": binding, "id": id });
    place.client().call::<Value>(Method::POST, namespace::PATH, Some(&body)).await?;
    Ok(format!("{}/{}", namespace::PATH, segment(id)))
}

pub(crate) async fn run(arguments: KvArguments) -> std::process::ExitCode {
    tools::finish(work(arguments).await)
}

async fn work(arguments: KvArguments) -> Outcome {
    let KvArguments { place, command } = arguments;
    match command {
        KvCommand::Namespace(command) => command.run(place).await,
        KvCommand::Key(command) => command.run(place).await,
        KvCommand::Bulk(command) => command.run(place).await,
    }
}
