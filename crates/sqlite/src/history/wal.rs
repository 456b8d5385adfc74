//! Reading SQLite's own write-ahead log: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.
//!
//! No lock is needed for the file: what lies before a commit that was reported does not change until a checkpoint
//! has copied all of it and a writer starts over, and neither happens before the log here has it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::format::Resume;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Frames read at once.
const CHUNK: usize = 64;

pub(crate) struct Wal {
    file: File,
    header: Header,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    big_endian: bool,
    page_size: u32,
    salt: [u32; 2],
    sum: [u32; 2],
}

/// The pages of one commit.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) end: Resume,
    /// Pages of the database after it.
    pub(crate) pages: u32,
    /// The frame that has the last version of each page.
    pub(crate) frames: BTreeMap<u32, u32>,
}

pub(crate) fn path_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

impl Wal {
    /// `None` when there is none, or nothing valid in it.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(read_header(&file)?.map(|header| Self { file, header, buffer: Vec::new() }))
    }

    /// Looks at the header again, as a writer may have started the file over.
    pub(crate) fn refresh(&mut self) -> io::Result<()> {
        self.header = read_header(&self.file)?.ok_or_else(|| damaged("it has no header"))?;
        Ok(())
    }

    /// `after` when it is in the file as it is now, otherwise its start.
    pub(crate) fn go_on(&self, after: Resume) -> Resume {
        if after.salt == self.header.salt {
            after
        } else {
            Resume { salt: self.header.salt, frame: 0, sum: self.header.sum }
        }
    }

    /// Whether `place` is in the file as it is now.
    pub(crate) fn has(&self, place: Resume) -> io::Result<bool> {
        if place.salt != self.header.salt || place.frame == 0 {
            return Ok(place.salt == self.header.salt);
        }
        let mut bytes = [0; FRAME_HEADER];
        let read = read_up_to(&self.file, &mut bytes, self.offset(place.frame - 1))?;
        let word = |n: usize| u32::from_be_bytes([bytes[n], bytes[n + 1], bytes[n + 2], bytes[n + 3]]);
        Ok(read == FRAME_HEADER && [word(8), word(12)] == place.salt && [word(16), word(20)] == place.sum)
    }

    /// The end of the last whole commit.
    pub(crate) fn end(&mut self) -> io::Result<Resume> {
        let start = self.go_on(Resume::default());
        Ok(self.transactions(start, None)?.last().map_or(start, |transaction| transaction.end))
    }

    /// When the file was last written, in milliseconds since 1970.
    pub(crate) fn modified(&self) -> io::Result<u64> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = self.file.metadata()?;
        Ok(u64::try_from(metadata.mtime() * 1000 + metadata.mtime_nsec() / 1_000_000).unwrap_or(0))
    }

    /// The commits behind `after`, up to frame `until`, or up to the last that is whole.
    pub(crate) fn transactions(&mut self, after: Resume, until: Option<u32>) -> io::Result<Vec<Transaction>> {
        let size = usize::try_from(self.header.page_size).unwrap_or(0) + FRAME_HEADER;
        let mut all = Vec::new();
        let mut frames = BTreeMap::new();
        let Resume { mut frame, mut sum, .. } = after;
        let until = until.unwrap_or(u32::MAX);
        'file: while frame < until {
            let wanted = (CHUNK).min((until - frame) as usize);
            self.buffer.resize(wanted * size, 0);
            let offset = self.offset(frame);
            let read = read_up_to(&self.file, &mut self.buffer, offset)?;
            for bytes in self.buffer[..read].chunks_exact(size) {
                let word =
                    |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
                let (page, pages) = (word(0), word(4));
                let next = checksum(self.header.big_endian, &bytes[..8], sum);
                let next = checksum(self.header.big_endian, &bytes[FRAME_HEADER..], next);
                if [word(8), word(12)] != self.header.salt || [word(16), word(20)] != next || page == 0 {
                    break 'file;
                }
                frame += 1;
                sum = next;
                frames.insert(page, frame);
                if pages > 0 {
                    let end = Resume { salt: self.header.salt, frame, sum };
                    all.push(Transaction { end, pages, frames: std::mem::take(&mut frames) });
                }
            }
            if read < wanted * size {
                break;
            }
        }
        Ok(all)
    }

    /// Reads the page that `frame` (from 1) has.
    pub(crate) fn page(&self, frame: u32, page: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(page, self.offset(frame - 1) + FRAME_HEADER as u64)
    }

    /// Where the frame behind `frame` frames begins.
    fn offset(&self, frame: u32) -> u64 {
        HEADER as u64 + u64::from(frame) * (u64::from(self.header.page_size) + FRAME_HEADER as u64)
    }
}

fn read_header(file: &File) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER];
    if read_up_to(file, &mut bytes, 0)? < HEADER {
        return Ok(None);
    }
    let word =
        |n: usize| u32::from_be_bytes([bytes[n * 4], bytes[n * 4 + 1], bytes[n * 4 + 2], bytes[n * 4 + 3]]);
    let big_endian = match word(0) {
        0x377f_0682 => false,
        0x377f_0683 => true,
        _ => return Ok(None),
    };
    let sum = checksum(big_endian, &bytes[..24], [0, 0]);
    let page_size = word(2);
    if sum != [word(6), word(7)] || !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
        return Ok(None);
    }
    Ok(Some(Header { big_endian, page_size, salt: [word(4), word(5)], sum }))
}

/// SQLite's own, over pairs of words.
fn checksum(big_endian: bool, bytes: &[u8], [mut first, mut second]: [u32; 2]) -> [u32; 2] {
    for pair in bytes.chunks_exact(8) {
        let read = |at: usize| {
            let word = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
            if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        first = first.wrapping_add(read(0)).wrapping_add(second);
        second = second.wrapping_add(read(4)).wrapping_add(first);
    }
    [first, second]
}

pub(crate) fn read_up_to(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => break,
            Ok(n) => {
                read += n;
                offset += n as u64;
                buffer = &mut buffer[n..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
