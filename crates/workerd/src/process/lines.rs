//! Lines of a bounded length.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// The longest line that is kept whole, in bytes.
pub(super) const LIMIT: usize = 64 * 1024;

/// A stream's lines, each cut at [`LIMIT`].
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader: BufReader::new(reader), line: Vec::new() }
    }

    /// The next line without its end, or `None` after the last one. A stream that fails has ended.
    pub(super) async fn next(&mut self) -> Option<&[u8]> {
        self.line.clear();
        let mut some = false;
        loop {
            let chunk = self.reader.fill_buf().await.unwrap_or_default();
            if chunk.is_empty() {
                return some.then_some(&self.line);
            }
            some = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let text = &chunk[..end.unwrap_or(chunk.len())];
            let room = LIMIT.saturating_sub(self.line.len()).min(text.len());
            self.line.extend_from_slice(&text[..room]);
            let used = text.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Some(&self.line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let long = "x".repeat(3 * LIMIT);
        let text = ["a\n\n", &long, "\nb"].concat();
        let mut lines = Lines::new(text.as_bytes());
        assert_eq!(lines.next().await, Some(b"a".as_slice()));
        assert_eq!(lines.next().await, Some(b"".as_slice()));
        assert_eq!(lines.next().await.map(<[u8]>::len), Some(LIMIT));
        assert_eq!(lines.next().await, Some(b"b".as_slice()));
        assert_eq!(lines.next().await, None);
    }
}
