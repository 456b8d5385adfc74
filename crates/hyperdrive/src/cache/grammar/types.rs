//! Types, where a value is cast to one.

use super::{Kind, Parser, Read, Reason, names};

impl Parser<'_, '_> {
    /// A type that a value may be cast to. `literal`: the value is a literal or a parameter, whose bytes were (or
    /// will be) searched for words that mean the current time.
    pub(super) fn cast_type(&mut self, literal: bool) -> Read {
        self.take_words(&["pg_catalog", "."]);
        let Some(token) = self.peek() else { return Err(self.unexpected()) };
        if !matches!(token.kind, Kind::Word | Kind::Quoted) || self.is_ahead(1, ".") {
            return Err(Reason::Type(token.raw.into()));
        }
        let name = token.name.as_ref();
        if !names::is_type(name, self.dialect) {
            return Err(Reason::Type(name.into()));
        }
        if names::is_clock_type(name, self.dialect) && !literal {
            return Err(Reason::Clock);
        }
        self.at += 1;
        match name {
            "double" => {
                self.take("precision");
            }
            "character" | "char" | "bit" => {
                self.take("varying");
            }
            "signed" | "unsigned" => {
                self.take("integer");
            }
            _ => {}
        }
        self.modifier()?;
        match name {
            "time" | "timestamp" if self.postgres() => self.time_zone(name)?,
            "interval" => self.interval_fields()?,
            "char" | "character"
                if !self.postgres() && (self.take_words(&["character", "set"]) || self.take("charset")) =>
            {
                self.any_name()?;
            }
            _ => {}
        }
        if self.postgres() {
            while self.take("[") {
                if self.is_kind(Kind::Number) {
                    self.at += 1;
                }
                self.expect("]")?;
            }
        }
        Ok(())
    }

    fn modifier(&mut self) -> Read {
        if !self.take("(") {
            return Ok(());
        }
        self.list(|parser| {
            let _ = parser.take_one_of(&["-"]);
            if !parser.is_kind(Kind::Number) {
                return Err(parser.unexpected());
            }
            parser.at += 1;
            Ok(())
        })?;
        self.expect(")")
    }

    fn time_zone(&mut self, name: &str) -> Read {
        if self.take_words(&["with", "time", "zone"]) {
            // A time gets the session's zone as it is today, and there may be summer time tomorrow.
            return if name == "time" { Err(Reason::Clock) } else { Ok(()) };
        }
        self.take_words(&["without", "time", "zone"]);
        Ok(())
    }

    pub(super) fn interval_fields(&mut self) -> Read {
        const FIELDS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];
        if self.take_one_of(&FIELDS) {
            if self.take("to") && !self.take_one_of(&FIELDS) {
                return Err(self.unexpected());
            }
            self.modifier()?;
        }
        Ok(())
    }
}
