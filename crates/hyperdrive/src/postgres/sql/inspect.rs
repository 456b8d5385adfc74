use super::super::params::tracked;
use super::super::statements::looks_like_ours;
use super::Effects;
use super::scan::{Scanner, Token};

/// What a text, of one statement or several, asks of its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Inspection {
    pub(in super::super) effects: Effects,
    /// What in it cannot be had when the connection goes to another client after the transaction.
    pub(in super::super) refused: Option<&'static str>,
}

/// `backslashes` is true if the session has `standard_conforming_strings` off.
pub(in super::super) fn inspect(sql: &[u8], backslashes: bool) -> Inspection {
    let mut scanner = Scanner::new(sql, backslashes);
    let mut found = Inspection::default();
    let mut statement = Statement::default();
    for token in &mut scanner {
        if token == Token::Mark(b';') && statement.depth == 0 {
            statement.finish(&mut found);
            statement = Statement::default();
        } else {
            statement.token(token, &mut found);
        }
    }
    statement.finish(&mut found);
    found
}

/// How a statement begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lead {
    #[default]
    None,
    Create,
    Deallocate,
    Declare,
    Prepare,
    /// `SELECT` or `WITH`.
    Read,
    Reset,
    Set,
    /// Its name is to come.
    SetSession,
    Other,
}

#[derive(Default)]
struct Statement<'a> {
    lead: Lead,
    depth: u32,
    /// The two words before, empty where something else stood.
    last: &'a [u8],
    last_but_one: &'a [u8],
    /// Something is given a value, which may be the word DEFAULT.
    sets: bool,
    temporary: bool,
    dropped_on_commit: bool,
    /// The depth inside the parentheses of a `set_config`.
    set_config: Option<u32>,
}

fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

fn is_one_of(word: &[u8], keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| is(word, keyword))
}

impl<'a> Statement<'a> {
    fn token(&mut self, token: Token<'a>, found: &mut Inspection) {
        let word = match token {
            Token::Word(word) => {
                self.word(word, found);
                word
            }
            Token::Quoted(name) => {
                if self.lead == Lead::Set || self.lead == Lead::SetSession || self.lead == Lead::Reset {
                    self.second(name, found);
                }
                self.name(name, found);
                b""
            }
            Token::Mark(mark) => {
                self.mark(mark, found);
                b""
            }
            Token::Value => b"",
        };
        self.last_but_one = std::mem::replace(&mut self.last, word);
    }

    fn mark(&mut self, mark: u8, found: &mut Inspection) {
        match mark {
            b'(' => {
                self.depth += 1;
                if is(self.last, "set_config") {
                    self.set_config = Some(self.depth);
                }
            }
            b')' => {
                if self.set_config == Some(self.depth) {
                    self.set_config = None;
                    // Its last argument says whether the setting ends with the transaction.
                    if !is(self.last, "true") {
                        found.effects |= Effects::SETTINGS;
                    }
                }
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn word(&mut self, word: &[u8], found: &mut Inspection) {
        match self.lead {
            Lead::None => return self.first(word, found),
            Lead::Prepare | Lead::Deallocate | Lead::Set | Lead::SetSession | Lead::Reset => {
                self.second(word, found);
            }
            Lead::Create => {
                // Nothing else stands between CREATE and TEMPORARY.
                if is_one_of(word, &["temp", "temporary"])
                    && is_one_of(self.last, &["create", "replace", "local", "global"])
                {
                    self.temporary = true;
                }
            }
            Lead::Declare => {
                if is(word, "hold") && is(self.last, "with") {
                    found.refused = Some("A cursor WITH HOLD");
                }
            }
            Lead::Read => {
                let into = is(self.last, "into") && !is_one_of(self.last_but_one, &["insert", "merge"]);
                if into && is_one_of(word, &["temp", "temporary"]) {
                    self.temporary = true;
                }
            }
            Lead::Other => {}
        }
        if self.sets && is(word, "default") {
            found.effects |= Effects::RESET;
        }
        if self.temporary && is(word, "drop") && is(self.last, "commit") && is(self.last_but_one, "on") {
            self.dropped_on_commit = true;
        }
        self.name(word, found);
    }

    fn first(&mut self, word: &[u8], found: &mut Inspection) {
        self.lead = Lead::Other;
        match word.len() {
            2 if is(word, "do") => found.effects |= Effects::SESSION,
            3 if is(word, "set") => {
                self.lead = Lead::Set;
                self.sets = true;
            }
            4 if is(word, "with") => self.lead = Lead::Read,
            4 if is(word, "load") => found.effects |= Effects::CONNECTION,
            5 if is(word, "reset") => {
                self.lead = Lead::Reset;
                found.effects |= Effects::RESET;
            }
            6 if is(word, "select") => self.lead = Lead::Read,
            6 if is(word, "create") => self.lead = Lead::Create,
            6 if is(word, "listen") => found.refused = Some("LISTEN"),
            7 if is(word, "prepare") => self.lead = Lead::Prepare,
            7 if is(word, "execute") => found.refused = Some("EXECUTE"),
            7 if is(word, "declare") => self.lead = Lead::Declare,
            7 if is(word, "discard") => found.effects |= Effects::SETTINGS | Effects::RESET,
            10 if is(word, "deallocate") => self.lead = Lead::Deallocate,
            _ => {}
        }
    }

    /// The word that decides about a statement that began with one of a few.
    fn second(&mut self, word: &[u8], found: &mut Inspection) {
        let lead = std::mem::replace(&mut self.lead, Lead::Other);
        match lead {
            Lead::Prepare if !is(word, "transaction") => found.refused = Some("PREPARE"),
            // The protocol's own statements are forgotten with it.
            Lead::Deallocate if is(word, "prepare") => self.lead = Lead::Deallocate,
            Lead::Deallocate if !is(word, "all") => found.refused = Some("DEALLOCATE of one statement"),
            Lead::Set if is_one_of(word, &["local", "transaction", "constraints"]) => {}
            Lead::Set if is(word, "session") => self.lead = Lead::SetSession,
            // Those that the origin reports are carried from connection to connection.
            Lead::Set | Lead::SetSession | Lead::Reset
                if tracked(word).is_none() && !is_one_of(word, &["time", "names"]) =>
            {
                found.effects |= Effects::SETTINGS;
            }
            _ => {}
        }
    }

    /// Names that mean something wherever they stand.
    fn name(&self, name: &[u8], found: &mut Inspection) {
        let Some(&first) = name.first() else { return };
        match first | 0x20 {
            b'p' if name.len() >= 7 && is(&name[..3], "pg_") => {
                let locks = [
                    "pg_advisory_lock",
                    "pg_advisory_lock_shared",
                    "pg_try_advisory_lock",
                    "pg_try_advisory_lock_shared",
                ];
                if is_one_of(name, &locks) {
                    found.refused =
                        Some("A session's advisory lock (one of a transaction, pg_advisory_xact_lock, is)");
                } else if is(&name[..7], "pg_temp") {
                    found.effects |= Effects::SESSION;
                }
            }
            b's' if looks_like_ours(name) && is_one_of(self.last, &["execute", "deallocate", "prepare"]) => {
                found.refused = Some("EXECUTE");
            }
            _ => {}
        }
    }

    fn finish(&self, found: &mut Inspection) {
        if self.temporary && !self.dropped_on_commit {
            found.refused = Some("A temporary table that is not ON COMMIT DROP");
        }
        if self.set_config.is_some() {
            found.effects |= Effects::SETTINGS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(sql: &str) -> Effects {
        let found = inspect(sql.as_bytes(), false);
        assert_eq!(found.refused, None, "{sql}");
        found.effects
    }

    fn refused(sql: &str) -> bool {
        inspect(sql.as_bytes(), false).refused.is_some()
    }

    #[test]
    fn what_ends_with_its_transaction_leaves_nothing() {
        for sql in [
            "select 1",
            "update t set x = 1; insert into temp values (1)",
            "begin; set local search_path = a; select set_config('a.b', 'c', true); commit",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "set constraints all deferred",
            "select pg_advisory_xact_lock(1), pg_advisory_unlock_all()",
            "create temp table x (a int) on commit drop",
            "create table temp (a int)",
            "declare c cursor for select 1",
            "declare c cursor without hold for select 1",
            "select 'listen', \"execute\", $$ set x = 1 $$ /* prepare */ -- load",
            "prepare transaction 'a'",
            "unlisten *; notify a",
            "deallocate all; deallocate prepare all",
            "grant execute on function f to me",
            "with a as (insert into temp values (1) returning 1) select * from a",
            "",
        ] {
            assert_eq!(effects(sql), Effects::NONE, "{sql}");
        }
    }

    #[test]
    fn settings_that_are_carried_along_leave_nothing_to_undo() {
        for sql in ["set timezone to 'UTC'", "SET TIME ZONE 'UTC'", "set session DateStyle = iso"] {
            assert_eq!(effects(sql), Effects::NONE, "{sql}");
        }
        for sql in [
            "reset client_encoding",
            "set timezone to default",
            "SET TIME ZONE DEFAULT",
            "set datestyle=DEFAULT",
        ] {
            assert_eq!(effects(sql), Effects::RESET, "{sql}");
        }
    }

    #[test]
    fn other_settings_and_roles_are_undone() {
        for sql in [
            "set search_path = a",
            "select 1; SET statement_timeout=0",
            "set session authorization me",
            "set role me",
            "set \"my.var\" = 1",
            "select set_config('a.b', 'c', false)",
            "select set_config('a.b', x, $1)",
            "select set_config('a.b', (select true), false)",
            "select set_config('a.b', ",
        ] {
            assert_eq!(effects(sql), Effects::SETTINGS, "{sql}");
        }
        for sql in ["reset all", "discard all", "set work_mem to default"] {
            assert_eq!(effects(sql), Effects::SETTINGS | Effects::RESET, "{sql}");
        }
        assert_eq!(effects("do $$ begin end $$"), Effects::SESSION);
        assert_eq!(effects("drop table pg_temp.x"), Effects::SESSION);
        assert_eq!(effects("load 'auto_explain'"), Effects::CONNECTION);
    }

    #[test]
    fn what_needs_a_session_is_refused() {
        for sql in [
            "listen a",
            "/* hidden */ LISTEN a",
            "select 1; listen a",
            "prepare a as select 1",
            "execute a",
            "explain execute selvedge_1",
            "create table x as execute selvedge_1",
            "deallocate a",
            "select pg_advisory_lock(1)",
            "select * from t where \"pg_try_advisory_lock\"(1)",
            "create temp table x (a int)",
            "CREATE OR REPLACE LOCAL TEMPORARY VIEW x AS SELECT 1",
            "create temp table x (a int) on commit delete rows",
            "select 1 into temp x",
            "with a as (select 1) select * into temporary table x from a",
            "declare c cursor with hold for select 1",
        ] {
            assert!(refused(sql), "{sql}");
        }
    }

    #[test]
    fn nothing_hides_behind_a_backslash() {
        assert!(refused(r"select '\'; listen a; --'"));
        assert_eq!(inspect(br"select '\'; listen a; --'", true).refused, None);
        assert!(!refused(r"select '\''; listen a; --'"));
        assert!(inspect(br"select '\''; listen a; --'", true).refused.is_some());
    }
}
