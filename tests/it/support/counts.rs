//! What results say, and what they should say by the votes that are stored.

use serde_json::Value;

use super::aws::StoredVote;

/// What results say, or should say.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts {
    ballots: u64,
    by_option: Vec<u64>,
    as_of: Option<String>,
}

impl Counts {
    /// What results say.
    pub fn shown(results: &Value) -> Self {
        let as_of = results["as_of"].as_str().map(str::to_owned);
        Self { ballots: results["ballots"].as_u64().unwrap(), by_option: votes_by_option(results), as_of }
    }

    /// Recounts votes for the options of these results. A retracted vote counts for no option, but still for `as_of`.
    pub fn of_votes(votes: &[StoredVote], results: &Value) -> Self {
        let stand = votes.iter().filter(|vote| !vote.choices.is_empty());
        let count =
            |id: &u64| votes.iter().flat_map(|vote| &vote.choices).filter(|choice| *choice == id).count() as u64;
        let ids = results["options"].as_array().unwrap().iter().map(|option| option["id"].as_u64().unwrap());
        Self {
            ballots: stand.count() as u64,
            by_option: ids.map(|id| count(&id)).collect(),
            as_of: votes.iter().map(|vote| vote.cast_at.to_string()).max(),
        }
    }
}

/// Votes for each option, in the order of the options.
pub fn votes_by_option(results: &Value) -> Vec<u64> {
    results["options"].as_array().unwrap().iter().map(|option| option["votes"].as_u64().unwrap()).collect()
}
