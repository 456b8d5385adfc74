use crate::rows::unsigned;
use crate::{Bucket, Result};

/// How much a bucket holds. Exact: counted in the transactions that change it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub objects: u64,
    /// Of all objects, as their writers sent them.
    pub bytes: u64,
    /// Of these, in the class for what is rarely read.
    pub infrequent_objects: u64,
    pub infrequent_bytes: u64,
    /// That are not complete.
    pub uploads: u64,
    /// Of the parts of these.
    pub upload_bytes: u64,
}

impl Bucket {
    pub async fn usage(&self) -> Result<Usage> {
        self.inner.database.read(usage).await?
    }
}

pub(crate) fn usage(c: &rusqlite::Connection) -> Result<Usage> {
    let mut usage = Usage::default();
    let mut statement = c.prepare_cached("SELECT class, objects, bytes FROM usage")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (objects, bytes) = (unsigned(row.get(1)?), unsigned(row.get(2)?));
        match row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)? {
            "uploads" => usage.uploads = objects,
            class => {
                usage.objects += objects;
                usage.bytes += bytes;
                if class == "InfrequentAccess" {
                    (usage.infrequent_objects, usage.infrequent_bytes) = (objects, bytes);
                }
            }
        }
    }
    // Uploads that are open are few: adding up is quicker than keeping count.
    usage.upload_bytes = unsigned(
        c.prepare_cached(
            "SELECT coalesce(sum(parts.size), 0) FROM uploads JOIN parts ON parts.content = uploads.content
             WHERE uploads.finished IS NULL",
        )?
        .query_row([], |row| row.get(0))?,
    );
    Ok(usage)
}
