//! Who reads a page, and votes with it.

use landslide_domain::caller::Caller;

/// A browser's device, or the account that has signed in there.
pub(crate) struct Voter {
    pub(crate) caller: Caller,
    /// What the page's forms say of their voter: a device's token, or an account's mark.
    pub(crate) mark: String,
}

/// Who reads a page.
pub(crate) enum Reader {
    /// Somebody who can't vote with it.
    Nobody,
    /// A device that comes into being with the page, and so has no vote; its token.
    New(String),
    /// One who may have voted.
    Voter(Voter),
}

impl Reader {
    /// Who may have voted.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Nobody | Self::New(_) => None,
            Self::Voter(voter) => Some(&voter.caller),
        }
    }

    /// What the page's forms say of their voter.
    pub(crate) fn mark(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::New(token) => Some(token),
            Self::Voter(voter) => Some(&voter.mark),
        }
    }
}
