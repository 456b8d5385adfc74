//! Telling an error.

use std::error::Error;

/// `error` and everything that caused it, on one line: for logs.
pub fn on_one_line(error: &(dyn Error + 'static)) -> String {
    chain(error, ": ")
}

/// `error` and everything that caused it, a line each: for people.
pub fn on_lines(error: &(dyn Error + 'static)) -> String {
    chain(error, "\n  caused by: ")
}

fn chain(error: &(dyn Error + 'static), between: &str) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<Link>>);

    impl std::fmt::Display for Link {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|link| link as _)
        }
    }

    #[test]
    fn a_chain_goes_from_the_error_to_its_first_cause() {
        let error = Link("outer", Some(Box::new(Link("inner", Some(Box::new(Link("first", None)))))));
        assert_eq!(on_one_line(&error), "outer: inner: first");
        assert_eq!(on_lines(&error), "outer\n  caused by: inner\n  caused by: first");
    }
}
