//! Two listings, side by side: what has to be done so that the second becomes the first.

use std::pin::Pin;

use anyhow::bail;
use futures_util::stream::Peekable;
use futures_util::{Stream, StreamExt as _, stream};
use selvedge_remote::Entry;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Copy {
        key: String,
        size: u64,
    },
    Equal,
    /// The target has it and the source has not.
    Extra(String),
}

type Entries<'e> = Pin<Box<dyn Stream<Item = anyhow::Result<Entry>> + Send + 'e>>;

struct Listing<'e> {
    name: &'static str,
    entries: Peekable<Entries<'e>>,
    last: Option<String>,
}

impl<'e> Listing<'e> {
    fn new(name: &'static str, entries: impl Stream<Item = anyhow::Result<Entry>> + Send + 'e) -> Self {
        let entries: Entries<'e> = Box::pin(entries);
        Self { name, entries: entries.peekable(), last: None }
    }

    /// The key that is next.
    async fn key(&mut self) -> anyhow::Result<Option<&str>> {
        if let Some(Err(_)) = Pin::new(&mut self.entries).peek().await {
            self.take().await?;
        }
        match Pin::new(&mut self.entries).peek().await {
            Some(Ok(entry)) => Ok(Some(&entry.key)),
            _ => Ok(None),
        }
    }

    async fn take(&mut self) -> anyhow::Result<Option<Entry>> {
        let Some(entry) = self.entries.next().await.transpose()? else { return Ok(None) };
        // Two listings can only be compared like this when both are in order.
        if self.last.as_ref().is_some_and(|last| *last >= entry.key) {
            bail!("{} does not list its keys in order: {:?} came late", self.name, entry.key);
        }
        self.last = Some(entry.key.clone());
        Ok(Some(entry))
    }
}

/// The steps, in the order of the keys. Both listings are in the order of their keys' bytes.
pub(super) fn plan<'e>(
    from: impl Stream<Item = anyhow::Result<Entry>> + Send + 'e,
    to: impl Stream<Item = anyhow::Result<Entry>> + Send + 'e,
) -> impl Stream<Item = anyhow::Result<Step>> + 'e {
    let both = (Listing::new("the source", from), Listing::new("the target", to));
    stream::try_unfold(both, |(mut from, mut to)| async move {
        let step = step(&mut from, &mut to).await?;
        Ok(step.map(|step| (step, (from, to))))
    })
}

async fn step(from: &mut Listing<'_>, to: &mut Listing<'_>) -> anyhow::Result<Option<Step>> {
    let order = match (from.key().await?, to.key().await?) {
        (None, None) => return Ok(None),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(source), Some(target)) => source.cmp(target),
    };
    let source = if order.is_le() { from.take().await? } else { None };
    let target = if order.is_ge() { to.take().await? } else { None };
    Ok(match (source, target) {
        (Some(source), Some(target)) if is_equal(&source, &target) => Some(Step::Equal),
        (Some(source), _) => Some(Step::Copy { key: source.key, size: source.size }),
        (None, Some(target)) => Some(Step::Extra(target.key)),
        (None, None) => None,
    })
}

/// Whether `to` is a copy of `from`, by what listings tell.
fn is_equal(from: &Entry, to: &Entry) -> bool {
    from.size == to.size
        && match (md5(&from.etag), md5(&to.etag)) {
            (Some(from), Some(to)) => from == to,
            _ => to.modified >= from.modified,
        }
}

/// The ETag of what was uploaded in one piece.
pub(super) fn md5(etag: &str) -> Option<[u8; 16]> {
    let mut sum = [0; 16];
    hex::decode_to_slice(etag, &mut sum).is_ok().then_some(sum)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;
    use selvedge_base::Millis;

    use super::*;

    const MD5: &str = "5d41402abc4b2a76b9719d911017c592";

    fn entry(key: &str, size: u64, etag: &str, modified: u64) -> Entry {
        Entry { key: key.to_owned(), size, etag: etag.to_owned(), modified: Millis(modified) }
    }

    async fn steps(from: &[Entry], to: &[Entry]) -> anyhow::Result<Vec<Step>> {
        let stream = |entries: &[Entry]| stream::iter(entries.to_vec()).map(Ok);
        plan(stream(from), stream(to)).try_collect().await
    }

    #[tokio::test]
    async fn every_key_of_both_sides_is_looked_at_once() {
        let key = |key: &str| entry(key, 1, MD5, 0);
        let steps = steps(&[key("b"), key("c"), key("e")], &[key("a"), key("c"), key("d")]).await.unwrap();
        let copy = |key: &str| Step::Copy { key: key.to_owned(), size: 1 };
        let extra = |key: &str| Step::Extra(key.to_owned());
        assert_eq!(steps, [extra("a"), copy("b"), Step::Equal, extra("d"), copy("e")]);
    }

    #[tokio::test]
    async fn listings_that_are_not_in_order_are_not_compared() {
        let key = |key: &str| entry(key, 1, MD5, 0);
        let error = steps(&[key("b"), key("a")], &[]).await.unwrap_err();
        assert!(error.to_string().contains("the source does not list"), "{error}");
    }

    #[test]
    fn a_copy_is_told_by_size_and_md5_and_else_by_time() {
        let other = MD5.replace('5', "6");
        assert!(is_equal(&entry("k", 1, MD5, 9), &entry("k", 1, MD5, 0)));
        assert!(!is_equal(&entry("k", 1, MD5, 0), &entry("k", 1, &other, 9)));
        assert!(!is_equal(&entry("k", 2, MD5, 0), &entry("k", 1, MD5, 9)));
        let parts = format!("{MD5}-2");
        assert!(is_equal(&entry("k", 1, &parts, 5), &entry("k", 1, MD5, 5)));
        assert!(!is_equal(&entry("k", 1, &parts, 6), &entry("k", 1, MD5, 5)));
    }
}
