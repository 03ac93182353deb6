use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use aws_types::SdkConfig;
use serde_json::{Value, json};

use super::{Answer, Calls, stub};

/// The tables of one poll of two options, which anyone may see: as many votes as a test says, all for the first option.
#[derive(Clone, Debug, Default)]
pub struct OnePoll {
    votes: Arc<AtomicU64>,
    edits: Arc<AtomicU64>,
    is_away: Arc<AtomicBool>,
}

impl OnePoll {
    /// The poll's id.
    pub const ID: &str = "p1";

    /// Counts this many votes, by as many versions.
    pub fn count(&self, votes: u64) {
        self.votes.store(votes, Ordering::SeqCst);
    }

    /// How many votes are counted.
    pub fn counted(&self) -> u64 {
        self.votes.load(Ordering::SeqCst)
    }

    /// Writes the poll's next revision.
    pub fn edit(&self) {
        self.edits.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether all calls fail from now on.
    pub fn go_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// A configuration whose clients read results from these tables, and their calls.
    pub fn stub(&self) -> (SdkConfig, Calls) {
        let tables = self.clone();
        stub(move |_, _| tables.answer())
    }

    fn answer(&self) -> Answer {
        if self.is_away.load(Ordering::SeqCst) {
            return Answer::Refused("ValidationException", json!({}));
        }
        Answer::Ok(self.read())
    }

    /// DynamoDB's response to the read of its results, as text.
    pub fn response(&self) -> String {
        self.read().to_string()
    }

    fn read(&self) -> Value {
        let votes = json!({"N": self.counted().to_string()});
        let count = json!({
            "poll_lane": {"S": format!("{}#0", Self::ID)}, "item": {"S": "COUNT"},
            "version": votes, "ballots": votes, "o0": votes,
        });
        let [rules, options] = self.poll();
        json!({"Responses": {"polls": [rules, options], "tallies": [count]}, "UnprocessedKeys": {}})
    }

    fn poll(&self) -> [Value; 2] {
        let bytes = json!({"B": "A".repeat(43) + "="});
        let revision = json!({"N": (1 + self.edits.load(Ordering::SeqCst)).to_string()});
        let rules = json!({
            "poll_id": {"S": Self::ID}, "item": {"S": "RULES"}, "owner": {"S": "https://id.example.org owner"},
            "owner_order": {"S": format!("001790000000000#{}", Self::ID)}, "question": {"S": "Q"}, "kind": {"S": "single"},
            "options": {"N": "2"}, "max_choices": {"N": "1"}, "identity": {"S": "device"},
            "vote_change": {"S": "until_close"}, "results": {"S": "always"}, "peak_votes_per_second": {"N": "10"},
            "lanes": {"N": "1"}, "salt": bytes, "revision": revision, "created_at": {"N": "1790000000000"},
            "request_hash": bytes,
        });
        let labels = json!({"L": [{"S": "a"}, {"S": "b"}]});
        let of_poll = json!({"S": Self::ID});
        [rules, json!({"poll_id": of_poll, "item": {"S": "OPTIONS"}, "revision": revision, "options": labels})]
    }
}
