//! SELECT, VALUES and TABLE, with what stands around them.

use super::{Kind, Parser, Read, Reason};

impl Parser<'_, '_> {
    /// A query with its CTEs, its ordering and its limits.
    pub(super) fn query(&mut self) -> Read {
        self.deeper(|parser| {
            if parser.take("with") {
                parser.take("recursive");
                parser.list(Self::common_table)?;
            }
            parser.term()?;
            while parser.take_one_of(&["union", "intersect", "except"]) {
                let _ = parser.take_one_of(&["all", "distinct"]);
                parser.term()?;
            }
            parser.order_by()?;
            parser.limits()
        })
    }

    fn common_table(&mut self) -> Read {
        self.name()?;
        if self.is("(") {
            self.names_in_parentheses()?;
        }
        self.expect("as")?;
        if self.postgres() {
            self.take("not");
            self.take("materialized");
        }
        self.subquery()
    }

    /// `( query )`
    pub(super) fn subquery(&mut self) -> Read {
        self.expect("(")?;
        if !self.at_query() {
            return Err(self.unexpected());
        }
        self.query()?;
        self.expect(")")
    }

    fn term(&mut self) -> Read {
        if self.is("(") {
            return self.subquery();
        }
        if self.take("select") {
            return self.select();
        }
        if self.postgres() && self.take("values") {
            return self.list(Self::row_in_parentheses);
        }
        if self.postgres() && self.take("table") {
            self.take("only");
            self.table_name()?;
            self.take("*");
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn row_in_parentheses(&mut self) -> Read {
        self.expect("(")?;
        self.list(Self::expression)?;
        self.expect(")")
    }

    fn select(&mut self) -> Read {
        if self.take("distinct") {
            if self.postgres() && self.take("on") {
                self.row_in_parentheses()?;
            }
        } else {
            self.take("all");
        }
        if !self.postgres() {
            self.take("straight_join");
        }
        if !self.is("from") {
            self.list(Self::target)?;
        }
        if self.take("from") {
            let nothing = !self.postgres() && self.take("dual");
            if !nothing {
                self.list(Self::table_expression)?;
            }
        }
        if self.take("where") {
            self.expression()?;
        }
        if self.take_words(&["group", "by"]) {
            self.list(Self::group)?;
            if !self.postgres() {
                self.take_words(&["with", "rollup"]);
            }
        }
        if self.take("having") {
            self.expression()?;
        }
        if self.take("window") {
            self.list(|parser| {
                parser.name()?;
                parser.expect("as")?;
                parser.window()
            })?;
        }
        Ok(())
    }

    fn target(&mut self) -> Read {
        if self.take("*") {
            return Ok(());
        }
        self.expression()?;
        if self.take("as") {
            // MySQL takes a string as an alias.
            if !self.postgres() && self.is_kind(Kind::String) {
                self.at += 1;
                return Ok(());
            }
            return self.any_name();
        }
        if self.at_name() { self.name() } else { Ok(()) }
    }

    fn group(&mut self) -> Read {
        self.deeper(|parser| {
            if parser.postgres() {
                if parser.take_words(&["(", ")"]) {
                    return Ok(());
                }
                if parser.take_words(&["grouping", "sets"]) {
                    parser.expect("(")?;
                    parser.list(Self::group)?;
                    return parser.expect(")");
                }
                if parser.is_one_of(&["rollup", "cube"]) && parser.is_ahead(1, "(") {
                    parser.at += 1;
                    return parser.row_in_parentheses();
                }
            }
            parser.expression()?;
            if !parser.postgres() {
                let _ = parser.take_one_of(&["asc", "desc"]);
            }
            Ok(())
        })
    }

    pub(super) fn order_by(&mut self) -> Read {
        if !self.take_words(&["order", "by"]) {
            return Ok(());
        }
        self.list(|parser| {
            parser.expression()?;
            let _ = parser.take_one_of(&["asc", "desc"]);
            if parser.postgres() && parser.take("nulls") && !parser.take_one_of(&["first", "last"]) {
                return Err(parser.unexpected());
            }
            Ok(())
        })
    }

    fn limits(&mut self) -> Read {
        loop {
            if self.take("limit") {
                if !(self.postgres() && self.take("all")) {
                    self.expression()?;
                    if !self.postgres() && self.take(",") {
                        self.expression()?;
                    }
                }
            } else if self.take("offset") {
                self.expression()?;
                let _ = self.take_one_of(&["row", "rows"]);
            } else if self.take("fetch") {
                if !self.take_one_of(&["first", "next"]) {
                    return Err(self.unexpected());
                }
                if !self.is_one_of(&["row", "rows"]) {
                    self.limit_value()?;
                }
                if !self.take_one_of(&["row", "rows"]) {
                    return Err(self.unexpected());
                }
                if !self.take("only") && !self.take_words(&["with", "ties"]) {
                    return Err(self.unexpected());
                }
            } else {
                return Ok(());
            }
        }
    }

    fn limit_value(&mut self) -> Read {
        if self.is_kind(Kind::Number) || self.is_kind(Kind::Parameter) {
            self.at += 1;
            return Ok(());
        }
        self.row_in_parentheses()
    }

    /// `(PARTITION BY … ORDER BY … ROWS …)`
    pub(super) fn window(&mut self) -> Read {
        self.expect("(")?;
        if !self.is("partition") && !self.is_one_of(&["order", "rows", "range", "groups"]) && self.at_name() {
            self.name()?;
        }
        if self.take_words(&["partition", "by"]) {
            self.list(Self::expression)?;
        }
        self.order_by()?;
        if self.take_one_of(&["rows", "range", "groups"]) {
            if self.take("between") {
                self.frame_bound()?;
                self.expect("and")?;
            }
            self.frame_bound()?;
            if self.take("exclude")
                && !self.take_words(&["current", "row"])
                && !self.take_words(&["no", "others"])
                && !self.take_one_of(&["group", "ties"])
            {
                return Err(self.unexpected());
            }
        }
        self.expect(")")
    }

    fn frame_bound(&mut self) -> Read {
        if self.take_words(&["current", "row"]) {
            return Ok(());
        }
        if !self.take("unbounded") {
            self.operand()?;
        }
        if self.take_one_of(&["preceding", "following"]) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// A table's name: not one of the system's, and not a session's own.
    pub(super) fn table_name(&mut self) -> Read {
        let first = self.peek().map(|token| token.name.as_ref());
        let two_parts = self.is_ahead(1, ".");
        if let Some(name) = first
            && two_parts
            && super::names::is_system_schema(name)
        {
            return Err(Reason::System(name.into()));
        }
        self.name()?;
        while self.take(".") {
            self.any_name()?;
        }
        Ok(())
    }
}
