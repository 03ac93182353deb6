//! Who asks for results that not everyone may see.

use crate::{caller::Caller, ids::PollId, member::Member, poll::Rules, role::Operation};

/// Who asks for results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// A voter, who may be a tenant's member too.
    Voter(Caller, Option<Member>),
    /// An API key of a tenant.
    Key(Member),
    /// Anyone who has the view link of this poll.
    Link(PollId),
}

impl Viewer {
    /// Whether the viewer may see the poll's results at any time, whatever the poll says.
    pub fn sees_hidden_results(&self, rules: &Rules) -> bool {
        match self {
            Viewer::Link(poll) => *poll == rules.settings.poll_id,
            Viewer::Voter(..) | Viewer::Key(_) => self.is_of_tenant(rules),
        }
    }

    /// Whether the viewer is a member of the poll's tenant who may see its results.
    pub fn is_of_tenant(&self, rules: &Rules) -> bool {
        let member = match self {
            Viewer::Link(_) | Viewer::Voter(_, None) => return false,
            Viewer::Voter(_, Some(member)) | Viewer::Key(member) => member,
        };
        member.must(Operation::SeeHiddenResults).is_ok() && rules.is_of(&member.tenant)
    }

    /// The viewer as somebody who may have voted.
    pub fn voter(&self) -> Option<&Caller> {
        match self {
            Viewer::Voter(caller, _) => Some(caller),
            Viewer::Key(_) | Viewer::Link(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        member::Author,
        role::Role,
        testing::{account, at, owner, poll_asked_for},
    };

    #[test]
    fn only_a_voter_may_have_voted() {
        let alice = account("alice");
        assert_eq!(Viewer::Voter(alice.clone(), Some(owner())).voter(), Some(&alice));
        assert_eq!(Viewer::Key(owner()).voter(), None);
        assert_eq!(Viewer::Link(PollId::parse("p1").unwrap()).voter(), None);
    }

    #[test]
    fn members_of_the_polls_tenant_and_holders_of_its_link_see_hidden_results() {
        let rules = poll_asked_for(json!({"question": "Q", "options": ["a", "b"]}), at(0)).unwrap().rules;
        let key = Member { role: Some(Role::Viewer), author: Author::Key { id: "k1".to_owned() }, ..owner() };
        let other = Member::of_account(&account("other"), "r1");
        for (viewer, sees) in [
            (Viewer::Voter(account("owner"), None), false),
            (Viewer::Voter(account("alice"), Some(owner())), true),
            (Viewer::Voter(account("owner"), Some(Member { role: None, ..owner() })), false),
            (Viewer::Voter(account("other"), Some(other)), false),
            (Viewer::Key(key.clone()), true),
            (Viewer::Key(Member { role: None, ..key }), false),
            (Viewer::Link(PollId::parse("p1").unwrap()), true),
            (Viewer::Link(PollId::parse("p2").unwrap()), false),
        ] {
            assert_eq!(viewer.sees_hidden_results(&rules), sees, "{viewer:?}");
        }
    }
}
