//! Following an answer of the origin without decoding it: where it ends, and what it says of the session.

use super::error::MySqlError;
use super::packet::{HEADER, LONGEST, length};
use super::wire::{Fields, push_number, status};

/// A packet that is no row is not longer than this.
const LONGEST_CONTROL: usize = 1 << 20;

/// The shape that an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// OK, ERR, or result sets.
    Results,
    /// What a prepared statement consists of.
    Prepared,
    /// Rows alone, to an EOF.
    Rows,
    /// Columns alone, to an EOF.
    Columns,
    /// OK or ERR.
    Simple,
    /// One packet of text.
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    First,
    /// Packets of this number that need no look, then an EOF.
    Skip {
        left: u64,
        then: Then,
    },
    Eof {
        then: Then,
    },
    Rows,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Rows,
    /// The columns of a prepared statement, after its parameters.
    Columns(u64),
    Done,
}

/// What the end of an answer told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// `None` when the answer does not tell: errors and prepares do not.
    pub(super) status: Option<u16>,
    pub(super) insert_id: u64,
    pub(super) warnings: u16,
    pub(super) error: Option<MySqlError>,
    /// More than one result.
    pub(super) several: bool,
    /// Of a prepared statement: its number, columns and parameters.
    pub(super) prepared: Option<(u32, u16, u16)>,
}

/// What to do with the bytes that were looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// So many bytes go on as they are.
    Pass(usize),
    /// So many bytes are left out, and these go on instead.
    Replace(usize, Vec<u8>),
}

/// The origin sent what it must not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Surprise(pub(super) &'static str);

/// Follows one answer.
#[derive(Debug)]
pub(super) struct Answer {
    shape: Shape,
    stage: Stage,
    /// Bytes of a packet that need no look.
    skip: usize,
    /// The packet that is being skipped goes on in the next.
    continued: bool,
    /// The packets so far that are to be numbered, to check their order.
    sequence: u8,
    /// Statement number that the client knows, in place of the origin's.
    renumber: Option<u32>,
    /// What goes on in place of the packet that comes next, which was looked at already.
    replacement: Option<(usize, Vec<u8>)>,
    pub(super) outcome: Outcome,
}

impl Answer {
    pub(super) fn new(shape: Shape) -> Self {
        let stage = match shape {
            Shape::Rows => Stage::Rows,
            Shape::Columns => Stage::Skip { left: u64::MAX, then: Then::Done },
            _ => Stage::First,
        };
        Self {
            shape,
            stage,
            skip: 0,
            continued: false,
            sequence: 1,
            renumber: None,
            replacement: None,
            outcome: Outcome::default(),
        }
    }

    /// An answer to COM_STMT_PREPARE whose statement gets another number.
    pub(super) fn renumbered(number: u32) -> Self {
        Self { renumber: Some(number), ..Self::new(Shape::Prepared) }
    }

    /// The first packet's number. It is 1 unless the command needed more than one packet.
    pub(super) fn starting_at(self, sequence: u8) -> Self {
        Self { sequence, ..self }
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done && self.skip == 0 && self.replacement.is_none()
    }

    /// True between two packets: nothing of one has been passed on in part.
    pub(super) fn is_between_packets(&self) -> bool {
        self.skip == 0 && !self.continued
    }

    /// The number of the next packet.
    pub(super) fn next_sequence(&self) -> u8 {
        self.sequence
    }

    /// Looks at `bytes`, which follow those that earlier pieces covered. `None`: more bytes are needed.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<Option<Piece>, Surprise> {
        if let Some((length, replacement)) = self.replacement.take() {
            return Ok(Some(Piece::Replace(length, replacement)));
        }
        let mut at = 0;
        while at < bytes.len() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len() - at);
                self.skip -= skipped;
                at += skipped;
                continue;
            }
            if self.stage == Stage::Done {
                break;
            }
            let rest = &bytes[at..];
            let Some(header) = rest.get(..HEADER) else { break };
            let (length, body) = (length(header), &rest[HEADER..]);
            if header[3] != self.sequence {
                return Err(Surprise("packets out of order"));
            }
            let Some(seen) = body.get(..self.needs(length, body.first().copied())?) else { break };
            self.sequence = self.sequence.wrapping_add(1);
            if std::mem::replace(&mut self.continued, length == LONGEST) {
                self.skip = HEADER + length;
                continue;
            }
            let Some(replacement) = self.packet(seen, length, header)? else {
                self.skip = HEADER + length;
                continue;
            };
            if at == 0 {
                return Ok(Some(Piece::Replace(HEADER + length, replacement)));
            }
            self.replacement = Some((HEADER + length, replacement));
            break;
        }
        Ok((at > 0).then_some(Piece::Pass(at)))
    }

    /// How many bytes of a payload must be there for a decision.
    fn needs(&self, length: usize, first: Option<u8>) -> Result<usize, Surprise> {
        match self.stage {
            _ if self.continued => Ok(0),
            Stage::Rows | Stage::Skip { left: u64::MAX, .. } if length >= 9 && first != Some(0xff) => Ok(1),
            Stage::Skip { left, .. } if left < u64::MAX => Ok(0),
            _ if length > LONGEST_CONTROL => Err(Surprise("a long packet where a short one belongs")),
            _ => Ok(length),
        }
    }

    /// Takes in a packet. Gives what goes on in its place.
    fn packet(&mut self, seen: &[u8], length: usize, header: &[u8]) -> Result<Option<Vec<u8>>, Surprise> {
        let first = seen.first().copied();
        match self.stage {
            Stage::Done => {}
            Stage::Skip { left: u64::MAX, then } => match first {
                Some(0xfe) if length < 9 => self.eof(seen, then)?,
                Some(0xff) => self.err(seen)?,
                _ => {}
            },
            Stage::Skip { left, then } => {
                self.stage =
                    if left > 1 { Stage::Skip { left: left - 1, then } } else { Stage::Eof { then } };
            }
            Stage::Eof { then } => match first {
                Some(0xfe) if length < 9 => self.eof(seen, then)?,
                _ => return Err(Surprise("no EOF after columns")),
            },
            Stage::Rows => match first {
                Some(0xfe) if length < 9 => self.eof(seen, Then::Done)?,
                Some(0xff) => self.err(seen)?,
                _ => {}
            },
            Stage::First => return self.first(first, seen, header[3]),
        }
        Ok(None)
    }

    fn err(&mut self, seen: &[u8]) -> Result<(), Surprise> {
        self.outcome.error = Some(MySqlError::parse(seen).ok_or(Surprise("a broken ERR packet"))?);
        self.stage = Stage::Done;
        Ok(())
    }

    fn first(&mut self, first: Option<u8>, seen: &[u8], sequence: u8) -> Result<Option<Vec<u8>>, Surprise> {
        match (self.shape, first) {
            (_, None) => Err(Surprise("an empty packet")),
            (Shape::Text, Some(byte)) if byte != 0xff => {
                self.stage = Stage::Done;
                Ok(None)
            }
            (_, Some(0xff)) => {
                self.err(seen)?;
                Ok(None)
            }
            (Shape::Prepared, Some(0)) => self.prepared(seen, sequence),
            (_, Some(0)) => self.ok(seen, sequence),
            (Shape::Results, Some(0xfb)) => Err(Surprise("a request for a local file")),
            (Shape::Results, Some(_)) => {
                let columns = Fields(seen).number().ok_or(Surprise("a broken column count"))?;
                if columns == 0 || columns > 65_535 {
                    return Err(Surprise("an impossible column count"));
                }
                self.stage = Stage::Skip { left: columns, then: Then::Rows };
                Ok(None)
            }
            _ => Err(Surprise("neither OK nor ERR")),
        }
    }

    fn prepared(&mut self, seen: &[u8], sequence: u8) -> Result<Option<Vec<u8>>, Surprise> {
        let parse = || {
            let mut fields = Fields(seen);
            fields.u8()?;
            Some((fields.u32()?, fields.u16()?, fields.u16()?))
        };
        let (number, columns, parameters) = parse().ok_or(Surprise("a broken answer to a prepare"))?;
        self.outcome.prepared = Some((number, columns, parameters));
        self.stage = match (u64::from(parameters), u64::from(columns)) {
            (0, 0) => Stage::Done,
            (0, columns) => Stage::Skip { left: columns, then: Then::Done },
            (parameters, columns) => Stage::Skip { left: parameters, then: Then::Columns(columns) },
        };
        Ok(self.renumber.map(|number| {
            let mut payload = seen.to_vec();
            payload[1..5].copy_from_slice(&number.to_le_bytes());
            let mut replacement = Vec::new();
            super::packet::push(&mut replacement, sequence, &payload);
            replacement
        }))
    }

    /// An OK packet. What it tells about the session's variables is for us, not for the client.
    fn ok(&mut self, seen: &[u8], sequence: u8) -> Result<Option<Vec<u8>>, Surprise> {
        let parse = || {
            let mut fields = Fields(seen);
            fields.u8()?;
            Some((fields.number()?, fields.number()?, fields.u16()?, fields.u16()?, fields))
        };
        let (affected, insert_id, status, warnings, mut rest) =
            parse().ok_or(Surprise("a broken OK packet"))?;
        self.outcome.insert_id = insert_id;
        self.end(status, warnings);
        if status & status::STATE_CHANGED == 0 {
            return Ok(None);
        }
        let info = rest.text().unwrap_or_default();
        let mut payload = vec![0];
        push_number(&mut payload, affected);
        push_number(&mut payload, insert_id);
        payload.extend_from_slice(&(status & !status::STATE_CHANGED).to_le_bytes());
        payload.extend_from_slice(&warnings.to_le_bytes());
        if !info.is_empty() {
            super::wire::push_text(&mut payload, info);
        }
        let mut replacement = Vec::new();
        super::packet::push(&mut replacement, sequence, &payload);
        Ok(Some(replacement))
    }

    fn eof(&mut self, seen: &[u8], then: Then) -> Result<(), Surprise> {
        let mut fields = Fields(seen);
        fields.u8();
        let (Some(warnings), Some(status)) = (fields.u16(), fields.u16()) else {
            return Err(Surprise("a broken EOF packet"));
        };
        match then {
            // With a cursor, the rows come when they are fetched.
            Then::Rows if status & status::CURSOR_EXISTS == 0 => self.stage = Stage::Rows,
            Then::Columns(columns) if columns > 0 => {
                self.stage = Stage::Skip { left: columns, then: Then::Done };
            }
            _ => self.end(status, warnings),
        }
        Ok(())
    }

    fn end(&mut self, status: u16, warnings: u16) {
        self.outcome.status = Some(status);
        self.outcome.warnings = warnings;
        let more = status & status::MORE_RESULTS != 0 && self.shape == Shape::Results;
        self.outcome.several |= more;
        self.stage = if more { Stage::First } else { Stage::Done };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::packet::push;
    use super::*;

    fn packets(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut sequence = 1;
        for payload in payloads {
            sequence = push(&mut out, sequence, payload);
        }
        out
    }

    /// Feeds the bytes in steps and gives what goes on, and the outcome.
    fn follow(mut answer: Answer, bytes: &[u8], step: usize) -> Result<(Vec<u8>, Outcome), Surprise> {
        let (mut out, mut held, mut fed) = (Vec::new(), Vec::new(), 0);
        while !answer.is_done() {
            match answer.next(&held)? {
                Some(Piece::Pass(count)) => out.extend(held.drain(..count)),
                Some(Piece::Replace(count, replacement)) => {
                    held.drain(..count);
                    out.extend(replacement);
                }
                None => {
                    if fed == bytes.len() {
                        return Err(Surprise("it does not end"));
                    }
                    let more = step.min(bytes.len() - fed);
                    held.extend_from_slice(&bytes[fed..fed + more]);
                    fed += more;
                }
            }
        }
        assert!(held.is_empty() && fed == bytes.len(), "bytes were left");
        Ok((out, answer.outcome))
    }

    const EOF: &[u8] = &[0xfe, 1, 0, 2, 0];

    #[test]
    fn answers_of_every_shape_end_where_they_end_however_they_are_cut() {
        let long = vec![b'x'; 300];
        let rows = packets(&[&[2], &long, b"column", EOF, &long, &[0xfb, 0xfb], EOF]);
        let error = MySqlError::unsupported("no");
        let failing = packets(&[&[1], b"column", EOF, b"row", &error.payload()]);
        let more = [0xfe, 0, 0, 0x0a, 0];
        let two = packets(&[&[1], b"c", EOF, b"r", &more, &[0, 1, 9, 2, 0, 0, 0]]);
        let cursor = packets(&[&[1], b"column", &[0xfe, 0, 0, 0x42, 0]]);
        for step in [1, 2, 3, 5, 7, 1000] {
            for bytes in [&rows, &failing, &two, &cursor] {
                let (out, outcome) = follow(Answer::new(Shape::Results), bytes, step).unwrap();
                assert_eq!(&out, bytes);
                assert_eq!(outcome.error.is_some(), bytes == &failing);
                assert_eq!(outcome.several, bytes == &two);
                assert_eq!(outcome.insert_id, if bytes == &two { 9 } else { 0 });
            }
            let prepared = packets(&[&[0, 5, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0], b"p1", b"p2", EOF, b"c", EOF]);
            let (out, outcome) = follow(Answer::renumbered(77), &prepared, step).unwrap();
            assert_eq!(outcome.prepared, Some((5, 1, 2)));
            assert_eq!((out[5], &out[6..]), (77, &prepared[6..]));
            let columns = packets(&[b"columncolumn", EOF]);
            assert_eq!(follow(Answer::new(Shape::Columns), &columns, step).unwrap().0, columns);
        }
    }

    #[test]
    fn news_of_the_session_are_left_out() {
        let mut payload = vec![0, 1, 0, 2, 0x40, 0, 0, 4];
        payload.extend_from_slice(b"info\x03\x05\x01\x31");
        let bytes = packets(&[&payload]);
        for step in [1, 100] {
            let (out, outcome) = follow(Answer::new(Shape::Results), &bytes, step).unwrap();
            assert_eq!(out, packets(&[b"\0\x01\0\x02\0\0\0\x04info"]));
            assert_eq!(outcome.status, Some(status::STATE_CHANGED | status::AUTOCOMMIT));
        }
        let rows = [0xfe, 0, 0, 0x0a, 0];
        let after = packets(&[&[1], b"c", EOF, &rows, &payload]);
        let (out, _) = follow(Answer::new(Shape::Results), &after, 1000).unwrap();
        assert_eq!(out.len() + 4, after.len());
    }

    #[test]
    fn rows_longer_than_a_packet_are_one_row() {
        // Its second packet looks like an EOF.
        let mut long = vec![b'x'; LONGEST];
        long.extend_from_slice(EOF);
        let bytes = packets(&[&[1], b"c", EOF, &long, EOF]);
        assert!(follow(Answer::new(Shape::Results), &bytes, 1 << 20).unwrap().0 == bytes);
    }

    #[test]
    fn what_an_origin_must_not_send_is_a_surprise() {
        let file = packets(&[b"\xfb/etc/passwd"]);
        assert!(follow(Answer::new(Shape::Results), &file, 100).is_err());
        let mut disordered = packets(&[&[1], b"c", EOF, EOF]);
        disordered[3] = 9;
        assert!(follow(Answer::new(Shape::Results), &disordered, 100).is_err());
        assert!(follow(Answer::new(Shape::Results), &packets(&[&[1], b"c", b"no eof"]), 100).is_err());
        assert!(follow(Answer::new(Shape::Simple), &packets(&[&[3]]), 100).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 0..12),
            cut in 0..200_usize,
        ) {
            let bytes = packets(&payloads.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for shape in [Shape::Results, Shape::Prepared, Shape::Rows, Shape::Columns, Shape::Simple, Shape::Text] {
                let mut answer = Answer::new(shape);
                let mut at = 0;
                let bytes = &bytes[..bytes.len() - cut.min(bytes.len())];
                while let Ok(Some(piece)) = answer.next(&bytes[at..]) {
                    at += match piece {
                        Piece::Pass(count) | Piece::Replace(count, _) => count,
                    };
                    prop_assert!(at <= bytes.len());
                }
            }
        }
    }
}
