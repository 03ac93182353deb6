//! Polls: created, changed, closed and listed by their owners, shown to anyone.

mod change;
#[cfg(any(test, feature = "text"))]
mod create;
mod hidden;
mod list;
mod show;

#[cfg(any(test, feature = "text"))]
pub use self::create::{CreatedPoll, PollCreation};
pub use self::{
    change::PollChanges,
    hidden::HiddenList,
    list::{PollPage, TenantPolls},
    show::CurrentPolls,
};
