//! View links: who has one sees one poll's results, hidden ones too, until a date.

use serde::{Deserialize, Serialize};

use crate::{
    audit::{Difference, Entry, Object},
    field_error::FieldError,
    ids::PollId,
    member::{Action, Author, Member},
    opaque_token::{DELETION_MS, TokenId},
    time::{DAY_MS, Timestamp},
};

/// The most links of a poll. Links that are created at the same moment may pass it by a few.
pub const VIEWS_MAX: usize = 100;
/// For how long a link lives, unless it says otherwise.
const LIFE_DEFAULT_MS: u64 = 30 * DAY_MS;
/// The most days for which a link lives.
const LIFE_DAYS_MAX: u64 = 400;

/// The body of `POST /v1/polls/{poll_id}/views` as sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateView {
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// A link, as its poll's tenant sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ViewLink {
    /// Its id.
    pub view_id: TokenId,
    /// The poll whose results it shows.
    pub poll_id: PollId,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: Author,
    /// Until when it may be used.
    pub expires_at: Timestamp,
}

/// A new link, with what is shown of it once.
#[derive(Serialize)]
pub struct CreatedView {
    /// The link as lists show it.
    #[serde(flatten)]
    pub listed: ViewLink,
    /// Its token.
    pub token: String,
}

/// What became of a link that was deleted.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct DeletedView {
    /// The link's id.
    pub view_id: TokenId,
    /// From when on it is refused.
    pub effective_at: Timestamp,
}

impl DeletedView {
    /// A link that is deleted by now.
    pub fn new(view_id: TokenId, now: Timestamp) -> Self {
        Self { view_id, effective_at: now.plus_millis(DELETION_MS) }
    }
}

impl CreateView {
    /// The link to a poll, with this id, made by a member at `now`. Fails if its end is past or too far ahead.
    pub fn create(
        self,
        view_id: TokenId,
        poll_id: PollId,
        member: &Member,
        now: Timestamp,
    ) -> Result<ViewLink, FieldError> {
        let expires_at = self.expires_at.unwrap_or(now.plus_millis(LIFE_DEFAULT_MS));
        if expires_at <= now {
            return Err(FieldError::new("/expires_at", "must be in the future"));
        }
        if expires_at > now.plus_millis(LIFE_DAYS_MAX * DAY_MS) {
            return Err(FieldError::new("/expires_at", format!("must be at most {LIFE_DAYS_MAX} days ahead")));
        }
        Ok(ViewLink { view_id, poll_id, created_at: now, created_by: member.author.clone(), expires_at })
    }
}

impl ViewLink {
    /// What the audit log keeps of its creation.
    pub fn created(&self, member: &Member) -> Entry {
        let expires_at = Difference { from: serde_json::Value::Null, to: self.expires_at.to_string().into() };
        Entry {
            changes: [("expires_at".to_owned(), expires_at)].into(),
            ..entry(member, Action::ViewCreated, self.view_id, &self.poll_id, self.created_at)
        }
    }
}

/// What the audit log keeps of a link's deletion.
pub fn deleted(view: TokenId, poll_id: &PollId, member: &Member, now: Timestamp) -> Entry {
    entry(member, Action::ViewDeleted, view, poll_id, now)
}

fn entry(member: &Member, action: Action, view: TokenId, poll_id: &PollId, at: Timestamp) -> Entry {
    let object = Object::View { poll_id: poll_id.clone(), view_id: view.to_string() };
    Entry::of_request(member.stamp(action, at), object)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{at, owner};

    fn asked(body: Value) -> Result<ViewLink, String> {
        let asked: CreateView = serde_json::from_value(body).map_err(|error| error.to_string())?;
        let created = asked.create(TokenId::from_bytes([1; 10]), PollId::parse("p1").unwrap(), &owner(), at(0));
        created.map_err(|error| format!("{} {}", error.pointer, error.detail))
    }

    #[test]
    fn the_log_keeps_a_new_links_end() {
        let entry = asked(json!({"expires_at": at(9)})).unwrap().created(&owner());
        let entry = serde_json::to_value(entry).unwrap();
        assert_eq!(entry["changes"], json!({"expires_at": {"from": null, "to": at(9)}}));
    }

    #[test]
    fn a_link_lives_for_thirty_days_or_until_a_time_within_four_hundred() {
        let day = 24 * 60 * 60;
        for (body, end) in [
            (json!({}), at(30 * day)),
            (json!({"expires_at": null}), at(30 * day)),
            (json!({"expires_at": at(1)}), at(1)),
            (json!({"expires_at": at(400 * day)}), at(400 * day)),
        ] {
            assert_eq!(asked(body).unwrap().expires_at, end);
        }
        assert_eq!(asked(json!({"expires_at": at(0)})), Err("/expires_at must be in the future".to_owned()));
        let late = asked(json!({"expires_at": at(400 * day + 1)}));
        assert_eq!(late, Err("/expires_at must be at most 400 days ahead".to_owned()));
        assert!(asked(json!({"poll_id": "p2"})).is_err());
    }
}
