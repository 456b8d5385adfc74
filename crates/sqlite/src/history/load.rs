//! Finding a log on disk, with all of it that can be used. What is damaged goes aside and is told of; a log is given
//! up as a whole only when not one of its files can be read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::aside;
use super::builder::Builder;
use super::error::{HistoryError, Result};
use super::format::{Kind, SEGMENT_HEADER, SegmentHeader, Summary};
use super::log::{Head, Log, Part, Picture};
use super::report::{Problem, ProblemKind};
use super::salvage::{has_more, mend_header, salvage};
use super::segment::{Reader, Segment};

/// A log that was found on disk.
pub(crate) struct Loaded {
    pub(crate) log: Log,
    /// The segment that was being written, to go on with.
    pub(crate) growing: Option<Builder>,
    /// What was behind the last whole record, and of which file: most often what a crash left of one.
    pub(crate) cut: Option<(String, Vec<u8>)>,
    /// What was done about damage.
    pub(crate) problems: Vec<Problem>,
}

struct Loading<'a> {
    directory: &'a Path,
    picture: Picture,
    growing: Option<(PathBuf, SegmentHeader, Summary)>,
    cut: Option<(String, Vec<u8>)>,
    problems: Vec<Problem>,
}

/// Reads what is in `directory`; `None` when there is no log.
pub(crate) fn load(directory: &Path) -> Result<Option<Loaded>> {
    let mut readable = Vec::new();
    let mut damaged = Vec::new();
    for path in files(directory)? {
        match Reader::open(&path) {
            Ok(reader) => readable.push((path, reader.header)),
            // Nothing of it was ever in use: a segment's header is synced before its first record.
            Err(HistoryError::Damaged { .. }) if is_blank(&path) => {
                std::fs::remove_file(&path).map_err(HistoryError::at(&path))?;
            }
            Err(HistoryError::Damaged { path, what }) => damaged.push((path, what)),
            Err(error) => return Err(error),
        }
    }
    let Some(&(_, model)) = readable.first() else {
        return damaged
            .into_iter()
            .next()
            .map_or(Ok(None), |(path, what)| Err(HistoryError::damaged(&path, what)));
    };
    let mut loading =
        Loading { directory, picture: Picture::default(), growing: None, cut: None, problems: Vec::new() };
    for (path, what) in damaged {
        readable.extend(loading.mend(&path, &model, &what)?.map(|header| (path, header)));
    }
    readable.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, header) in readable {
        if header.log != model.log || header.page_size != model.page_size {
            return Err(HistoryError::damaged(&path, "it belongs to another log"));
        }
        loading.take(path, header)?;
    }
    loading.picture.drop_covered();
    let Some(head) = loading.head()? else {
        return Err(HistoryError::damaged(directory, "nothing in it can be read"));
    };
    let Loading { picture, growing, cut, problems, .. } = loading;
    let newest = picture.parts.last().map(|part| part.segment.path.clone());
    let growing = growing.filter(|(path, ..)| newest.as_ref() == Some(path));
    let growing =
        growing.map(|(path, header, summary)| Builder::resume(&path, &header, summary)).transpose()?;
    for Problem { file, what, .. } in &problems {
        tracing::error!(path = %file.display(), what, "a history was damaged");
    }
    Ok(Some(Loaded { log: Log::over(directory, &model, picture, head), growing, cut, problems }))
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let files = match std::fs::read_dir(directory) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(HistoryError::at(directory)(error)),
    };
    for file in files {
        let path = file.map_err(HistoryError::at(directory))?.path();
        match path.extension().and_then(|e| e.to_str()) {
            Some("tmp") => std::fs::remove_file(&path).map_err(HistoryError::at(&path))?,
            Some(extension) if Kind::of_extension(extension).is_some() => found.push(path),
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

impl Loading<'_> {
    /// What a header should be is in the file's name and in the headers of the others.
    fn mend(&mut self, path: &Path, model: &SegmentHeader, what: &str) -> Result<Option<SegmentHeader>> {
        let kind = path.extension().and_then(|e| e.to_str()).and_then(Kind::of_extension);
        let first = path.file_stem().and_then(|s| s.to_str()).and_then(|s| u64::from_str_radix(s, 16).ok());
        if let (Some(kind), Some(first)) = (kind, first) {
            let header = SegmentHeader { kind, first, ..*model };
            if mend_header(self.directory, path, &header)? {
                self.problems.push(Problem::new(ProblemKind::Segment, path, what).repaired());
                return Ok(Some(header));
            }
        }
        aside::take(self.directory, path)?;
        let what = format!("{what}: it was put aside");
        self.problems.push(Problem::new(ProblemKind::Segment, path, what).repaired());
        Ok(None)
    }

    fn take(&mut self, path: PathBuf, header: SegmentHeader) -> Result<()> {
        let mut reader = Reader::open(&path)?;
        let summary = if let Some(summary) = reader.summary()? {
            summary
        } else {
            let (summary, _) = reader.recover()?;
            if header.kind == Kind::Snapshot && summary.records == 0 {
                aside::take(self.directory, &path)?;
                let what = "the snapshot is not whole: it was put aside";
                self.problems.push(Problem::new(ProblemKind::Segment, path, what).repaired());
                return Ok(());
            }
            if has_more(&path, &reader, summary.end)? {
                return self.salvage(&path, &header, "a record in the middle is damaged");
            }
            self.keep_end(&path, summary.end)?;
            self.growing = Some((path.clone(), header, summary));
            summary
        };
        let segment = Arc::new(Segment::new(path, header.kind, header.first));
        self.picture.add(Part { segment, summary });
        Ok(())
    }

    /// Remembers what is behind the last whole record, which is about to be cut off.
    fn keep_end(&mut self, path: &Path, end: u64) -> Result<()> {
        let length = std::fs::metadata(path).map_err(HistoryError::at(path))?.len();
        if length > end {
            tracing::info!(path = %path.display(), dropped = length - end, "the end of a log was not whole");
            let bytes = std::fs::read(path).map_err(HistoryError::at(path))?;
            let end = usize::try_from(end).unwrap_or(usize::MAX);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            self.cut = Some((format!("{name}.end"), bytes.get(end..).unwrap_or_default().to_vec()));
        }
        Ok(())
    }

    fn salvage(&mut self, path: &Path, header: &SegmentHeader, what: &str) -> Result<()> {
        let salvaged = salvage(self.directory, path, header, &mut |_, _| None)?;
        self.problems.push(Problem::new(ProblemKind::Segment, path, what).repaired());
        for part in salvaged.parts {
            self.picture.add(part);
        }
        self.picture.drop_covered();
        Ok(())
    }

    /// The newest record that can be read.
    fn head(&mut self) -> Result<Option<Head>> {
        loop {
            let Some(newest) = self.picture.newest().cloned() else { return Ok(None) };
            let path = newest.segment.path.clone();
            let entries = Reader::open(&path).and_then(|reader| {
                let entries = reader.entries(newest.summary.end)?;
                entries.last().map(|entry| reader.directory(entry)).transpose()?;
                Ok((reader.header, entries))
            });
            match entries {
                Ok((_, entries)) if !entries.is_empty() => {
                    return Ok(entries.last().map(|entry| Head::of(&entry.record)));
                }
                Ok(_) | Err(HistoryError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
            let header = Reader::open(&path)?.header;
            self.picture.remove(&newest);
            self.salvage(&path, &header, "the newest records are not all readable")?;
        }
    }
}

/// True for a file whose contents a power cut kept from the disk.
fn is_blank(path: &Path) -> bool {
    let length = std::fs::metadata(path).map_or(u64::MAX, |metadata| metadata.len());
    length < SEGMENT_HEADER as u64 || std::fs::read(path).is_ok_and(|bytes| bytes.iter().all(|&b| b == 0))
}
