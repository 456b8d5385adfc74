//! When a get or a put goes ahead: R2's table of conditions.

use selvedge_base::Millis;

use crate::{Error, Result};

/// One entry of an etag condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagMatcher {
    Strong(String),
    Weak(String),
    /// `*`: whatever the etag is.
    Any,
}

/// What must hold. An empty list or `None` asks for nothing; all that is asked must hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// One of them must match, compared strongly: a weak entry never does.
    pub etag_matches: Vec<EtagMatcher>,
    /// None of them may match, compared weakly.
    pub etag_does_not_match: Vec<EtagMatcher>,
    /// Milliseconds since the epoch: written strictly earlier. Waived by an etag that matches.
    pub uploaded_before: Option<i64>,
    /// Written strictly later. Waived by an `etag_does_not_match` that was given and holds.
    pub uploaded_after: Option<i64>,
    /// Compare times in whole seconds, as HTTP dates have them.
    pub seconds_granularity: bool,
}

impl Conditions {
    /// True when nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.etag_matches.is_empty()
            && self.etag_does_not_match.is_empty()
            && self.uploaded_before.is_none()
            && self.uploaded_after.is_none()
    }

    /// Refuses with [`Error::PreconditionFailed`] unless they hold.
    pub(crate) fn require(&self, existing: Option<(&str, Millis)>) -> Result<()> {
        if self.hold(existing) { Ok(()) } else { Err(Error::PreconditionFailed) }
    }

    /// `If-None-Match: *`: there is no such object yet.
    pub fn absent() -> Self {
        Self { etag_does_not_match: vec![EtagMatcher::Any], ..Self::default() }
    }

    /// Whether they hold for the object there is, given as etag and time of writing, or for there being none.
    pub fn hold(&self, existing: Option<(&str, Millis)>) -> bool {
        let Some((etag, uploaded)) = existing else {
            return self.etag_matches.is_empty() && self.uploaded_after.is_none();
        };
        let rounded = |ms: i64| if self.seconds_granularity { ms.div_euclid(1000) } else { ms };
        let written = rounded(i64::try_from(uploaded.0).unwrap_or(i64::MAX));
        let strong = |matcher: &EtagMatcher| match matcher {
            EtagMatcher::Strong(value) => value == etag,
            EtagMatcher::Weak(_) => false,
            EtagMatcher::Any => true,
        };
        let weak = |matcher: &EtagMatcher| match matcher {
            EtagMatcher::Strong(value) | EtagMatcher::Weak(value) => value == etag,
            EtagMatcher::Any => true,
        };
        let matches = self.etag_matches.is_empty() || self.etag_matches.iter().any(strong);
        let differs = !self.etag_does_not_match.iter().any(weak);
        let before = self.uploaded_before.is_none_or(|before| written < rounded(before));
        let after = self.uploaded_after.is_none_or(|after| rounded(after) < written);
        let waives_before = !self.etag_matches.is_empty();
        let waives_after = !self.etag_does_not_match.is_empty();
        matches && differs && (before || waives_before) && (after || waives_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Millis = Millis(5_500);

    fn strong(value: &str) -> Vec<EtagMatcher> {
        vec![EtagMatcher::Strong(value.to_owned())]
    }

    #[test]
    fn a_missing_object_meets_only_what_does_not_need_one() {
        assert!(Conditions::default().hold(None));
        let any = vec![EtagMatcher::Any];
        assert!(Conditions { etag_does_not_match: any.clone(), ..Conditions::default() }.hold(None));
        assert!(Conditions { uploaded_before: Some(0), ..Conditions::default() }.hold(None));
        assert!(!Conditions { etag_matches: any, ..Conditions::default() }.hold(None));
        assert!(!Conditions { uploaded_after: Some(0), ..Conditions::default() }.hold(None));
    }

    #[test]
    fn etags_match_strongly_and_differ_weakly() {
        let weak = vec![EtagMatcher::Weak("e".to_owned())];
        let hold = |conditions: Conditions| conditions.hold(Some(("e", AT)));
        assert!(hold(Conditions { etag_matches: strong("e"), ..Conditions::default() }));
        assert!(!hold(Conditions { etag_matches: strong("f"), ..Conditions::default() }));
        assert!(!hold(Conditions { etag_matches: weak.clone(), ..Conditions::default() }));
        assert!(!hold(Conditions { etag_does_not_match: weak, ..Conditions::default() }));
        assert!(!hold(Conditions { etag_does_not_match: vec![EtagMatcher::Any], ..Conditions::default() }));
        assert!(hold(Conditions { etag_does_not_match: strong("f"), ..Conditions::default() }));
    }

    #[test]
    fn times_are_strict_and_can_be_rounded_to_seconds() {
        let hold = |before, after, seconds| {
            let conditions = Conditions {
                uploaded_before: before,
                uploaded_after: after,
                seconds_granularity: seconds,
                ..Conditions::default()
            };
            conditions.hold(Some(("e", AT)))
        };
        assert!(hold(Some(5_501), Some(5_499), false));
        assert!(!hold(Some(5_500), None, false));
        assert!(!hold(None, Some(5_500), false));
        assert!(!hold(Some(5_999), None, true), "the same second");
        assert!(!hold(None, Some(5_000), true), "the same second");
        assert!(hold(Some(6_000), Some(4_999), true));
        assert!(hold(None, Some(-1), false));
    }

    #[test]
    fn an_etag_that_decides_waives_the_time() {
        let hold = |conditions: Conditions| conditions.hold(Some(("e", AT)));
        let late = Conditions { uploaded_before: Some(1), ..Conditions::default() };
        assert!(!hold(late.clone()));
        assert!(hold(Conditions { etag_matches: strong("e"), ..late.clone() }));
        assert!(!hold(Conditions { etag_does_not_match: strong("f"), ..late }), "the other pair");
        let early = Conditions { uploaded_after: Some(9_000), ..Conditions::default() };
        assert!(!hold(early.clone()));
        assert!(hold(Conditions { etag_does_not_match: strong("f"), ..early.clone() }));
        assert!(!hold(Conditions { etag_matches: strong("e"), ..early }), "the other pair");
    }
}
