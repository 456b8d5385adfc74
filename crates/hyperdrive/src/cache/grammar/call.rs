//! Calls of functions, with the forms of their own that some have.

use super::{Parser, Read, Reason, names};
use crate::cache::lexer::Kind;

/// What MySQL counts intervals in.
const UNITS: [&str; 20] = [
    "microsecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "second_microsecond",
    "minute_microsecond",
    "minute_second",
    "hour_microsecond",
    "hour_second",
    "hour_minute",
    "day_microsecond",
    "day_second",
    "day_minute",
    "day_hour",
    "year_month",
];

impl Parser<'_, '_> {
    /// A call, from the function's name on.
    pub(super) fn call(&mut self) -> Read {
        if self.postgres() {
            self.take_words(&["pg_catalog", "."]);
        }
        let Some(name) = self.peek() else { return Err(self.unexpected()) };
        let unknown = || Err(Reason::Function(name.name.as_ref().into()));
        if !matches!(name.kind, Kind::Word | Kind::Quoted) {
            return Err(self.unexpected());
        }
        if !self.is_ahead(1, "(") {
            // A schema's function: anybody may have made it.
            return Err(Reason::Function(name.raw.into()));
        }
        if !self.postgres() && (name.kind == Kind::Quoted || self.tokens[self.at + 1].spaced) {
            // Quoted, or with a space before the parenthesis, it may be a stored function of the same name.
            return unknown();
        }
        self.at += 2;
        if name.kind == Kind::Word && self.special_form(&name.name)? {
            return self.after_call();
        }
        if self.take_words(&["*", ")"]) {
            if name.name != "count" {
                return unknown();
            }
            return self.after_call();
        }
        let mut arguments = 0;
        if !self.is(")") {
            let _ = self.take_one_of(&["distinct", "all"]);
            self.list(|parser| {
                arguments += 1;
                parser.expression()
            })?;
            self.order_by()?;
            if !self.postgres() && self.take("separator") {
                self.operand()?;
            }
        }
        if !names::is_immutable(&name.name, arguments, self.dialect) {
            return unknown();
        }
        self.expect(")")?;
        self.after_call()
    }

    fn after_call(&mut self) -> Read {
        if self.postgres() {
            if self.take_words(&["within", "group", "("]) {
                self.order_by()?;
                self.expect(")")?;
            }
            if self.take_words(&["filter", "(", "where"]) {
                self.expression()?;
                self.expect(")")?;
            }
        }
        if self.take("over") {
            if self.is("(") {
                self.window()?;
            } else {
                self.name()?;
            }
        }
        Ok(())
    }

    /// The arguments of what is written with words in place of commas, with the closing parenthesis. False when
    /// the name has no such form.
    fn special_form(&mut self, name: &str) -> Read<bool> {
        match name {
            "coalesce" | "greatest" | "least" | "nullif" | "grouping" => self.list(Self::expression)?,
            "cast" => {
                let literal = self.only_a_literal();
                self.expression()?;
                self.expect("as")?;
                self.cast_type(literal)?;
            }
            "position" => {
                self.operand()?;
                self.expect("in")?;
                self.operand()?;
            }
            "substring" => {
                self.expression()?;
                if self.take(",") {
                    self.list(Self::expression)?;
                } else {
                    if self.take("from") {
                        self.expression()?;
                    }
                    if self.take("for") {
                        self.expression()?;
                    }
                }
            }
            "trim" => {
                let _ = self.take_one_of(&["both", "leading", "trailing"]);
                if !self.is("from") {
                    self.expression()?;
                }
                if self.take("from") || self.take(",") {
                    self.list(Self::expression)?;
                }
            }
            "overlay" if self.postgres() => {
                self.expression()?;
                self.expect("placing")?;
                self.expression()?;
                self.expect("from")?;
                self.expression()?;
                if self.take("for") {
                    self.expression()?;
                }
            }
            "extract" if !self.postgres() => {
                self.interval_unit()?;
                self.expect("from")?;
                self.expression()?;
            }
            "convert" if !self.postgres() => {
                let literal = self.only_a_literal();
                self.expression()?;
                if self.take("using") {
                    self.any_name()?;
                } else {
                    self.expect(",")?;
                    self.cast_type(literal)?;
                }
            }
            _ => return Ok(false),
        }
        self.expect(")")?;
        Ok(true)
    }

    /// Is the next token a literal or a parameter, and the whole of the value?
    fn only_a_literal(&self) -> bool {
        let alone = self.is_ahead(1, "as") || self.is_ahead(1, ",");
        let literal = self.is_kind(Kind::String) || (self.postgres() && self.is_kind(Kind::Parameter));
        alone && literal
    }

    pub(super) fn interval_unit(&mut self) -> Read {
        if self.take_one_of(&UNITS) { Ok(()) } else { Err(self.unexpected()) }
    }
}
