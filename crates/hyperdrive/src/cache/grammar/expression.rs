//! Expressions. Operators are a flat chain: precedence does not change what is called.

use super::{Kind, Parser, Read, Reason, names};

impl Parser<'_, '_> {
    pub(super) fn expression(&mut self) -> Read {
        self.deeper(|parser| {
            loop {
                parser.operand()?;
                parser.tests()?;
                if !parser.binary()? {
                    return Ok(());
                }
                if parser.is_one_of(&["any", "all", "some"]) && parser.is_ahead(1, "(") {
                    parser.at += 1;
                    parser.subquery_or_row()?;
                    parser.tests()?;
                    if !parser.binary()? {
                        return Ok(());
                    }
                }
            }
        })
    }

    /// An operator between two operands. False when the chain ends here.
    fn binary(&mut self) -> Read<bool> {
        let Some(token) = self.peek() else { return Ok(false) };
        if token.kind == Kind::Operator {
            self.operator()?;
            return Ok(true);
        }
        if self.take_words(&["is", "distinct", "from"]) || self.take_words(&["is", "not", "distinct", "from"])
        {
            return Ok(true);
        }
        if self.take_one_of(&["and", "or", "escape"]) {
            return Ok(true);
        }
        if !self.postgres()
            && (self.take_one_of(&["xor", "div", "mod"]) || self.take_words(&["sounds", "like"]))
        {
            return Ok(true);
        }
        let before = self.at;
        self.take("not");
        if self.take("between") {
            if self.postgres() {
                let _ = self.take_one_of(&["symmetric", "asymmetric"]);
            }
            return Ok(true);
        }
        let matched = self.take("like")
            || if self.postgres() {
                self.take("ilike") || self.take_words(&["similar", "to"])
            } else {
                self.take_one_of(&["regexp", "rlike"])
            };
        if !matched {
            self.at = before;
            if self.is("at") && self.is_ahead(1, "time") {
                return Err(Reason::Function("AT TIME ZONE".into()));
            }
            if self.is("overlaps") {
                return Err(Reason::Function("OVERLAPS".into()));
            }
        }
        Ok(matched)
    }

    fn operator(&mut self) -> Read {
        let Some(token) = self.peek() else { return Err(self.unexpected()) };
        if self.postgres() && !names::is_operator(token.raw) {
            return Err(Reason::Operator(token.raw.into()));
        }
        self.at += 1;
        Ok(())
    }

    /// `IS NULL`, `IN (…)` and their like, as many as there are.
    fn tests(&mut self) -> Read {
        loop {
            if self.is("is") && !self.is_ahead(1, "distinct") && !self.is_ahead(2, "distinct") {
                self.at += 1;
                self.take("not");
                if !self.take_one_of(&["null", "true", "false", "unknown"]) {
                    return Err(self.unexpected());
                }
            } else if self.is("in") || (self.is("not") && self.is_ahead(1, "in")) {
                self.take("not");
                self.take("in");
                self.subquery_or_row()?;
            } else if !(self.postgres() && self.take_one_of(&["isnull", "notnull"])) {
                return Ok(());
            }
        }
    }

    /// `(SELECT …)` or `(a, b)`
    fn subquery_or_row(&mut self) -> Read {
        if self.is("(") && self.starts_query(1) {
            return self.subquery();
        }
        self.expect("(")?;
        self.list(Self::expression)?;
        self.expect(")")
    }

    /// A value with its signs, casts and subscripts.
    pub(super) fn operand(&mut self) -> Read {
        self.deeper(|parser| {
            loop {
                if parser.is_kind(Kind::Operator) {
                    parser.operator()?;
                } else if !parser.take("not") && (parser.postgres() || !parser.take("binary")) {
                    break;
                }
            }
            let mut literal = parser.primary()?;
            loop {
                if parser.postgres() && parser.take("::") {
                    parser.cast_type(literal)?;
                } else if parser.postgres() && parser.take("[") {
                    parser.subscript()?;
                    literal = false;
                } else if parser.take("collate") {
                    parser.name_path()?;
                    literal = false;
                } else {
                    return Ok(());
                }
            }
        })
    }

    fn subscript(&mut self) -> Read {
        if !self.is(":") {
            self.expression()?;
        }
        if self.take(":") && !self.is("]") {
            self.expression()?;
        }
        self.expect("]")
    }

    /// True for a literal or a parameter.
    fn primary(&mut self) -> Read<bool> {
        let Some(token) = self.peek() else { return Err(self.unexpected()) };
        match token.kind {
            Kind::Number | Kind::String | Kind::Parameter => {
                self.at += 1;
                return Ok(true);
            }
            Kind::Mark if token.is("(") => {
                self.subquery_or_row()?;
                // `(row).name` may be a function's call.
                return if self.is(".") { Err(self.unexpected()) } else { Ok(false) };
            }
            Kind::Word => {}
            Kind::Quoted => return self.column_or_call(),
            Kind::Mark | Kind::Operator => return Err(self.unexpected()),
        }
        match token.name.as_ref() {
            "null" | "true" | "false" => {
                self.at += 1;
                Ok(true)
            }
            "case" => self.case(),
            "exists" if self.is_ahead(1, "(") => {
                self.at += 1;
                self.subquery()?;
                Ok(false)
            }
            "array" if self.postgres() => {
                self.at += 1;
                self.array()
            }
            "row" if self.is_ahead(1, "(") => {
                self.at += 1;
                if !self.take_words(&["(", ")"]) {
                    self.subquery_or_row()?;
                }
                Ok(false)
            }
            "interval" if !self.postgres() => {
                self.at += 1;
                self.expression()?;
                self.interval_unit()?;
                Ok(false)
            }
            _ => self.typed_literal(),
        }
    }

    /// `date '2020-01-01'`
    fn typed_literal(&mut self) -> Read<bool> {
        let Some(token) = self.peek() else { return Err(self.unexpected()) };
        if self.postgres() && self.take_words(&["timestamp", "with", "time", "zone"])
            || self.take_words(&["timestamp", "without", "time", "zone"])
        {
            if !self.is_kind(Kind::String) {
                return Err(self.unexpected());
            }
            self.at += 1;
            return Ok(true);
        }
        if self.tokens.get(self.at + 1).is_none_or(|next| next.kind != Kind::String) {
            return self.column_or_call();
        }
        let known = if self.postgres() {
            names::is_type(&token.name, self.dialect)
        } else {
            ["date", "time", "timestamp"].contains(&token.name.as_ref())
        };
        if !known {
            return Err(if names::is_reserved(&token.name, self.dialect) {
                self.unexpected()
            } else {
                Reason::Type(token.name.as_ref().into())
            });
        }
        self.at += 2;
        if token.is("interval") {
            self.interval_fields()?;
        }
        Ok(true)
    }

    fn array(&mut self) -> Read<bool> {
        if self.is("(") {
            self.subquery()?;
            return Ok(false);
        }
        self.expect("[")?;
        self.array_items()?;
        Ok(false)
    }

    fn array_items(&mut self) -> Read {
        self.deeper(|parser| {
            if parser.take("]") {
                return Ok(());
            }
            parser
                .list(|parser| if parser.take("[") { parser.array_items() } else { parser.expression() })?;
            parser.expect("]")
        })
    }

    fn case(&mut self) -> Read<bool> {
        self.expect("case")?;
        if !self.is("when") {
            self.expression()?;
        }
        while self.take("when") {
            self.expression()?;
            self.expect("then")?;
            self.expression()?;
        }
        if self.take("else") {
            self.expression()?;
        }
        self.expect("end")?;
        Ok(false)
    }

    fn column_or_call(&mut self) -> Read<bool> {
        if self.is_ahead(1, "(") || (self.is_ahead(1, ".") && self.is_ahead(3, "(")) {
            self.call()?;
        } else {
            self.name_path()?;
        }
        Ok(false)
    }

    /// `column`, `table.column`, `schema.table.column`, `table.*`
    fn name_path(&mut self) -> Read {
        let Some(first) = self.peek() else { return Err(self.unexpected()) };
        self.name()?;
        let mut parts = 1;
        while self.take(".") {
            if self.take("*") {
                return Ok(());
            }
            let Some(part) = self.peek() else { return Err(self.unexpected()) };
            if self.postgres() && names::is_function_of_any_row(&part.name) {
                return Err(Reason::Function(part.name.as_ref().into()));
            }
            self.any_name()?;
            parts += 1;
        }
        if parts > 1 && names::is_system_schema(&first.name) {
            return Err(Reason::System(first.name.as_ref().into()));
        }
        Ok(())
    }
}
