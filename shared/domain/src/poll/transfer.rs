//! Passing a poll on: its tenant offers it to another one, which accepts.

use super::Poll;
use crate::{error::Error, field_error::FieldError, tenant::Tenant};

/// Offers the poll to a tenant. If it is offered to that one already, returns the very poll. Fails if it is that tenant's.
pub fn offer(poll: &Poll, to: &Tenant) -> Result<Poll, Error> {
    if poll.rules.is_of(to) {
        return Err(Error::InvalidFields(vec![FieldError::new("/value", "names the tenant that has the poll")]));
    }
    let mut offered = poll.clone();
    offered.rules.settings.offered_to = Some(to.key());
    Ok(changed(poll, offered))
}

/// Withdraws the offer. If there is none, returns the very poll.
pub fn withdraw(poll: &Poll) -> Poll {
    let mut withdrawn = poll.clone();
    withdrawn.rules.settings.offered_to = None;
    changed(poll, withdrawn)
}

/// The reason given to a poll's own tenant that accepts it while it is offered to another one.
const OFFERED_ELSEWHERE: &str =
    "The poll is your tenant's already, and is offered to another one. Withdraw the offer to keep it.";

/// Makes the poll the tenant's that it is offered to. If it is the tenant's already, returns the very poll, unless it is
/// offered to another one. Fails as for anybody else's poll if it is not offered to this tenant.
pub fn accept(poll: &Poll, by: &Tenant) -> Result<Poll, Error> {
    let offered_to = poll.rules.settings.offered_to.as_ref();
    if poll.rules.is_of(by) {
        return match offered_to {
            Some(_) => Err(Error::NotEditable(OFFERED_ELSEWHERE.to_owned())),
            None => Ok(poll.clone()),
        };
    }
    let accepts = offered_to.filter(|offered_to| **offered_to == by.key()).ok_or(Error::NotOwner)?;
    let mut accepted = poll.clone();
    accepted.rules.tenant = accepts.clone();
    accepted.rules.settings.offered_to = None;
    Ok(changed(poll, accepted))
}

/// The changed poll under its next revision; the very poll if nothing changes.
fn changed(poll: &Poll, mut changed: Poll) -> Poll {
    if changed != *poll {
        changed.rules.settings.revision += 1;
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        poll::{closing::close, edit::EditPoll, pausing::pause},
        tenant::TenantKind,
        testing::{at, owner, poll_asked_for},
    };

    fn acme() -> Tenant {
        Tenant::new("https://id.example.org", TenantKind::Organisation, "acme").unwrap()
    }

    fn poll() -> Poll {
        poll_asked_for(json!({"question": "Q", "options": ["a", "b"]}), at(0)).unwrap()
    }

    fn offered() -> Poll {
        offer(&poll(), &acme()).unwrap()
    }

    #[test]
    fn an_offer_moves_nothing_until_it_is_accepted() {
        let offered = offered();
        assert_eq!((offered.rules.settings.revision, &offered.rules.tenant), (2, &owner().tenant.key()));
        assert_eq!(offer(&offered, &acme()), Ok(offered.clone()), "the same again");
        let accepted = accept(&offered, &acme()).unwrap();
        assert_eq!((accepted.rules.settings.revision, &accepted.rules.tenant), (3, &acme().key()));
        assert_eq!((accepted.rules.settings.offered_to.clone(), accepted.rules.options_revision), (None, 1));
        assert_eq!(accept(&accepted, &acme()), Ok(accepted.clone()), "the same again");
        assert_eq!(accept(&accepted, &owner().tenant), Err(Error::NotOwner), "there is no way back without an offer");
    }

    #[test]
    fn a_polls_own_tenant_is_told_that_it_is_offered_to_another_one() {
        let Err(Error::NotEditable(detail)) = accept(&offered(), &owner().tenant) else { panic!("it was accepted") };
        assert!(detail.contains("Withdraw"), "{detail}");
        assert_eq!(
            accept(&poll(), &owner().tenant),
            Ok(poll()),
            "there is nothing to accept, and nothing else to tell"
        );
    }

    #[test]
    fn nobody_accepts_what_is_not_offered_to_them() {
        let namesake = Tenant { kind: TenantKind::Account, ..acme() };
        for tenant in [namesake, Tenant { issuer: "https://other.example.org".to_owned(), ..acme() }] {
            assert_eq!(accept(&offered(), &tenant), Err(Error::NotOwner), "{tenant}");
        }
        assert_eq!(accept(&poll(), &acme()), Err(Error::NotOwner));
        assert_eq!(accept(&withdraw(&offered()), &acme()), Err(Error::NotOwner));
    }

    #[test]
    fn an_offer_is_withdrawn_once_and_replaced_by_another() {
        let withdrawn = withdraw(&offered());
        assert_eq!((withdrawn.rules.settings.revision, &withdrawn.rules.settings.offered_to), (3, &None));
        assert_eq!(withdraw(&withdrawn), withdrawn);
        let other = Tenant { value: "other".to_owned(), ..acme() };
        let replaced = offer(&offered(), &other).unwrap();
        assert_eq!(accept(&replaced, &acme()), Err(Error::NotOwner));
        assert!(accept(&replaced, &other).is_ok());
    }

    #[test]
    fn a_poll_is_not_offered_to_its_own_tenant() {
        let Err(Error::InvalidFields(errors)) = offer(&poll(), &owner().tenant) else { panic!("it was") };
        assert_eq!(errors[0].pointer, "/value");
    }

    #[test]
    fn a_poll_that_is_edited_paused_and_closed_stays_offered() {
        let edit: EditPoll = serde_json::from_value(json!({"peak_votes_per_second": 9_000})).unwrap();
        let edited = edit.apply(&offered(), at(1), false).unwrap();
        let closed = close(&pause(&edited, at(2), false), at(3), false);
        assert_eq!((closed.rules.settings.revision, closed.rules.settings.offered_to), (5, Some(acme().key())));
    }
}
