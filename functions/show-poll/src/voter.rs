//! Who votes with a page.

use landslide_domain::caller::Caller;

/// A browser's device, or the account that has signed in there.
pub(crate) struct Voter {
    pub(crate) caller: Caller,
    /// What the page's forms say of their voter: a device's token, or an account's mark.
    pub(crate) mark: String,
    /// Whether it has just come into being, and so has no vote.
    pub(crate) is_new: bool,
}
