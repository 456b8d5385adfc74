//! What stands after FROM.

use super::{Parser, Read};

impl Parser<'_, '_> {
    pub(super) fn table_expression(&mut self) -> Read {
        self.deeper(|parser| {
            parser.table_primary()?;
            loop {
                if parser.take("straight_join") {
                    parser.table_primary()?;
                    if parser.take("on") {
                        parser.expression()?;
                    }
                    continue;
                }
                let before = parser.at;
                parser.take("natural");
                if parser.take_one_of(&["left", "right", "full"]) {
                    parser.take("outer");
                } else if !parser.take("inner") {
                    parser.take("cross");
                }
                if !parser.take("join") {
                    return if parser.at == before { Ok(()) } else { Err(parser.unexpected()) };
                }
                parser.table_primary()?;
                parser.join_condition()?;
            }
        })
    }

    /// `a JOIN b JOIN c ON … ON …` is refused: the first condition must follow its table.
    fn join_condition(&mut self) -> Read {
        if self.take("on") {
            self.expression()?;
        } else if self.take("using") {
            self.names_in_parentheses()?;
            if self.postgres() && self.take("as") {
                self.name()?;
            }
        }
        Ok(())
    }

    fn table_primary(&mut self) -> Read {
        self.take("lateral");
        if self.is("(") {
            if self.at_query() {
                self.subquery()?;
                return self.table_alias();
            }
            self.at += 1;
            self.list(Self::table_expression)?;
            self.expect(")")?;
            return if self.postgres() { self.table_alias() } else { Ok(()) };
        }
        if self.postgres() {
            self.take("only");
        }
        if self.is_ahead(1, "(") || (self.is("pg_catalog") && self.is_ahead(3, "(")) {
            self.call()?;
            if self.take("with") {
                self.expect("ordinality")?;
            }
            return self.table_alias();
        }
        self.table_name()?;
        if self.postgres() {
            self.take("*");
        }
        self.table_alias()?;
        if !self.postgres() {
            while self.take_one_of(&["use", "force", "ignore"]) {
                if !self.take_one_of(&["index", "key"]) {
                    return Err(self.unexpected());
                }
                // `PRIMARY` is an index's name.
                self.expect("(")?;
                self.list(Self::any_name)?;
                self.expect(")")?;
            }
        }
        Ok(())
    }

    fn table_alias(&mut self) -> Read {
        if self.take("as") || self.at_name() {
            self.name()?;
            if self.is("(") {
                self.names_in_parentheses()?;
            }
        }
        Ok(())
    }
}
