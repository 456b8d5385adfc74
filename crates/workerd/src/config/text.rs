//! Cap'n Proto's text format, as much of it as a config needs.

/// A value of a Cap'n Proto constant.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Bool(bool),
    /// The only value of a union's empty member.
    Void,
    /// The content of a file, named relative to the config file.
    Embed(String),
    List(Vec<Value>),
    Struct(Vec<(&'static str, Value)>),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn texts(texts: &[String]) -> Self {
        Self::List(texts.iter().map(Self::text).collect())
    }

    pub(crate) fn fields<const N: usize>(fields: [(&'static str, Self); N]) -> Self {
        Self::Struct(fields.into())
    }

    /// One line when it nests nothing but plain values, else one line per member.
    fn is_flat(&self) -> bool {
        let plain = |value: &Self| !matches!(value, Self::List(_) | Self::Struct(_));
        match self {
            Self::List(items) => items.iter().all(plain),
            Self::Struct(fields) => fields.iter().all(|(_, value)| plain(value)),
            _ => true,
        }
    }

    fn write(&self, out: &mut String, depth: usize) {
        match self {
            Self::Text(text) => write_text(out, text),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Void => out.push_str("void"),
            Self::Embed(path) => {
                out.push_str("embed ");
                write_text(out, path);
            }
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.separate(out, at, depth);
                    item.write(out, depth + 1);
                }
                self.close(out, ']', depth);
            }
            Self::Struct(fields) => {
                out.push('(');
                for (at, (name, value)) in fields.iter().enumerate() {
                    self.separate(out, at, depth);
                    out.push_str(name);
                    out.push_str(" = ");
                    value.write(out, depth + 1);
                }
                self.close(out, ')', depth);
            }
        }
    }

    fn separate(&self, out: &mut String, at: usize, depth: usize) {
        if at > 0 {
            out.push(',');
        }
        if !self.is_flat() {
            indent(out, depth + 1);
        } else if at > 0 {
            out.push(' ');
        }
    }

    fn close(&self, out: &mut String, end: char, depth: usize) {
        if !self.is_flat() {
            indent(out, depth);
        }
        out.push(end);
    }
}

/// A config file with `config` as its one constant.
pub(crate) fn file(config: &Value) -> String {
    let mut out = String::from("using Workerd = import \"/workerd/workerd.capnp\";\n\n");
    out.push_str("const config :Workerd.Config = ");
    config.write(&mut out, 0);
    out.push_str(";\n");
    out
}

fn indent(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// A string literal. Everything but control characters, quotes and backslashes stays as it is, in UTF-8.
fn write_text(out: &mut String, text: &str) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Always two digits: the lexer would take a third one for the next character.
            '\0'..='\x1f' | '\x7f' => {
                let code = character as usize;
                out.extend(['\\', 'x', HEX[code / 16], HEX[code % 16]]);
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_values_stay_on_one_line_and_nested_ones_are_indented() {
        let value = Value::fields([
            ("name", Value::text("app")),
            ("flags", Value::texts(&["a".to_owned(), "b".to_owned()])),
            ("module", Value::fields([("esModule", Value::Embed("0".to_owned())), ("x", Value::Void)])),
            ("none", Value::List(Vec::new())),
            ("on", Value::Bool(true)),
        ]);
        insta::assert_snapshot!(file(&value), @r#"
        using Workerd = import "/workerd/workerd.capnp";

        const config :Workerd.Config = (
          name = "app",
          flags = ["a", "b"],
          module = (esModule = embed "0", x = void),
          none = [],
          on = true
        );
        "#);
    }

    #[test]
    fn what_would_end_a_string_is_escaped() {
        let mut out = String::new();
        write_text(&mut out, "a\"b\\c\n\r\t\0\x1f\x7f1é😀");
        assert_eq!(out, r#""a\"b\\c\n\r\t\x00\x1f\x7f1é😀""#);
    }
}
