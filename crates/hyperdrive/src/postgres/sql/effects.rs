use std::ops::{BitOr, BitOrAssign};

/// What a statement leaves behind on its connection, and so what has to be done before the next client gets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Effects(u8);

impl Effects {
    pub(in super::super) const NONE: Self = Self(0);
    /// Settings or the role: `RESET ALL` undoes it.
    pub(in super::super) const SETTINGS: Self = Self(1);
    /// Anything in the session: `DISCARD ALL` undoes it.
    pub(in super::super) const SESSION: Self = Self(2);
    /// Something that lasts as long as the connection.
    pub(in super::super) const CONNECTION: Self = Self(4);
    /// Settings may have gone back to what the connection was opened with. Leaves nothing to undo.
    pub(in super::super) const RESET: Self = Self(8);

    pub(in super::super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(in super::super) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Effects {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Effects {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
