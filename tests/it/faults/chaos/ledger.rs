//! What voters were told, held against what is stored and counted.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::Display,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use landslide_cli::api::Cast;
use landslide_domain::{
    caller::{Caller, TokenKind},
    claims::Claims,
    ids::VoterKey,
    time::Timestamp,
};
use landslide_load::voters::Voter;
use serde_json::{Value, json};

use crate::support::{App, audit};

/// What there is to choose in a poll.
pub const OPTIONS: usize = 3;
/// The pause between two audits.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// The voters of a poll, and what they were answered.
#[derive(Default)]
pub struct Ledger {
    voters: RefCell<HashMap<String, Entry>>,
}

struct Entry {
    token: String,
    /// The options that the voter has tried to have, in order.
    tried: Vec<usize>,
    /// How many of these were acknowledged by a 2xx.
    acknowledged: usize,
}

/// What is wrong, in votes. One vote may be wrong in several views, so each number is the largest that one view shows:
/// a lower bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Acknowledged votes that are not stored, and stored ones that are not counted.
    pub lost: u64,
    /// Votes that were counted more than once.
    pub double: u64,
}

impl Ledger {
    /// Writes down what became of a vote or of a change.
    pub fn write(&self, voter: &Voter, outcome: Result<Cast, impl Display>) {
        let mut voters = self.voters.borrow_mut();
        let entry = voters.entry(voter.subject.clone()).or_insert_with(|| Entry {
            token: voter.token.clone(),
            tried: Vec::new(),
            acknowledged: 0,
        });
        let choice = if entry.tried.is_empty() { voter.choice } else { voter.change.unwrap() };
        entry.tried.push(choice);
        match outcome {
            Ok(_) => entry.acknowledged += 1,
            Err(error) => eprintln!("no 2xx: {error:#}"),
        }
    }

    /// Voters.
    pub fn voters(&self) -> u64 {
        self.voters.borrow().len() as u64
    }

    /// Votes and changes that were sent, each counted once.
    pub fn sent(&self) -> u64 {
        self.voters.borrow().values().map(|entry| entry.tried.len() as u64).sum()
    }

    /// Votes and changes that were acknowledged by a 2xx.
    pub fn acknowledged(&self) -> u64 {
        self.voters.borrow().values().map(|entry| entry.acknowledged as u64).sum()
    }

    /// Each voter's last choice, with the token to send it again.
    pub fn last_choices(&self) -> Vec<(String, u64)> {
        let voters = self.voters.borrow();
        voters.values().map(|entry| (entry.token.clone(), *entry.tried.last().unwrap() as u64)).collect()
    }

    /// Holds a poll's vote items and counts against what was acknowledged: vote by vote, and by an audit, which looks at each
    /// counted id. Looks again until all is well, or that time has come. Prints whatever is wrong then.
    pub async fn difference(&self, app: &App, poll: &str, settled_by: Instant) -> Difference {
        let (mut code, mut document) = audit(app, poll, &[]);
        while code != 0 && Instant::now() < settled_by {
            tokio::time::sleep(LOOK_PAUSE).await;
            (code, document) = audit(app, poll, &[]);
        }
        let expected = self.expected();
        let (mut too_few, mut too_many) = (0, 0);
        for (option, expected) in (0..).zip(expected) {
            let counted = document["shown"][format!("o{option}")].as_u64().unwrap_or_default();
            too_few += expected.saturating_sub(counted);
            too_many += counted.saturating_sub(expected);
        }
        let number = |name: &str| document[name].as_u64().unwrap();
        let lost = self.not_stored(app, poll).await.max(too_few).max(number("missing"));
        let difference = Difference { lost, double: too_many.max(number("twice")) };
        let is_clean = (code, &document["verdict"], &document["votes"]) == (0, &json!("exact"), &json!(self.voters()));
        if !is_clean || difference != Difference::default() {
            eprintln!("poll {poll}: {} voters chose {expected:?}; audit: {code} {document}", self.voters());
        }
        assert!(is_clean || difference != Difference::default(), "the audit of poll {poll} is not clean");
        difference
    }

    /// Last choices by option.
    fn expected(&self) -> [u64; OPTIONS] {
        let mut expected = [0; OPTIONS];
        self.voters.borrow().values().for_each(|entry| expected[*entry.tried.last().unwrap()] += 1);
        expected
    }

    /// How many last choices are not in the table.
    async fn not_stored(&self, app: &App, poll: &str) -> u64 {
        let rules = app.aws.poll_item(poll, "RULES").await;
        let votes = app.aws.votes_of(poll).await;
        let stored: HashMap<&str, &[u64]> = votes.iter().map(|vote| (vote.voter.as_str(), &vote.choices[..])).collect();
        let mut lost = 0;
        for (subject, entry) in &*self.voters.borrow() {
            let choice = *entry.tried.last().unwrap() as u64;
            let found = stored.get(voter_key(app, subject, &rules).as_str());
            if found != Some(&&[choice][..]) {
                eprintln!("poll {poll}: {subject} chose {choice}, stored is {found:?}");
                lost += 1;
            }
        }
        lost
    }
}

/// The key under which a voter's vote is stored.
fn voter_key(app: &App, subject: &str, rules: &Value) -> String {
    let context = app.issuer.authorized(subject);
    let caller = Caller {
        issuer: context["issuer"].as_str().unwrap().to_owned(),
        subject: subject.to_owned(),
        kind: TokenKind::Account,
        expires_at: Timestamp::EPOCH,
        claims: Claims::default(),
    };
    let salt = BASE64_STANDARD.decode(rules["salt"]["B"].as_str().unwrap()).unwrap();
    VoterKey::of(&caller, &salt.try_into().unwrap()).to_string()
}
