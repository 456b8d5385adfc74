//! A state directory, and where a resource's files are in it.

use std::path::{Path, PathBuf};

use selvedge_sqlite::rusqlite;

use crate::object_id::object_id;
use crate::{KvState, R2State};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{} is not a state directory: give .wrangler, .wrangler/state/v3 (wrangler's) or .wrangler/state/workerd (workerd's)",
        .0.display()
    )]
    NotState(PathBuf),
    #[error("cannot read {}", path.display())]
    Database { path: PathBuf, source: Box<selvedge_sqlite::Error> },
    /// The database is not laid out as the versions that this reads lay it out.
    #[error("{} has another layout than wrangler 4 and workerd 2026 write", path.display())]
    Layout { path: PathBuf, source: rusqlite::Error },
}

/// Whose directory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Wrangler,
    Workerd,
}

/// A state directory.
#[derive(Clone, Debug)]
pub struct State {
    root: PathBuf,
    owner: Owner,
}

impl State {
    /// The state directory at `path`, which may also be one above it or that of one primitive in it. Of
    /// wrangler's and workerd's under the same `.wrangler`, wrangler's.
    pub fn at(path: &Path) -> Result<Self> {
        let below = [
            "",
            "v3",
            "workerd",
            "state/v3",
            "state/workerd",
            ".wrangler/state/v3",
            ".wrangler/state/workerd",
        ];
        let parent = path.parent().filter(|_| path.is_dir());
        let candidates = below.iter().map(|part| path.join(part)).chain(parent.map(Path::to_owned));
        for root in candidates {
            if root.join("kv/KVNamespace").is_dir() || root.join("d1/D1Database").is_dir() {
                return Ok(Self { root, owner: Owner::Workerd });
            }
            let classes = [
                "kv/miniflare-KVNamespaceObject",
                "d1/miniflare-D1DatabaseObject",
                "r2/miniflare-R2BucketObject",
            ];
            if classes.iter().any(|class| root.join(class).is_dir()) {
                return Ok(Self { root, owner: Owner::Wrangler });
            }
        }
        Err(Error::NotState(path.to_owned()))
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The KV namespace of that id, if it has ever been used there.
    pub fn kv(&self, id: &str) -> Result<Option<KvState>> {
        let (class, blobs) = match self.owner {
            Owner::Wrangler => ("miniflare-KVNamespaceObject", self.root.join("kv").join(id).join("blobs")),
            Owner::Workerd => ("KVNamespace", self.root.join("kv/blobs")),
        };
        let path = self.database("kv", class, id);
        path.map(|path| KvState::open(&path, blobs, self.owner)).transpose()
    }

    /// The file of the D1 database of that id, if it has ever been used there.
    pub fn d1(&self, id: &str) -> Option<PathBuf> {
        let class = match self.owner {
            Owner::Wrangler => "miniflare-D1DatabaseObject",
            Owner::Workerd => "D1Database",
        };
        self.database("d1", class, id)
    }

    /// The R2 bucket of that name, if it has ever been used there. workerd has no R2.
    pub fn r2(&self, bucket: &str) -> Result<Option<R2State>> {
        let path = self.database("r2", "miniflare-R2BucketObject", bucket);
        path.map(|path| R2State::open(&path, self.root.join("r2").join(bucket).join("blobs"))).transpose()
    }

    fn database(&self, primitive: &str, class: &str, id: &str) -> Option<PathBuf> {
        let file = format!("{}.sqlite", object_id(class, id));
        Some(self.root.join(primitive).join(class).join(file)).filter(|path| path.is_file())
    }
}
