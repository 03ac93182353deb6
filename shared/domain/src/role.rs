//! Roles, and what each may do. One table says it for everything that a tenant's members and API keys can do.

use serde::{Deserialize, Serialize};

/// What a member or an API key is in its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Owner,
    /// Making and changing polls.
    Editor,
    /// Reading, hidden results included.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Owner, Role::Editor, Role::Viewer];

    /// Its word in tokens, in the API and in the authorizer's context.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Editor => "editor",
            Role::Viewer => "viewer",
        }
    }

    /// Parses that word. Returns `None` for any other, in another case too.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether the role may do this.
    pub fn may(self, operation: Operation) -> bool {
        let roles: &[Role] = match self::OPERATIONS.iter().find(|(known, _)| *known == operation) {
            Some((_, roles)) => roles,
            None => &[],
        };
        roles.contains(&self)
    }
}

/// What only a tenant's members and API keys can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they are named as the API's operations")]
pub enum Operation {
    ListPolls,
    SeeHiddenResults,
    GetUsage,
    GetRanking,
    GetVotesByDay,
    GetVotesBySegment,
    GetHistory,
    CreatePoll,
    CopyPoll,
    UpdatePoll,
    ClosePoll,
    PausePoll,
    ResumePoll,
    GetHiddenAnswers,
    HideAnswers,
    ListViews,
    CreateView,
    DeleteView,
    OfferPoll,
    WithdrawOffer,
    AcceptOffer,
    ListKeys,
    CreateKey,
    DeleteKey,
    ListAudit,
}

const ALL: &[Role] = &[Role::Owner, Role::Editor, Role::Viewer];
const EDITORS: &[Role] = &[Role::Owner, Role::Editor];
const OWNERS: &[Role] = &[Role::Owner];

/// Which roles may do what. Keys are editors or viewers, so what owners alone may do, no key may.
pub const OPERATIONS: &[(Operation, &[Role])] = &[
    (Operation::ListPolls, ALL),
    (Operation::SeeHiddenResults, ALL),
    (Operation::GetUsage, ALL),
    (Operation::GetRanking, ALL),
    (Operation::GetVotesByDay, ALL),
    (Operation::GetVotesBySegment, ALL),
    (Operation::GetHistory, ALL),
    (Operation::CreatePoll, EDITORS),
    (Operation::CopyPoll, EDITORS),
    (Operation::UpdatePoll, EDITORS),
    (Operation::ClosePoll, EDITORS),
    (Operation::PausePoll, EDITORS),
    (Operation::ResumePoll, EDITORS),
    (Operation::GetHiddenAnswers, EDITORS),
    (Operation::HideAnswers, EDITORS),
    (Operation::ListViews, EDITORS),
    (Operation::CreateView, EDITORS),
    (Operation::DeleteView, EDITORS),
    (Operation::OfferPoll, OWNERS),
    (Operation::WithdrawOffer, OWNERS),
    (Operation::AcceptOffer, OWNERS),
    (Operation::ListKeys, OWNERS),
    (Operation::CreateKey, OWNERS),
    (Operation::DeleteKey, OWNERS),
    (Operation::ListAudit, OWNERS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_word_and_no_other() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for word in ["", "Owner", "OWNER", "owner ", "admin"] {
            assert_eq!(Role::parse(word), None, "{word:?}");
        }
    }

    #[test]
    fn who_may_do_less_may_do_nothing_that_who_may_do_more_may_not() {
        for (operation, _) in OPERATIONS {
            let may = Role::ALL.map(|role| role.may(*operation));
            assert!(may.is_sorted_by(|more, less| more >= less), "{operation:?}: {may:?}");
            assert!(may[0], "an owner may do everything: {operation:?}");
        }
    }

    #[test]
    fn an_operation_is_listed_once() {
        for (operation, _) in OPERATIONS {
            assert_eq!(OPERATIONS.iter().filter(|(other, _)| other == operation).count(), 1, "{operation:?}");
        }
    }

    #[test]
    fn a_viewer_changes_nothing_and_an_editor_manages_polls_alone() {
        use Operation::*;
        assert_eq!(
            [ListPolls, SeeHiddenResults, CreatePoll, ListKeys].map(|it| Role::Viewer.may(it)),
            [true, true, false, false]
        );
        assert_eq!(
            [UpdatePoll, OfferPoll, CreateKey, ListAudit].map(|it| Role::Editor.may(it)),
            [true, false, false, false]
        );
    }
}
