//! Messages of the tally queue, made and read.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use landslide_domain::{
    ballot::Ballot,
    change::{Change, VoteId},
    ids::{PollId, VoterKey},
    lane::LaneKey,
    message::Message,
    time::Timestamp,
};

use super::time::now_ms;

/// Made-up first votes that are cast now, by the option that each names.
pub fn made_up_votes(options: impl IntoIterator<Item = u64>) -> Vec<Change> {
    let vote = |option| Change {
        id: VoteId::new(&VoterKey::from_bytes(fastrand::u128(..).to_be_bytes()), 1),
        cast_at: Timestamp::from_millis(now_ms()).unwrap(),
        from: None,
        to: Ballot::of_options(&[option]),
    };
    options.into_iter().map(vote).collect()
}

/// The body of a message of these changes.
pub fn message(poll: &str, lane: u8, changes: Vec<Change>) -> String {
    Message { lane: LaneKey { poll: PollId::parse(poll).unwrap(), lane }, changes }.encode()
}

/// The same message in a layout that comes later.
pub fn of_later_version(body: &str) -> String {
    let mut bytes = BASE64_STANDARD_NO_PAD.decode(body).unwrap();
    bytes[0] = 3;
    BASE64_STANDARD_NO_PAD.encode(bytes)
}

/// Whether a queue's message is one of a poll.
pub fn message_is_of(body: &str, poll: &str) -> bool {
    Message::decode(body).is_ok_and(|message| message.lane.poll.as_str() == poll)
}
