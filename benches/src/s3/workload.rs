//! What is asked of the contestants.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use hdrhistogram::Histogram;
use md5::{Digest as _, Md5};
use tokio::task::JoinSet;

use super::Arguments;
use super::client::{Client, Endpoint, element};
use super::peer::{Peer, Running};
use super::request::{Body, Request};
use crate::load::Outcome;

const KB: u64 = 1024;
const MB: u64 = 1024 * KB;
/// Parts of a multipart upload, and how many are on their way at a time.
const PARTS: u64 = 16;
const AT_ONCE: u64 = 4;
/// Objects of a listed directory.
const FAN: u64 = 1000;

/// Workloads on the same data.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    data: Data,
    pub(crate) workloads: Vec<Workload>,
}

#[derive(Clone, Copy)]
enum Data {
    None,
    /// So many objects of a size, `size/n`.
    Objects(u64, u64),
    /// So many, in directories of [`FAN`].
    Listed(u64),
}

#[derive(Clone)]
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) connections: Vec<usize>,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// New objects of a size, over and over the same `keys` keys for each connection.
    Put {
        size: u64,
        keys: u64,
    },
    /// Whole objects, of so many of a size.
    Get {
        size: u64,
        objects: u64,
    },
    /// 64 KiB from anywhere in the one object of a size.
    Range {
        size: u64,
    },
    Multipart {
        size: u64,
    },
    List {
        delimiter: bool,
        directories: u64,
    },
    /// As many as there are, by the thousand.
    Delete {
        objects: u64,
    },
}

pub(crate) fn groups(arguments: &Arguments) -> Vec<Group> {
    let large = arguments.large * MB;
    let workload = |name: String, connections: &[usize], kind| Workload {
        name,
        connections: connections.to_vec(),
        kind,
    };
    let size = |name, label: &str, size, keys, objects, connections: &[usize]| Group {
        name,
        data: Data::Objects(size, objects),
        workloads: vec![
            workload(format!("put {label}"), connections, Kind::Put { size, keys }),
            workload(format!("get {label}"), connections, Kind::Get { size, objects }),
        ],
    };
    let mut of_large = size("large", &format!("{} MiB", arguments.large), large, 1, 1, &[1]);
    of_large.workloads.extend([
        workload("get 64 KiB of it".into(), &[1, 16, 64], Kind::Range { size: large }),
        workload(
            format!("multipart {} MiB, {PARTS} parts, {AT_ONCE} at once", arguments.large),
            &[1],
            Kind::Multipart { size: large },
        ),
    ]);
    let directories = arguments.listed.div_ceil(FAN);
    let list = |name: &str, delimiter| {
        workload(
            format!("list {name} of {}", arguments.listed),
            &[1, 16],
            Kind::List { delimiter, directories },
        )
    };
    vec![
        size("1 KB", "1 KB", KB, u64::MAX, 1000, &[1, 16, 64]),
        size("100 KB", "100 KB", 100 * KB, 1000, 200, &[1, 16, 64]),
        size("10 MiB", "10 MiB", 10 * MB, 4, 8, &[1, 16]),
        of_large,
        Group {
            name: "list",
            data: Data::Listed(arguments.listed),
            workloads: vec![list("1,000", false), list("1,000 prefixes", true)],
        },
        Group {
            name: "delete",
            data: Data::None,
            workloads: vec![workload(
                format!("delete {} by the thousand", arguments.deleted),
                &[4],
                Kind::Delete { objects: arguments.deleted },
            )],
        },
    ]
}

fn put(path: String, size: u64) -> Request {
    Request::new("PUT", path).body(Body::Noise(size))
}

fn listed(n: u64) -> String {
    format!("/bench/d{:04}/object{n:08}", n / FAN)
}

fn doomed(round: u64, n: u64) -> String {
    format!("doomed/{round}/{n:08}")
}

impl Group {
    /// Puts what is read.
    pub(crate) async fn prepare(&self, running: &Running) -> Result<()> {
        match (running.peer, self.data) {
            (Peer::Dd, _) => fs::create_dir_all(running.files())?,
            (_, Data::None) => {}
            (Peer::Nginx, Data::Objects(size, objects)) => {
                let directory = running.files().join(size.to_string());
                fs::create_dir_all(&directory)?;
                for n in 0..objects {
                    let mut file = File::create(directory.join(n.to_string()))?;
                    for _ in 0..size / KB {
                        file.write_all(&[7; 1024])?;
                    }
                    file.sync_all()?;
                }
            }
            (_, Data::Objects(size, objects)) => {
                fill(&running.endpoint, objects, 4, move |n| put(format!("/bench/{size}/{n}"), size)).await?;
            }
            (_, Data::Listed(objects)) => {
                fill(&running.endpoint, objects, 128, |n| put(listed(n), 1)).await?;
            }
        }
        Ok(())
    }
}

/// Sends `count` requests on `connections` connections; all must succeed.
async fn fill(
    endpoint: &Endpoint,
    count: u64,
    connections: u64,
    request: impl Fn(u64) -> Request + Copy + Send + 'static,
) -> Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::<Result<()>>::new();
    for _ in 0..connections {
        let (endpoint, next) = (endpoint.clone(), Arc::clone(&next));
        clients.spawn(async move {
            let mut client = Client::new(&endpoint);
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return Ok(());
                }
                client.fetch(&request(n)).await?;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.context("a client panicked")??;
    }
    Ok(())
}

impl Workload {
    pub(crate) fn suits(&self, peer: Peer) -> bool {
        match peer {
            Peer::Selvedge | Peer::Seaweed => true,
            Peer::Nginx => matches!(self.kind, Kind::Get { size, .. } if size >= MB),
            Peer::Dd => matches!(self.kind, Kind::Put { size, .. } if size >= 100 * MB),
        }
    }

    /// What a round needs to be there, and what its time does not count.
    pub(crate) async fn before_round(&self, running: &Running, round: u64) -> Result<()> {
        if let Kind::Delete { objects } = self.kind {
            let request = move |n| put(format!("/bench/{}", doomed(round, n)), 1);
            fill(&running.endpoint, objects, 128, request).await?;
        }
        Ok(())
    }

    pub(crate) async fn run(
        &self,
        running: &Running,
        connections: usize,
        time: Duration,
        round: u64,
    ) -> Result<Outcome> {
        let start = Instant::now();
        if let (Peer::Dd, Kind::Put { size, .. }) = (running.peer, self.kind) {
            return dd(running, size, time);
        }
        let next = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for client in 0..connections as u64 {
            let (endpoint, kind, next) = (running.endpoint.clone(), self.kind, Arc::clone(&next));
            clients.spawn(async move {
                let (mut latency, mut errors) = (Histogram::<u64>::new(3)?, 0_u64);
                let mut connection = Client::new(&endpoint);
                let over = |n| match kind {
                    Kind::Delete { objects } => n * 1000 >= objects,
                    _ => start.elapsed() >= time,
                };
                for mine in 0.. {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if over(n) {
                        break;
                    }
                    let begun = Instant::now();
                    let good = match kind {
                        Kind::Multipart { size } => multipart(&endpoint, client, size).await?,
                        _ => connection.ask(&kind.request(client, mine, n, round)?).await?,
                    };
                    latency.record(u64::try_from(begun.elapsed().as_micros())?.max(1))?;
                    errors += u64::from(!good);
                }
                Ok::<_, anyhow::Error>((latency, errors))
            });
        }
        let (mut latency, mut errors) = (Histogram::new(3)?, 0);
        while let Some(client) = clients.join_next().await {
            let (seen, failed) = client.context("a client panicked")??;
            latency.add(seen)?;
            errors += failed;
        }
        Ok(Outcome { latency, errors, elapsed: start.elapsed() })
    }
}

impl Kind {
    /// A client's `mine`-th request, the `n`-th of all.
    fn request(self, client: u64, mine: u64, n: u64, round: u64) -> Result<Request> {
        let drawn = crate::workload::spread(n);
        Ok(match self {
            Self::Put { size, keys } => {
                put(format!("/bench/put-{size}/{round}-{client}/{}", mine % keys), size)
            }
            Self::Get { size, objects } => Request::new("GET", format!("/bench/{size}/{}", drawn % objects)),
            Self::Range { size } => {
                let from = drawn % (size - 64 * KB);
                let range = format!("bytes={from}-{}", from + 64 * KB - 1);
                Request::new("GET", format!("/bench/{size}/0")).header("range", range)
            }
            Self::List { delimiter: false, directories } => {
                let after = format!("d{:04}%2F", drawn % directories);
                Request::new("GET", "/bench").query(format!("list-type=2&max-keys=1000&start-after={after}"))
            }
            Self::List { delimiter: true, .. } => {
                Request::new("GET", "/bench").query("delimiter=%2F&list-type=2&max-keys=1000")
            }
            Self::Delete { .. } => {
                let mut body = String::from("<Delete><Quiet>true</Quiet>");
                for object in n * 1000..(n + 1) * 1000 {
                    write!(body, "<Object><Key>{}</Key></Object>", doomed(round, object))?;
                }
                body.push_str("</Delete>");
                let md5 = base64::engine::general_purpose::STANDARD.encode(Md5::digest(&body));
                Request::new("POST", "/bench")
                    .query("delete=")
                    .header("content-md5", md5)
                    .body(Body::Bytes(body.into_bytes()))
            }
            Self::Multipart { .. } => anyhow::bail!("several requests"),
        })
    }
}

/// A whole upload: its parts on connections of their own, some at a time.
async fn multipart(endpoint: &Endpoint, client: u64, size: u64) -> Result<bool> {
    let path = format!("/bench/multipart/{client}");
    let mut connection = Client::new(endpoint);
    let (_, created) = connection.fetch(&Request::new("POST", &path).query("uploads=")).await?;
    let upload = element(&created, "UploadId")?;
    let mut senders = JoinSet::new();
    for sender in 0..AT_ONCE {
        let (endpoint, path, upload) = (endpoint.clone(), path.clone(), upload.to_owned());
        senders.spawn(async move {
            let mut connection = Client::new(&endpoint);
            let mut etags = Vec::new();
            for number in (1 + sender..=PARTS).step_by(usize::try_from(AT_ONCE)?) {
                let part =
                    put(path.clone(), size / PARTS).query(format!("partNumber={number}&uploadId={upload}"));
                let (head, _) = connection.fetch(&part).await?;
                etags.push((number, head.etag.context("a part without an etag")?));
            }
            Ok::<_, anyhow::Error>(etags)
        });
    }
    let mut etags = Vec::new();
    while let Some(sender) = senders.join_next().await {
        etags.extend(sender.context("a sender panicked")??);
    }
    etags.sort_unstable();
    let mut body = String::from("<CompleteMultipartUpload>");
    for (number, etag) in etags {
        write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")?;
    }
    body.push_str("</CompleteMultipartUpload>");
    let complete = Request::new("POST", path).query(format!("uploadId={upload}"));
    connection.ask(&complete.body(Body::Bytes(body.into_bytes()))).await
}

fn dd(running: &Running, size: u64, time: Duration) -> Result<Outcome> {
    let (start, mut latency) = (Instant::now(), Histogram::new(3)?);
    while latency.is_empty() || start.elapsed() < time {
        let begun = Instant::now();
        let status = Command::new("dd")
            .args(["if=/dev/zero", "bs=1M", "conv=fsync", &format!("count={}", size / MB)])
            .arg(format!("of={}", running.files().join("written").display()))
            .stderr(Stdio::null())
            .status()?;
        ensure!(status.success(), "dd failed");
        latency.record(u64::try_from(begun.elapsed().as_micros())?)?;
    }
    Ok(Outcome { latency, errors: 0, elapsed: start.elapsed() })
}
