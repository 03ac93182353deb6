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
    entries::{Entries, PerSet},
    ids::PollId,
    poll::Rules,
    results::assembled::{Further, Given, Hidden, Lanes, assemble},
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

    /// Renews a poll's results if its lanes have counted since, or if something else is to be shown of them; and lets the
    /// lease end.
    pub async fn renew(&self, poll_id: &PollId) -> Result<(), AssemblyError> {
        let now = clock::now();
        let stored = self.assembled.read(poll_id).await?;
        let (generation, known) = stored.as_ref().map_or((0, &[][..]), |it| (it.generation, &it.versions));
        let lanes = u8::try_from(known.len()).unwrap_or(u8::MAX);
        let Some(snapshot) = self.results.read(poll_id, lanes).await? else { return Ok(()) };
        let rules = &snapshot.poll.rules;
        if rules.settings.spec.has_plain_votes() {
            return Ok(());
        }
        let is_final = rules.is_final_by(&snapshot.counts);
        let stored = stored.as_ref().filter(|_| is_final || rules.settings.spec.has_further_parts());
        let before = stored.map(|it| Further::read(&it.document)).transpose()?.unwrap_or_default();
        let hidden = Hidden::default();
        let is_current = known == versions(&snapshot.counts)
            && before.hidden_revision == hidden.revision
            && before.is_final == is_final
            && !before.would_move(rules, now);
        if !is_current {
            let summed = self.sums.sum(poll_id, rules.options, snapshot.counts).await?;
            let versions = versions(&summed.counts);
            if goes_forwards(known, &versions) {
                let given = Given { now, before: &before.blurred, hidden: &hidden, group: landslide_text::folded };
                let document = document(rules, &summed, &given)?;
                self.assembled.put(poll_id, generation + 1, &versions, &document).await?;
            }
        }
        Ok(self.assembled.end_lease(poll_id, now.plus_millis(CURRENT_MS)).await?)
    }
}

fn versions(counts: &[Count]) -> Vec<u64> {
    counts.iter().map(|count| count.version).collect()
}

/// What is stored of a poll for its readers. Without what whole ballots say if it would be too long with that.
pub fn document<G: Fn(&str) -> String>(
    rules: &Rules,
    summed: &Summed,
    given: &Given<'_, G>,
) -> Result<PackedDocument, serde_json::Error> {
    let Summed { counts, entries, totals } = summed;
    let of = |ballots: Result<&Entries, Dropped>| {
        let cells = of_arc(&entries.cells);
        let lanes = Lanes { counts, entries: PerSet { cells, ballots }, totals };
        let text = serde_json::to_string(&assemble(rules, &lanes, given))?;
        Ok(PackedDocument::of(&text))
    };
    let document = of(of_arc(&entries.ballots))?;
    if document.as_bytes().len() <= PACKED_BYTES_MAX { Ok(document) } else { of(Err(Dropped::TooMany)) }
}

fn of_arc(entries: &Result<Arc<Entries>, Dropped>) -> Result<&Entries, Dropped> {
    entries.as_ref().map(Arc::as_ref).map_err(|dropped| *dropped)
}

/// Whether no lane's version is below the known one. A poll may have gained lanes meanwhile.
fn goes_forwards(known: &[u64], versions: &[u64]) -> bool {
    known.len() <= versions.len() && known.iter().zip(versions).all(|(known, version)| known <= version)
}

#[cfg(test)]
mod tests {
    use landslide_domain::{
        ballot::{Ballot, OPTIONS_MAX, RANKS_MAX},
        entries::EntriesBuilder,
        method::Totals,
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
        let mut entries = PerSet::<EntriesBuilder>::default();
        for _ in 0..9_000 {
            let ids = random.choose_multiple(0..OPTIONS_MAX as u64, RANKS_MAX);
            entries.add_ballot(&Ballot::of_ranking(&ids).unwrap(), random.i64(1..100_000));
        }
        entries.build().ballots
    }

    #[test]
    fn the_longest_document_fits() {
        let rankings = Arc::new(many_rankings());
        let rules = rules(OPTIONS_MAX);
        let summed = Summed {
            counts: vec![Count::default()],
            entries: PerSet { cells: Ok(Arc::default()), ballots: Ok(rankings.clone()) },
            totals: Totals::of_entries(rules.options, &rankings),
        };
        let (Summed { counts, totals, .. }, none) = (&summed, Entries::default());
        let given = Given { now: at(1), before: &[], hidden: &Hidden::default(), group: str::to_owned };
        let lanes = Lanes { counts, entries: PerSet { cells: Ok(&none), ballots: Ok(&rankings) }, totals };
        let text = serde_json::to_string(&assemble(&rules, &lanes, &given)).unwrap();
        let packed = PackedDocument::of(&text);
        assert!(text.len() > PACKED_BYTES_MAX, "{}", text.len());
        assert_eq!(document(&rules, &summed, &given).unwrap(), packed);
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
