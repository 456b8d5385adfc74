use rusqlite::Connection;

use crate::features::events::{self, Action};
use crate::features::settings::Live;
use crate::limits::PAGE;
use crate::put::may_write;
use crate::{Bucket, Conditions, Error, Result, garbage, rows};

impl Bucket {
    /// Removes the objects there are of up to 1,000 `keys`, all in one step. A key without an object is no
    /// error. When one is locked, none is removed.
    pub async fn delete(&self, keys: Vec<String>) -> Result<()> {
        check_count(keys.len())?;
        keys.iter().try_for_each(|key| self.check_key(key))?;
        if keys.is_empty() {
            return Ok(());
        }
        let live = self.inner.live.clone();
        self.write(move |c| {
            let mut garbage = false;
            for key in &keys {
                garbage |= remove(c, &live, key, &Conditions::default())?.1;
            }
            Ok(((), garbage))
        })
        .await
    }

    /// Removes an object if `conditions` hold. Answers whether there was one.
    pub async fn delete_if(&self, key: &str, conditions: Conditions) -> Result<bool> {
        let mut outcomes = self.delete_each(vec![(key.to_owned(), conditions)]).await?;
        outcomes.pop().unwrap_or(Ok(false))
    }

    /// Removes up to 1,000 objects, each if its conditions hold and it is not locked, and answers for each, in
    /// the same order, whether there was one. What is removed is removed in one step.
    pub async fn delete_each(&self, keys: Vec<(String, Conditions)>) -> Result<Vec<Result<bool>>> {
        check_count(keys.len())?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (live, limit) = (self.inner.live.clone(), self.inner.limits.key);
        self.write(move |c| {
            live.require()?;
            let mut any = false;
            let mut outcomes = Vec::with_capacity(keys.len());
            for (key, conditions) in &keys {
                let outcome = match key.len() {
                    size if size == 0 || size > limit => Err(Error::InvalidObjectName),
                    _ => remove(c, &live, key, conditions),
                };
                outcomes.push(match outcome {
                    Ok((found, garbage)) => {
                        any |= garbage;
                        Ok(found)
                    }
                    Err(failed) if failed.is_internal() => return Err(failed),
                    Err(no) => Err(no),
                });
            }
            Ok((outcomes, any))
        })
        .await
    }
}

fn check_count(count: usize) -> Result<()> {
    if count > PAGE {
        return Err(Error::InvalidArgument(format!("A delete takes up to {PAGE} keys, not {count}.")));
    }
    Ok(())
}

/// Answers whether there was such an object, and whether it left files to remove.
fn remove(c: &Connection, live: &Live, key: &str, conditions: &Conditions) -> Result<(bool, bool)> {
    let existing = rows::existing(c, key)?;
    may_write(live, key, conditions, existing.as_ref())?;
    let Some(existing) = existing else { return Ok((false, false)) };
    c.prepare_cached("DELETE FROM objects WHERE key = ?1")?.execute([key])?;
    events::record(c, live, Action::DeleteObject, key, None, None)?;
    Ok((true, garbage::discard(c, existing.content)?))
}
