//! Writing a segment, record by record.

use std::fs::File;
use std::path::{Path, PathBuf};

use selvedge_base::crash_point;

use super::error::{HistoryError, Result};
use super::format::{
    DirectoryEntry, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, Summary, hash,
};
use super::output::Output;

#[derive(Debug)]
pub(crate) struct Builder {
    path: PathBuf,
    output: Output,
    page_size: usize,
    /// What is in the file.
    written: Summary,
    /// That and what is still in the buffer.
    summary: Summary,
    directory: Vec<u8>,
    packed: Vec<u8>,
}

impl Builder {
    /// Starts a segment in a new file, or over whatever is at `path`.
    pub(crate) fn create(path: &Path, header: &SegmentHeader) -> Result<Self> {
        let file = File::options().write(true).create(true).truncate(true).open(path);
        let file = file.map_err(HistoryError::at(path))?;
        let summary = Summary { end: SEGMENT_HEADER as u64, ..Summary::default() };
        let mut output = Output::new(file, 0).map_err(HistoryError::at(path))?;
        output.push(&header.encode()).map_err(HistoryError::at(path))?;
        Ok(Self::over(path, output, header, summary))
    }

    /// Goes on behind the records that `summary` sums up.
    pub(crate) fn resume(path: &Path, header: &SegmentHeader, summary: Summary) -> Result<Self> {
        let file = File::options().write(true).open(path).map_err(HistoryError::at(path))?;
        let output = Output::new(file, summary.end).map_err(HistoryError::at(path))?;
        Ok(Self::over(path, output, header, summary))
    }

    fn over(path: &Path, output: Output, header: &SegmentHeader, summary: Summary) -> Self {
        Self {
            path: path.to_owned(),
            output,
            page_size: header.page_size as usize,
            written: summary,
            summary,
            directory: Vec::new(),
            packed: Vec::new(),
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        self.summary
    }

    /// Begins a record. Its pages come next, then [`finish`](Self::finish).
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.directory.clear();
        self.push(&[0; RECORD_HEADER])
    }

    pub(crate) fn page(&mut self, page: u32, bytes: &[u8]) -> Result<()> {
        self.packed.resize(lz4_flex::block::get_maximum_output_size(self.page_size), 0);
        let hash = hash(bytes);
        match lz4_flex::block::compress_into(bytes, &mut self.packed) {
            Ok(length) if length < self.page_size => {
                let packed = std::mem::take(&mut self.packed);
                let pushed = self.stored(page, hash, &packed[..length]);
                self.packed = packed;
                pushed
            }
            _ => self.stored(page, hash, bytes),
        }
    }

    /// Adds a page as it is stored in another segment.
    pub(crate) fn stored(&mut self, page: u32, hash: u64, bytes: &[u8]) -> Result<()> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.directory.extend_from_slice(&DirectoryEntry { page, length, hash }.encode());
        self.push(bytes)
    }

    /// Ends the record. Of `record`, what only the writing knows is filled in.
    pub(crate) fn finish(&mut self, record: RecordHeader) -> Result<RecordHeader> {
        let start = self.summary.end;
        let directory = std::mem::take(&mut self.directory);
        let at = self.output.length() - start;
        self.push(&directory)?;
        let record = RecordHeader {
            count: u32::try_from(directory.len() / super::format::DIRECTORY_ENTRY).unwrap_or(u32::MAX),
            directory: at,
            length: self.output.length() - start,
            directory_hash: hash(&directory),
            ..record
        };
        self.directory = directory;
        if cfg!(debug_assertions) {
            // So that there is something to see for who stops here.
            self.output.flush().map_err(HistoryError::at(&self.path))?;
            crash_point("history-log-pages", &self.path);
        }
        self.output.replace(start, &record.encode()).map_err(HistoryError::at(&self.path))?;
        self.summary = self.summary.with(&record);
        Ok(record)
    }

    /// Writes what was gathered. Readers can see it afterwards.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.output.flush().map_err(HistoryError::at(&self.path))?;
        self.written = self.summary;
        crash_point("history-log-written", &self.path);
        Ok(())
    }

    /// Forgets what was gathered since the last flush.
    pub(crate) fn abandon(&mut self) -> Result<()> {
        self.summary = self.written;
        self.output.truncate(self.written.end).map_err(HistoryError::at(&self.path))
    }

    pub(crate) fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.output.sync().map_err(HistoryError::at(&self.path))
    }

    /// Ends the segment.
    pub(crate) fn seal(mut self) -> Result<Summary> {
        self.push(&self.summary.encode())?;
        self.output.sync().map_err(HistoryError::at(&self.path))?;
        crash_point("history-segment-sealed", &self.path);
        Ok(self.summary)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.push(bytes).map_err(HistoryError::at(&self.path))
    }
}
