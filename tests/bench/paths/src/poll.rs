//! The poll, as the domain has it.

use landslide_domain::{
    caller::{Caller, TokenKind},
    claims::Claims,
    ids::PollId,
    member::{Action, Member},
    method::LotSeed,
    poll::{
        Poll,
        request::{CreatePoll, Drawn},
    },
    time::Timestamp,
};
use serde_json::json;

use crate::votes::{LANES, POLL};

/// The poll that everybody votes in, if it were of this kind, with this number of options.
pub fn poll(kind: &str, options: u8) -> Poll {
    let labels: Vec<String> = (0..options).map(|id| format!("Contestant number {id}")).collect();
    let body = json!({"question": "Who should win tonight?", "options": labels, "kind": kind});
    let asked: CreatePoll = serde_json::from_value(body).unwrap();
    let account = Caller {
        issuer: "https://id.example.org".to_owned(),
        subject: "owner".to_owned(),
        kind: TokenKind::Account,
        expires_at: Timestamp::EPOCH,
        claims: Claims::default(),
    };
    let owner = Member::of_account(&account, "request");
    let stamp = owner.stamp(Action::PollCreated, Timestamp::EPOCH);
    let id = PollId::parse(POLL).unwrap();
    let drawn = Drawn { salt: [7; 32], lot_seed: LotSeed::from_bytes([7; 32]) };
    let Ok(poll) = asked.validate().unwrap().create(id, &owner.tenant, stamp, drawn, LANES, Timestamp::EPOCH) else {
        panic!("the poll is not valid")
    };
    poll
}
