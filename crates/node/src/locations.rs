//! The locations of an app, and the namespaces that are seen from them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use selvedge_bindings::Resource;
use selvedge_front::{BindError, Front};
use selvedge_kv::{Edge, EdgeOptions, Namespace};
use selvedge_project::{Consistency, KvNamespace, KvSettings, Project};

/// A location that the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colo {
    /// Upper case.
    pub name: String,
    /// A port for the requests that come in there; 0 takes a free one.
    pub port: Option<u16>,
}

/// The names of the app's locations: those of the command line first, then those that its namespaces name.
pub(crate) fn of_app(project: &Project, asked: &[Colo]) -> Vec<String> {
    let namespaces = project.workers.iter().flat_map(|worker| &worker.kv_namespaces);
    let settings = namespaces.map(|namespace| &namespace.settings);
    let named = settings.filter(|s| s.consistency == Consistency::Edge).flat_map(|s| &s.locations);
    let mut all: Vec<String> = Vec::new();
    for name in asked.iter().map(|colo| &colo.name).chain(named) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

/// Takes the ports of the locations that have one. Answers where they are.
pub(crate) async fn listen(
    front: &mut Front,
    colos: &[Colo],
) -> Result<Vec<(String, SocketAddr)>, BindError> {
    let mut addresses = Vec::new();
    for colo in colos {
        if let Some(port) = colo.port {
            let address = SocketAddr::new(front.local_addr().ip(), port);
            addresses.push((colo.name.clone(), front.listen_at(address, &colo.name).await?));
        }
    }
    Ok(addresses)
}

/// The caches of the app's namespaces. They outlive a reload, as Cloudflare's outlive a deployment.
#[derive(Debug, Default)]
pub(crate) struct Edges(Mutex<HashMap<String, (EdgeOptions, Edge)>>);

impl Edges {
    /// What the bindings call for `namespace`, which is `open`, in an app with these locations.
    pub(crate) fn resource(
        &self,
        namespace: &KvNamespace,
        open: Namespace,
        locations: &[String],
    ) -> Resource {
        let mut edges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if namespace.settings.consistency == Consistency::Strong {
            edges.remove(&namespace.id);
            return Resource::Kv(open);
        }
        let options = options(&namespace.settings, locations);
        if let Some((known, edge)) = edges.get(&namespace.id)
            && *known == options
        {
            return Resource::KvEdge(edge.clone());
        }
        let edge = Edge::new(open, &options);
        edges.insert(namespace.id.clone(), (options, edge.clone()));
        Resource::KvEdge(edge)
    }
}

fn options(settings: &KvSettings, locations: &[String]) -> EdgeOptions {
    let own = &settings.locations;
    EdgeOptions {
        locations: if own.is_empty() { locations.to_vec() } else { own.clone() },
        own_writes_visible: settings.own_writes_visible,
        cache_bytes: settings.cache_size,
    }
}

#[cfg(test)]
mod tests {
    use selvedge_project::Worker;

    use super::*;

    #[test]
    fn locations_are_those_of_the_command_line_and_of_edge_namespaces() {
        let namespace = |consistency, locations: &[&str]| KvNamespace {
            settings: KvSettings {
                consistency,
                locations: locations.iter().map(|&name| name.to_owned()).collect(),
                ..KvSettings::default()
            },
            ..KvNamespace::default()
        };
        let kv_namespaces =
            vec![namespace(Consistency::Edge, &["AMS", "NRT"]), namespace(Consistency::Strong, &["LHR"])];
        let project = Project { workers: vec![Worker { kv_namespaces, ..Worker::default() }] };
        assert_eq!(of_app(&project, &[]), ["AMS", "NRT"]);
        let asked = ["SJC", "AMS"].map(|name| Colo { name: name.to_owned(), port: None });
        assert_eq!(of_app(&project, &asked), ["SJC", "AMS", "NRT"]);
        assert_eq!(of_app(&Project { workers: Vec::new() }, &[]), [""; 0]);
    }
}
