//! Assembles a ranked poll's results from its lanes, so that no reader has to.
//!
//! It keeps what it has read and summed up: a run never changes. Anyone may call it at any time, and twice: what is
//! stored only goes forwards in every lane.

mod sums;

use std::sync::Arc;

use landslide_aws::{
    clock,
    config::ConfigError,
    sdk,
    store::{AssembledStore, PackedDocument, ResultsStore, StoreError, TallyStore},
};
use landslide_domain::{
    entries::Entries,
    ids::PollId,
    poll::{Kind, Rules},
    results::assembled::assemble,
    runs::Dropped,
    tally::Count,
};

pub use self::sums::{Summed, Sums};
use crate::tallies::reading::ReadError;

/// The longest document, as it is stored. DynamoDB's items have 400 KB.
const PACKED_BYTES_MAX: usize = 300 * 1024;
/// How long results count as current, in milliseconds.
const CURRENT_MS: u64 = 1_000;

/// Why results were not assembled. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// A table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A lane could not be read.
    #[error(transparent)]
    Lane(#[from] ReadError),
    /// The document could not be written as JSON.
    #[error("write results: {0}")]
    Json(#[from] serde_json::Error),
}

/// What assembles.
pub struct Assembly {
    results: ResultsStore,
    assembled: AssembledStore,
    sums: Sums<TallyStore>,
}

impl Assembly {
    /// Uses the tables in the environment's variables.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let sums = Sums::new(TallyStore::from_env(&aws)?);
        Ok(Self { results: ResultsStore::from_env(&aws)?, assembled: AssembledStore::from_env(&aws)?, sums })
    }

    /// Renews a poll's results if its lanes have counted since, and lets the lease end.
    pub async fn renew(&self, poll_id: &PollId) -> Result<(), AssemblyError> {
        let current_until = clock::now().plus_millis(CURRENT_MS);
        let (generation, known) = self.assembled.versions(poll_id).await?.unwrap_or_default();
        let lanes = u8::try_from(known.len()).unwrap_or(u8::MAX);
        let Some(snapshot) = self.results.read(poll_id, lanes).await? else { return Ok(()) };
        if snapshot.poll.rules.settings.spec.kind != Kind::Ranked {
            return Ok(());
        }
        if known != versions(&snapshot.counts) {
            let summed = self.sums.sum(poll_id, snapshot.counts).await?;
            let versions = versions(&summed.0);
            if goes_forwards(&known, &versions) {
                let document = document(&snapshot.poll.rules, &summed)?;
                self.assembled.put(poll_id, generation + 1, &versions, &document).await?;
            }
        }
        Ok(self.assembled.end_lease(poll_id, current_until).await?)
    }
}

fn versions(counts: &[Count]) -> Vec<u64> {
    counts.iter().map(|count| count.version).collect()
}

/// What is stored of a poll for its readers. Without its rankings if it would be too long with them.
pub fn document(rules: &Rules, (counts, entries): &Summed) -> Result<PackedDocument, serde_json::Error> {
    let of = |entries: Result<&Entries, Dropped>| {
        let text = serde_json::to_string(&assemble(rules, counts, entries))?;
        Ok(PackedDocument::of(&text))
    };
    let document = of(entries.as_ref().map(Arc::as_ref).map_err(|dropped| *dropped))?;
    if document.bytes() <= PACKED_BYTES_MAX { Ok(document) } else { of(Err(Dropped::TooMany)) }
}

/// Whether no lane's version is below the known one. A poll may have gained lanes meanwhile.
fn goes_forwards(known: &[u64], versions: &[u64]) -> bool {
    known.len() <= versions.len() && known.iter().zip(versions).all(|(known, version)| known <= version)
}

#[cfg(test)]
mod tests {
    use landslide_domain::{
        ballot::{Ballot, OPTIONS_MAX, RANKS_MAX},
        testing::{at, poll_asked_for},
    };
    use serde_json::json;

    use super::*;

    fn rules(options: usize) -> Rules {
        let options: Vec<String> = (0..options).map(|id| format!("option {id}")).collect();
        let body = json!({"question": "Q", "options": options, "kind": "ranked"});
        poll_asked_for(body, at(0)).unwrap().rules
    }

    /// Different rankings of as many ranks as a ballot may have, of votes that are counted millions of times.
    fn many_rankings() -> Entries {
        let mut random = fastrand::Rng::with_seed(1);
        let mut entries = Entries::default();
        for _ in 0..9_000 {
            let ids = random.choose_multiple(0..OPTIONS_MAX as u64, RANKS_MAX);
            entries.add_ballot(&Ballot::of_ranking(&ids).unwrap(), random.i64(1..100_000));
        }
        entries
    }

    #[test]
    fn the_longest_document_fits() {
        let summed = (vec![Count::default()], Ok(Arc::new(many_rankings())));
        let rules = rules(OPTIONS_MAX);
        let text = serde_json::to_string(&assemble(&rules, &summed.0, Ok(summed.1.as_ref().unwrap()))).unwrap();
        let packed = PackedDocument::of(&text);
        println!("{} bytes, packed {}", text.len(), packed.bytes());
        assert!(text.len() > PACKED_BYTES_MAX, "{}", text.len());
        assert_eq!(document(&rules, &summed).unwrap(), packed);
    }

    #[test]
    fn what_is_older_in_any_lane_is_not_written() {
        for (known, versions, forwards) in [
            (&[][..], &[0][..], true),
            (&[1, 2], &[1, 2], true),
            (&[1, 2], &[2, 2], true),
            (&[1, 2], &[9, 1], false),
            (&[1, 2], &[9], false),
            (&[1], &[1, 0], true),
        ] {
            assert_eq!(goes_forwards(known, versions), forwards, "{known:?} {versions:?}");
        }
    }
}
