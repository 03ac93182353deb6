//! Members: who manages a tenant's polls, by an account's token or by an API key.

use serde::{Deserialize, Serialize};

use crate::{
    caller::Caller,
    error::Error,
    role::{Operation, Role},
    tenant::Tenant,
    time::Timestamp,
};

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Author {
    /// An account.
    Account {
        /// The token's issuer.
        issuer: String,
        /// The token's subject.
        subject: String,
    },
    /// An API key.
    Key {
        /// The key's id.
        id: String,
    },
    /// The operator of the stack, by the command line.
    Operator,
}

/// Someone who manages polls: whose, in which role and in which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// For whom.
    pub tenant: Tenant,
    /// In which role. If `None`, the member may do nothing.
    pub role: Option<Role>,
    /// Who it is.
    pub author: Author,
    /// The gateway's id of the request.
    pub request_id: String,
}

/// What was done to a poll, or to what belongs to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// A poll was created.
    #[serde(rename = "poll.created")]
    PollCreated,
    /// A poll's settings or labels changed.
    #[serde(rename = "poll.edited")]
    PollEdited,
    /// A poll was closed early.
    #[serde(rename = "poll.closed")]
    PollClosed,
    /// A poll was paused.
    #[serde(rename = "poll.paused")]
    PollPaused,
    /// A paused poll was resumed.
    #[serde(rename = "poll.resumed")]
    PollResumed,
    /// A poll was offered to another tenant.
    #[serde(rename = "poll.offered")]
    PollOffered,
    /// An offer was withdrawn.
    #[serde(rename = "poll.offer_withdrawn")]
    OfferWithdrawn,
    /// A poll went to another tenant.
    #[serde(rename = "poll.transferred")]
    PollTransferred,
    /// A change had an unknown outcome, so its revision was taken. Nothing else changed.
    #[serde(rename = "poll.change_given_up")]
    ChangeGivenUp,
    /// A view link was created.
    #[serde(rename = "view.created")]
    ViewCreated,
    /// A view link was deleted.
    #[serde(rename = "view.deleted")]
    ViewDeleted,
    /// An API key was created.
    #[serde(rename = "key.created")]
    KeyCreated,
    /// An API key was deleted.
    #[serde(rename = "key.deleted")]
    KeyDeleted,
    /// A tenant's limits were set.
    #[serde(rename = "limits.set")]
    LimitsSet,
}

/// What was done, by whom, when, and in which request. It is stored in the same write as what it was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// What was done.
    pub action: Action,
    /// Who did it.
    pub author: Author,
    /// When it was decided.
    pub at: Timestamp,
    /// The gateway's id of the request, or the operator's command.
    pub request_id: String,
}

impl Member {
    /// An account as the owner of its own polls.
    pub fn of_account(account: &Caller, request_id: &str) -> Self {
        Self {
            tenant: account.tenant(),
            role: Some(Role::Owner),
            author: Author::Account { issuer: account.issuer.clone(), subject: account.subject.clone() },
            request_id: request_id.to_owned(),
        }
    }

    /// Fails unless the member has a role that may do this.
    pub fn must(&self, operation: Operation) -> Result<(), Error> {
        match self.role {
            Some(role) if role.may(operation) => Ok(()),
            Some(role) => Err(Error::RoleForbids(role)),
            None => Err(Error::NoRole),
        }
    }

    /// The stamp for what the member does.
    pub fn stamp(&self, action: Action, at: Timestamp) -> Stamp {
        Stamp { action, author: self.author.clone(), at, request_id: self.request_id.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, owner};

    #[test]
    fn a_member_without_a_role_may_do_nothing() {
        let nobody = Member { role: None, ..owner() };
        for (operation, _) in crate::role::OPERATIONS {
            assert_eq!(nobody.must(*operation), Err(Error::NoRole));
            assert_eq!(owner().must(*operation), Ok(()));
        }
    }

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        for author in [owner().author, Author::Key { id: "k1".to_owned() }, Author::Operator] {
            let stamp = Stamp { author, ..owner().stamp(Action::OfferWithdrawn, at(1)) };
            let text = serde_json::to_string(&stamp).unwrap();
            assert!(text.contains("\"poll.offer_withdrawn\""), "{text}");
            assert_eq!(serde_json::from_str::<Stamp>(&text).unwrap(), stamp);
        }
    }
}
