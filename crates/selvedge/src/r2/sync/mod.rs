//! `selvedge r2 sync`: a bucket here and one of another S3 become the same.

mod copy;
mod here;
mod plan;

use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use futures_util::TryStreamExt as _;
use selvedge_remote::Bucket;
use serde_json::json;
use tokio::task::{JoinError, JoinSet};

use crate::tools::{self, Misuse, Outcome, Place, PlaceArguments};
use copy::{Copied, Copier};
use here::Here;
use plan::{Step, plan};

/// Keys that are deleted at once, and failures that are told.
const PAGE: usize = 1000;
const SHOWN: usize = 20;

/// Both ends name a bucket and, if only some keys are meant, how they begin: r2://photos is the bucket here,
/// s3://photos/2026/ the keys under 2026/ of one elsewhere. The prefix of FROM is replaced by that of TO.
///
/// Objects are copied that are missing, or differ in size, in their MD5, or, where one was uploaded in parts and has
/// none, by being older than their source. A run that was interrupted goes on where it was: what it copied is equal.
///
/// Credentials, endpoint and region of the other S3 come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
/// AWS_SESSION_TOKEN, AWS_ENDPOINT_URL and AWS_REGION, or from the roles of the machine.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(super) struct Sync {
    /// r2://BUCKET/PREFIX or s3://BUCKET/PREFIX
    from: End,
    /// The other of the two.
    to: End,
    /// Where the other S3 is; AWS without one.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Do not sign: the bucket is public.
    #[arg(long)]
    no_sign_request: bool,
    /// Delete what FROM does not have, when everything else was done.
    #[arg(long)]
    delete: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Objects that are on their way at a time; each has 16 MiB of memory.
    #[arg(long, value_name = "N", default_value_t = 8)]
    concurrency: usize,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

/// A bucket and a beginning of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    is_here: bool,
    bucket: String,
    prefix: String,
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (is_here, rest) = match (text.strip_prefix("r2://"), text.strip_prefix("s3://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("it begins with r2:// (here) or s3:// (elsewhere)".to_owned()),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("it names no bucket".to_owned());
        }
        Ok(Self { is_here, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

/// What was done.
#[derive(Default)]
struct Tally {
    copied: u64,
    bytes: u64,
    equal: u64,
    deleted: u64,
    /// Keys, and why.
    failed: Vec<(String, String)>,
}

impl Sync {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        if self.from.is_here == self.to.is_here {
            let text = "one end is here (r2://BUCKET), the other elsewhere (s3://BUCKET)";
            return Err(Misuse(text.to_owned()).into());
        }
        let (here, there) = if self.from.is_here { (&self.from, &self.to) } else { (&self.to, &self.from) };
        let place = Place::open(place).await?;
        let here = Here::new(&place, &here.bucket).await?;
        let there = Bucket::open(&selvedge_remote::Place {
            bucket: there.bucket.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            key: None,
            anonymous: self.no_sign_request,
        })?;
        let copier = Arc::new(Copier::new(here, there, self.concurrency));
        let mut tally = Tally::default();
        let extra = self.copy(&copier, &mut tally).await?;
        self.delete(&copier, &mut tally, &extra).await?;
        self.conclude(&tally)
    }

    /// Copies, and answers the keys that the target has and the source has not.
    async fn copy(&self, copier: &Arc<Copier>, tally: &mut Tally) -> anyhow::Result<Vec<String>> {
        let (from, to) = (&self.from, &self.to);
        let mut steps = pin!(plan(copier.entries(from), copier.entries(to)));
        let bar = tools::byte_bar("Copying");
        let mut extra = Vec::new();
        let mut running = JoinSet::new();
        while let Some(step) = steps.try_next().await? {
            match step {
                Step::Equal => tally.equal += 1,
                Step::Extra(_) if !self.delete => {}
                Step::Extra(key) => extra.push(format!("{}{key}", to.prefix)),
                Step::Copy { key, size } if self.dry_run => {
                    tally.copied += 1;
                    tally.bytes += size;
                    self.would("copy", &format!("{}{key}", to.prefix))?;
                }
                Step::Copy { key, .. } => {
                    // The listings run ahead of the copies no further than there are places for these.
                    if running.len() >= self.concurrency.max(1) {
                        tally.note(running.join_next().await);
                    }
                    let (copier, bar, is_in) = (Arc::clone(copier), bar.clone(), to.is_here);
                    let (source, target) = (format!("{}{key}", from.prefix), format!("{}{key}", to.prefix));
                    running.spawn(async move {
                        let done = copier.copy(is_in, &source, &target, &bar).await;
                        (target, done)
                    });
                }
            }
        }
        while !running.is_empty() {
            tally.note(running.join_next().await);
        }
        bar.finish_and_clear();
        Ok(extra)
    }

    /// Deletes when nothing else failed: what could not be copied may be the reason why it is still there.
    async fn delete(&self, copier: &Copier, tally: &mut Tally, extra: &[String]) -> Outcome {
        if self.dry_run {
            tally.deleted = extra.len() as u64;
            return extra.iter().try_for_each(|key| self.would("delete", key));
        }
        if tally.failed.is_empty() {
            for keys in extra.chunks(PAGE) {
                copier.delete(self.to.is_here, keys).await.context("cannot delete")?;
                tally.deleted += keys.len() as u64;
            }
        }
        Ok(())
    }

    fn would(&self, what: &str, key: &str) -> Outcome {
        if self.json { Ok(()) } else { tools::raw(format!("{what} {key}\n").as_bytes()) }
    }

    fn conclude(&self, tally: &Tally) -> Outcome {
        let failed = tally.failed.len();
        if self.json {
            let failures = tally.failed.iter().map(|(key, why)| json!({ "key": key, "error": why }));
            tools::json(&json!({
                "copied": tally.copied,
                "bytes": tally.bytes,
                "equal": tally.equal,
                "deleted": tally.deleted,
                "failed": failures.collect::<Vec<_>>(),
                "dryRun": self.dry_run,
            }))?;
        }
        for (key, why) in tally.failed.iter().take(SHOWN) {
            tools::spoken(format_args!("{key}: {why}"));
        }
        let Tally { copied, bytes, equal, deleted, .. } = tally;
        let bytes = indicatif::HumanBytes(*bytes);
        let would = if self.dry_run { "Would have: " } else { "" };
        tools::spoken(format_args!("{would}{copied} copied ({bytes}), {equal} equal, {deleted} deleted."));
        match failed {
            0 => Ok(()),
            n => bail!("{n} objects were not copied; run it again to go on"),
        }
    }
}

impl Tally {
    fn note(&mut self, done: Option<Result<(String, anyhow::Result<Copied>), JoinError>>) {
        match done {
            Some(Ok((_, Ok(Copied::Whole(bytes))))) => {
                self.copied += 1;
                self.bytes += bytes;
            }
            // Deleted since it was listed.
            None | Some(Ok((_, Ok(Copied::Gone)))) => {}
            Some(Ok((key, Err(error)))) => self.failed.push((key, format!("{error:#}"))),
            Some(Err(error)) => self.failed.push((String::new(), error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_bucket_and_a_beginning_of_keys() {
        let end = |is_here, bucket: &str, prefix: &str| {
            Ok(End { is_here, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        };
        assert_eq!("r2://a".parse(), end(true, "a", ""));
        assert_eq!("s3://a/".parse(), end(false, "a", ""));
        assert_eq!("s3://a/b//c".parse(), end(false, "a", "b//c"));
        for no in ["a/b", "r2://", "s3:///x", "http://a"] {
            assert!(no.parse::<End>().is_err(), "{no}");
        }
    }
}
