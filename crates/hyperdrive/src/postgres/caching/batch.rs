use super::super::message::{HEADER, Header, from_client as kind, text};
use crate::cache::KeyBuilder;

/// A request in the extended protocol that is all there: one statement, run once, and nothing else before its Sync.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Batch<'a> {
    /// The body of its Parse message, if it begins with one.
    pub(in super::super) parse: Option<&'a [u8]>,
    /// The statement it runs.
    pub(in super::super) name: &'a [u8],
    /// The columns are asked for.
    pub(in super::super) described: bool,
    /// Of its Bind message, what follows the statement's name.
    pub(in super::super) values: &'a [u8],
    /// Bytes, from Parse or Bind to Sync.
    pub(in super::super) length: usize,
}

/// Why bytes do not begin with such a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum NoBatch {
    /// It may become one: what is there could be its start.
    Cut,
    Other,
}

impl<'a> Batch<'a> {
    /// What `bytes` begin with, if it is such a request.
    pub(in super::super) fn read(bytes: &'a [u8]) -> Result<Self, NoBatch> {
        let mut rest = Messages { bytes, at: 0 };
        let (mut message, mut body) = rest.next()?;
        let mut parse = None;
        if message == kind::PARSE {
            parse = Some(body);
            (message, body) = rest.next()?;
        }
        if message != kind::BIND {
            return Err(NoBatch::Other);
        }
        // Only the portal without a name is sure to be gone after the Sync.
        let (name, values) = body.strip_prefix(b"\0").and_then(text).ok_or(NoBatch::Other)?;
        if parse.is_some_and(|body| text(body).is_none_or(|(parsed, _)| parsed != name)) {
            return Err(NoBatch::Other);
        }
        (message, body) = rest.next()?;
        let described = message == kind::DESCRIBE && body == b"P\0";
        if described {
            (message, body) = rest.next()?;
        }
        // All rows at once.
        if message != kind::EXECUTE || body != b"\0\0\0\0\0" || rest.next()? != (kind::SYNC, b"") {
            return Err(NoBatch::Other);
        }
        Ok(Self { parse, name, described, values, length: rest.at })
    }

    /// Adds the bound values, whose declared types are `types`, to a key. `None` if they are malformed.
    pub(super) fn add_to(&self, key: &mut KeyBuilder, types: &[u8]) -> Option<()> {
        let mut types = Fields(types);
        let declared = types.count()?;
        let mut values = Fields(self.values);
        let formats = values.formats()?;
        let count = values.count()?;
        for i in 0..count {
            let declared = if i < declared { types.number()? } else { 0 };
            let format = match *formats {
                [] => 0,
                [one] => one,
                ref each => *each.get(i)?,
            };
            match values.value()? {
                Value::Null => key.parameter(declared, format, None),
                Value::Bytes(value) => key.parameter(declared, format, Some(value)),
            }
        }
        // What is left are the formats of the columns.
        key.part(values.0);
        Some(())
    }

    /// The request as a connection that knows nothing yet has to be asked. `body` is the statement's text and types.
    pub(in super::super) fn rebuild(&self, body: &[u8]) -> Vec<u8> {
        use super::super::message::push;
        let mut out = Vec::new();
        push(&mut out, kind::PARSE, |out| {
            out.push(0);
            out.extend_from_slice(body);
        });
        push(&mut out, kind::BIND, |out| {
            out.extend_from_slice(b"\0\0");
            out.extend_from_slice(self.values);
        });
        if self.described {
            push(&mut out, kind::DESCRIBE, |out| out.extend_from_slice(b"P\0"));
        }
        push(&mut out, kind::EXECUTE, |out| out.extend_from_slice(b"\0\0\0\0\0"));
        push(&mut out, kind::SYNC, |_| {});
        out
    }
}

struct Messages<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Messages<'a> {
    fn next(&mut self) -> Result<(u8, &'a [u8]), NoBatch> {
        let rest = &self.bytes[self.at..];
        let header = Header::read(rest).map_err(|_| NoBatch::Other)?.ok_or(NoBatch::Cut)?;
        let part =
            [kind::PARSE, kind::BIND, kind::DESCRIBE, kind::EXECUTE, kind::SYNC].contains(&header.kind);
        let cut = if part { NoBatch::Cut } else { NoBatch::Other };
        let body = rest.get(HEADER..header.length).ok_or(cut)?;
        self.at += header.length;
        Ok((header.kind, body))
    }
}

struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Null,
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn count(&mut self) -> Option<usize> {
        self.take().map(|bytes| usize::from(u16::from_be_bytes(bytes)))
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn formats(&mut self) -> Option<Vec<i16>> {
        (0..self.count()?).map(|_| self.take().map(i16::from_be_bytes)).collect()
    }

    fn value(&mut self) -> Option<Value<'a>> {
        let length = self.take().map(i32::from_be_bytes)?;
        let Ok(length) = usize::try_from(length) else { return Some(Value::Null) };
        let (value, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Value::Bytes(value))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::message::push;
    use super::*;

    type Part = (u8, &'static [u8]);

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, kind, |out| out.extend_from_slice(body));
        out
    }

    const BIND: &[u8] = b"\0s\0\0\0\0\x01\0\0\0\x01x\0\0";

    fn batch(parts: &[Part]) -> Vec<u8> {
        parts.iter().flat_map(|(kind, body)| message(*kind, body)).collect()
    }

    #[test]
    fn a_request_is_recognised_and_nothing_else_is() {
        let parse: Part = (b'P', b"s\0SELECT $1\0\0\0");
        let (bind, describe): (Part, Part) = ((b'B', BIND), (b'D', b"P\0"));
        let (execute, sync): (Part, Part) = ((b'E', b"\0\0\0\0\0"), (b'S', b""));
        let whole = batch(&[parse, bind, describe, execute, sync]);
        let followed = [whole.as_slice(), b"Q\0"].concat();
        let found = Batch::read(&followed).unwrap();
        assert_eq!((found.name, found.described, found.length), (&b"s"[..], true, whole.len()));
        let short = batch(&[bind, execute, sync]);
        let found = Batch::read(&short).unwrap();
        assert_eq!((found.parse, found.described), (None, false));
        for parts in [
            &[parse, describe, bind, execute, sync][..],
            &[parse, bind, describe, (b'H', b"")],
            &[(b'P', b"t\0SELECT $1\0\0\0"), bind, execute, sync],
            &[(b'B', b"portal\0s\0\0\0\0\0\0\0"), execute, sync],
            &[bind, (b'E', b"\0\0\0\0\x01"), sync],
            &[bind, execute, execute, sync],
            &[bind, (b'D', b"Ss\0"), execute, sync],
            &[sync],
        ] {
            assert_eq!(Batch::read(&batch(parts)), Err(NoBatch::Other));
        }
        for cut in 0..whole.len() {
            assert_eq!(Batch::read(&whole[..cut]), Err(NoBatch::Cut));
        }
    }
}
