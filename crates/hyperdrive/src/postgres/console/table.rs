use std::borrow::Cow;

use super::super::message::{from_origin, push, push_text};

const INT8: u32 = 20;
const TEXT: u32 = 25;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Value {
    Number(u64),
    Text(String),
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Number(count as u64)
    }

    fn in_format(&self, binary: bool) -> Vec<u8> {
        match self {
            Self::Number(number) if binary => number.to_be_bytes().to_vec(),
            Self::Number(number) => number.to_string().into_bytes(),
            Self::Text(text) => text.clone().into_bytes(),
        }
    }
}

/// An answer of the console. Every row has as many values as there are columns, and a column's are all of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Table {
    pub(super) columns: Vec<Cow<'static, str>>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Table {
    /// One row: names and values.
    pub(super) fn of_one<const N: usize>(row: [(&'static str, Value); N]) -> Self {
        let (columns, row) = row.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).unzip();
        Self { columns, rows: vec![row] }
    }

    pub(super) fn push_description(&self, formats: &[bool], out: &mut Vec<u8>) {
        push(out, from_origin::ROW_DESCRIPTION, |out| {
            out.extend_from_slice(&short(self.columns.len()));
            for (i, name) in self.columns.iter().enumerate() {
                let is_number = self.rows.first().is_some_and(|row| matches!(row[i], Value::Number(_)));
                let (kind, size) = if is_number { (INT8, 8u16) } else { (TEXT, u16::MAX) };
                push_text(out, name.as_bytes());
                // Of no table, and no column of one.
                out.extend_from_slice(&[0; 6]);
                out.extend_from_slice(&kind.to_be_bytes());
                out.extend_from_slice(&size.to_be_bytes());
                out.extend_from_slice(&u32::MAX.to_be_bytes());
                out.extend_from_slice(&u16::from(format(formats, i)).to_be_bytes());
            }
        });
    }

    pub(super) fn push_rows(&self, formats: &[bool], out: &mut Vec<u8>) {
        for row in &self.rows {
            push(out, from_origin::DATA_ROW, |out| {
                out.extend_from_slice(&short(row.len()));
                for (i, value) in row.iter().enumerate() {
                    let value = value.in_format(format(formats, i));
                    out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(0).to_be_bytes());
                    out.extend_from_slice(&value);
                }
            });
        }
    }
}

fn short(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes()
}

/// Whether a column is wanted as binary: one format stands for all of them, none for text.
fn format(formats: &[bool], column: usize) -> bool {
    match formats {
        [all] => *all,
        _ => formats.get(column).copied().unwrap_or(false),
    }
}
