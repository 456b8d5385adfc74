//! The defaults of a client's transactions. Applications choose SERIALIZABLE once, when they connect, and rely on it:
//! forgetting that with the connection would cost them what they chose it for.

/// What a client has set; `None` where the connection's own default stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Characteristics {
    isolation: Option<Isolation>,
    read_only: Option<bool>,
    deferrable: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// No statement that is understood here is longer.
const LONGEST: usize = 256;

impl Characteristics {
    /// What stands after this statement has succeeded. `None` if it has nothing to do with them, or is not certain to
    /// succeed.
    pub(in super::super) fn after(self, sql: &[u8]) -> Option<Self> {
        let sql = sql.strip_suffix(b"\0").unwrap_or(sql);
        if sql.len() > LONGEST {
            return None;
        }
        let text = str::from_utf8(sql).ok()?.trim().trim_end_matches(';').to_ascii_lowercase();
        let spaced = text.replace(',', " , ").replace('=', " = ");
        let words: Vec<_> = spaced.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["set", "session", "characteristics", "as", "transaction", modes @ ..] => self.with_modes(modes),
            ["set", "session", name, "to" | "=", value @ ..] | ["set", name, "to" | "=", value @ ..] => {
                self.with(name, &value.join(" "))
            }
            ["reset" | "discard", "all"] => Some(Self::default()),
            ["reset", name] => self.with(name, "default"),
            _ => None,
        }
    }

    fn with_modes(mut self, mut modes: &[&str]) -> Option<Self> {
        loop {
            modes = match modes {
                ["isolation", "level", "read", "uncommitted", rest @ ..] => {
                    self.isolation = Some(Isolation::ReadUncommitted);
                    rest
                }
                ["isolation", "level", "read", "committed", rest @ ..] => {
                    self.isolation = Some(Isolation::ReadCommitted);
                    rest
                }
                ["isolation", "level", "repeatable", "read", rest @ ..] => {
                    self.isolation = Some(Isolation::RepeatableRead);
                    rest
                }
                ["isolation", "level", "serializable", rest @ ..] => {
                    self.isolation = Some(Isolation::Serializable);
                    rest
                }
                ["read", mode @ ("only" | "write"), rest @ ..] => {
                    self.read_only = Some(*mode == "only");
                    rest
                }
                ["deferrable", rest @ ..] => {
                    self.deferrable = Some(true);
                    rest
                }
                ["not", "deferrable", rest @ ..] => {
                    self.deferrable = Some(false);
                    rest
                }
                _ => return None,
            };
            modes = match modes {
                [] => return Some(self),
                // The commas between them may be left out.
                [",", rest @ ..] | rest => rest,
            };
        }
    }

    fn with(mut self, name: &str, value: &str) -> Option<Self> {
        let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
        let switch = || match value {
            "on" | "true" => Some(Some(true)),
            "off" | "false" => Some(Some(false)),
            "default" => Some(None),
            _ => None,
        };
        match name {
            "default_transaction_isolation" => {
                self.isolation = match value {
                    "read uncommitted" => Some(Isolation::ReadUncommitted),
                    "read committed" => Some(Isolation::ReadCommitted),
                    "repeatable read" => Some(Isolation::RepeatableRead),
                    "serializable" => Some(Isolation::Serializable),
                    "default" => None,
                    _ => return None,
                };
            }
            "default_transaction_read_only" => self.read_only = switch()?,
            "default_transaction_deferrable" => self.deferrable = switch()?,
            _ => return None,
        }
        Some(self)
    }

    pub(in super::super) fn are_default(self) -> bool {
        self == Self::default()
    }

    /// Adds the statements that give a connection what differs from its own defaults.
    pub(in super::super) fn push(self, sql: &mut Vec<u8>) {
        let mut set = |name: &str, value: &str| {
            sql.extend_from_slice(format!("SET default_transaction_{name} = '{value}'; ").as_bytes());
        };
        let switch = |on: bool| if on { "on" } else { "off" };
        if let Some(isolation) = self.isolation {
            set(
                "isolation",
                match isolation {
                    Isolation::ReadUncommitted => "read uncommitted",
                    Isolation::ReadCommitted => "read committed",
                    Isolation::RepeatableRead => "repeatable read",
                    Isolation::Serializable => "serializable",
                },
            );
        }
        if let Some(on) = self.read_only {
            set("read_only", switch(on));
        }
        if let Some(on) = self.deferrable {
            set("deferrable", switch(on));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(statements: &[&str]) -> String {
        let all = statements.iter().fold(Characteristics::default(), |before, sql| {
            before.after(sql.as_bytes()).unwrap_or_else(|| panic!("{sql}"))
        });
        let mut sql = Vec::new();
        all.push(&mut sql);
        String::from_utf8(sql).unwrap()
    }

    #[test]
    fn every_way_of_setting_them_is_understood() {
        let isolation = "SET default_transaction_isolation = 'serializable'; ";
        for sql in [
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE\0",
            "set default_transaction_isolation to 'serializable'",
            " SET SESSION default_transaction_isolation=serializable; ",
        ] {
            assert_eq!(after(&[sql]), isolation, "{sql}");
        }
        let all = "set session characteristics as transaction read only, deferrable isolation level repeatable read";
        assert_eq!(
            after(&[all]),
            "SET default_transaction_isolation = 'repeatable read'; SET default_transaction_read_only = 'on'; \
             SET default_transaction_deferrable = 'on'; "
        );
        assert_eq!(
            after(&[all, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE, NOT DEFERRABLE"]),
            "SET default_transaction_isolation = 'repeatable read'; SET default_transaction_read_only = 'off'; \
             SET default_transaction_deferrable = 'off'; "
        );
        assert_eq!(after(&[all, "SET default_transaction_read_only = off"]).matches("'off'").count(), 1);
    }

    #[test]
    fn what_undoes_them_undoes_them() {
        let set = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY";
        for undone in ["RESET ALL", "discard all;"] {
            assert_eq!(after(&[set, undone]), "", "{undone}");
        }
        for undone in ["RESET default_transaction_read_only", "SET default_transaction_read_only TO DEFAULT"]
        {
            assert_eq!(after(&[set, undone]), "SET default_transaction_isolation = 'read committed'; ");
        }
    }

    #[test]
    fn what_may_fail_or_means_something_else_is_left_alone() {
        for sql in [
            "SET SESSION CHARACTERISTICS AS TRANSACTION",
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL CHAOS",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SELECT 1",
            "SET default_transaction_isolation = 'x'",
            "SET default_transaction_read_only = 'on', 'off'",
            "SET LOCAL default_transaction_read_only = on",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET work_mem = '1MB'",
            "RESET work_mem",
            "DISCARD PLANS",
            "SELECT 1",
            "",
        ] {
            assert_eq!(Characteristics::default().after(sql.as_bytes()), None, "{sql}");
        }
    }
}
