//! Files against their rows.

use std::io;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use rusqlite::{Connection, OptionalExtension as _};
use selvedge_blob::{BlobId, Damage, Verdict};
use tokio::task::spawn_blocking;

use super::rows::{owner, size};
use super::{FsckOptions, FsckReport, ProblemKind};
use crate::ssec::sealed_size;
use crate::{Bucket, Error, Result};

/// Rows looked at in one go.
const PAGE: i64 = 64;
/// Bytes read at once when a file is written anew.
const BLOCK: usize = 1 << 20;

#[derive(Clone, Debug)]
struct File {
    content: i64,
    number: u32,
    size: u64,
    md5: String,
    blob: BlobId,
    sum: Option<u32>,
    encrypted: bool,
}

/// What is wrong with a file.
struct Wrong {
    kind: ProblemKind,
    what: String,
}

impl Bucket {
    pub(super) async fn check_files(
        &self,
        options: FsckOptions,
        report: &mut FsckReport,
        mut progress: impl FnMut(&FsckReport) + Send,
    ) -> Result<()> {
        let mut last = (-1_i64, 0_u32);
        loop {
            let files = self.inner.database.read_long(move |c| page(c, last)).await??;
            let Some(end) = files.last() else { return Ok(()) };
            last = (end.content, end.number);
            for file in files {
                report.files += 1;
                report.bytes += file.size;
                if let Some(wrong) = self.check_file(&file).await? {
                    self.tell(options, report, &file, wrong).await?;
                }
                progress(report);
            }
        }
    }

    async fn check_file(&self, file: &File) -> Result<Option<Wrong>> {
        let (blobs, file) = (self.inner.blobs.clone(), file.clone());
        let checked = spawn_blocking(move || check(&blobs, &file));
        match checked.await.map_err(|_| Error::Stopping)? {
            Ok(wrong) => Ok(wrong),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Some(Wrong { kind: ProblemKind::Missing, what: "there is no such file".to_owned() }))
            }
            // A disk that cannot read it back has lost it as much as one that gives back something else.
            Err(error) => Ok(Some(Wrong { kind: ProblemKind::Damaged, what: error.to_string() })),
        }
    }

    async fn tell(
        &self,
        options: FsckOptions,
        report: &mut FsckReport,
        file: &File,
        wrong: Wrong,
    ) -> Result<()> {
        let (content, blob) = (file.content, file.blob.clone());
        let found = self.inner.database.read_long(move |c| {
            let sql = "SELECT 1 FROM parts WHERE content = ?1 AND blob = ?2";
            let still = c.prepare_cached(sql)?.exists((content, blob.as_str()))?;
            Ok::<_, Error>((still, owner(c, content)?))
        });
        let (still, key) = found.await??;
        if !still {
            // Replaced meanwhile, and its file removed.
            return Ok(());
        }
        let mendable = matches!(wrong.kind, ProblemKind::Seal | ProblemKind::Unsealed);
        report.add(wrong.kind, key, Some(file.blob.to_string()), wrong.what);
        if options.repair && mendable {
            let repaired = self.write_anew(file).await?;
            if let Some(problem) = report.problems.last_mut() {
                problem.repaired = repaired;
            }
        }
        Ok(())
    }

    /// Writes a file whose bytes are right once more, with checksums, and puts it in the place of the old one.
    async fn write_anew(&self, file: &File) -> Result<bool> {
        let mut writer = self.inner.blobs.create_sealed(Some(file.size), None).await?;
        let guard = self.inner.unsettled.guard(writer.id());
        let mut hash = Md5::new();
        let mut offset = 0;
        while offset < file.size {
            let (blobs, blob) = (self.inner.blobs.clone(), file.blob.clone());
            let wanted = (file.size - offset).min(BLOCK as u64);
            let block = spawn_blocking(move || {
                use std::os::unix::fs::FileExt as _;
                let mut block = vec![0; usize::try_from(wanted).map_err(io::Error::other)?];
                blobs.open_file(&blob)?.read_exact_at(&mut block, offset)?;
                Ok::<_, io::Error>(Bytes::from(block))
            });
            let block = block.await.map_err(|_| Error::Stopping)??;
            hash.update(&block);
            offset += block.len() as u64;
            writer.push(block).await?;
        }
        if hex::encode(hash.finalize()) != file.md5 {
            return Ok(false);
        }
        let new = writer.finish_sealed().await?;
        let (content, number, old) = (file.content, file.number, file.blob.clone());
        let id = new.id.clone();
        let placed = self
            .write(move |c| {
                let changed = c
                    .prepare_cached(
                        "UPDATE parts SET blob = ?4, sum = ?5 WHERE content = ?1 AND number = ?2 AND blob = ?3",
                    )?
                    .execute((content, number, old.as_str(), id.as_str(), new.sum))?;
                if changed > 0 {
                    c.prepare_cached("INSERT INTO garbage (blob, content) VALUES (?1, ?2)")?
                        .execute((old.as_str(), content))?;
                }
                Ok((changed > 0, changed > 0))
            })
            .await?;
        if !placed {
            self.inner.blobs.delete(&new.id).await?;
        }
        drop(guard);
        Ok(placed)
    }

    /// Files that no row names.
    pub(super) async fn check_orphans(&self, options: FsckOptions, report: &mut FsckReport) -> Result<()> {
        let blobs = self.inner.blobs.clone();
        let listed = spawn_blocking(move || {
            let mut files = Vec::new();
            blobs.each(|file| {
                files.push(file);
                Ok(())
            })?;
            Ok::<_, io::Error>(files)
        });
        let listed = listed.await.map_err(|_| Error::Stopping)??;
        for files in listed.chunks(1000) {
            // In this order: what has left the unsettled ones has its row by now, or never will.
            let settled: Vec<_> =
                files.iter().filter(|file| !self.inner.unsettled.has(&file.id)).cloned().collect();
            let orphans = self.inner.database.read_long(move |c| {
                let mut orphans = Vec::new();
                for file in settled {
                    if !is_named(c, &file.id)? {
                        orphans.push(file);
                    }
                }
                Ok::<_, Error>(orphans)
            });
            for orphan in orphans.await?? {
                let what = format!("no object has this file of {} bytes", orphan.size);
                report.add(ProblemKind::Orphan, None, Some(orphan.id.to_string()), what);
                if options.repair {
                    self.inner.blobs.delete(&orphan.id).await?;
                    if let Some(problem) = report.problems.last_mut() {
                        problem.repaired = true;
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_named(c: &Connection, id: &BlobId) -> Result<bool> {
    let sql = "SELECT 1 FROM parts WHERE blob = ?1 UNION ALL SELECT 1 FROM garbage WHERE blob = ?1";
    Ok(c.prepare_cached(sql)?.query_row([id.as_str()], |_| Ok(())).optional()?.is_some())
}

fn page(c: &Connection, after: (i64, u32)) -> Result<Vec<File>> {
    let mut statement = c.prepare_cached(
        "SELECT content, number, size, md5, blob, sum, salt IS NOT NULL FROM parts
         WHERE (content, number) > (?1, ?2) ORDER BY content, number LIMIT ?3",
    )?;
    let mut rows = statement.query((after.0, after.1, PAGE))?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        let blob = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
        files.push(File {
            blob: BlobId::parse(blob).ok_or(Error::Corrupt("the name of a file"))?,
            content: row.get(0)?,
            number: row.get(1)?,
            size: size(row, 2)?,
            md5: row.get(3)?,
            sum: row.get(5)?,
            encrypted: row.get(6)?,
        });
    }
    Ok(files)
}

fn check(blobs: &selvedge_blob::Store, file: &File) -> io::Result<Option<Wrong>> {
    let Some(sum) = file.sum else {
        let what = if md5(blobs, file)? == file.md5 {
            Wrong { kind: ProblemKind::Unsealed, what: "the file has no checksums".to_owned() }
        } else {
            Wrong { kind: ProblemKind::Damaged, what: "the bytes have another MD5".to_owned() }
        };
        return Ok(Some(what));
    };
    let length = if file.encrypted { sealed_size(file.size) } else { file.size };
    let opened = blobs.open_sealed(&file.blob, length);
    let what = match opened.and_then(|mut open| open.verify(sum, |_| ())) {
        Ok(Verdict::Whole) => return Ok(None),
        Ok(Verdict::Damaged(what)) => what.join("; "),
        Err(error) if Damage::of(&error).is_some() => error.to_string(),
        Err(error) => return Err(error),
    };
    // Of encrypted bytes there is no other account than the checksums.
    let right = !file.encrypted && md5(blobs, file).is_ok_and(|md5| md5 == file.md5);
    let kind = if right { ProblemKind::Seal } else { ProblemKind::Damaged };
    Ok(Some(Wrong { kind, what }))
}

/// Of as many bytes of the file as the row says.
fn md5(blobs: &selvedge_blob::Store, file: &File) -> io::Result<String> {
    use std::io::Read as _;
    let mut reader = blobs.open_file(&file.blob)?.take(file.size);
    let mut hash = Md5::new();
    let mut block = vec![0; BLOCK];
    let mut read = 0;
    loop {
        match reader.read(&mut block)? {
            0 => break,
            n => {
                hash.update(&block[..n]);
                read += n as u64;
            }
        }
    }
    if read < file.size {
        return Ok(String::new());
    }
    Ok(hex::encode(hash.finalize()))
}
