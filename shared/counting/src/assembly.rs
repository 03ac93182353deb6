//! Assembles a ranked poll's results from its lanes, so that no reader has to.
//!
//! It keeps what it has read and summed up: a run never changes. Anyone may call it at any time, and twice: what is
//! stored only goes forwards in every lane.

mod sums;

use std::sync::Arc;

use landslide_aws::{
    cache::Cache,
    clock,
    config::ConfigError,
    sdk,
    store::{AssembledStore, PackedDocument, ResultsStore, StoreError, TallyStore},
};
use landslide_domain::{
    entries::{Entries, PerSet},
    ids::PollId,
    poll::Rules,
    poll::hidden::HiddenAnswers,
    results::assembled::{Further, Given, Lanes, assemble},
    runs::Dropped,
    tally::Count,
    time::Timestamp,
};

pub use self::sums::{Summed, Sums};
use crate::tallies::reading::ReadError;

/// The longest document, as it is stored. DynamoDB's items have 400 KB.
const PACKED_BYTES_MAX: usize = 300 * 1024;
/// Of how many polls a process keeps the hidden answers, which are up to 300 KB each.
const HIDDEN_LISTS_MAX: usize = 32;
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
    hidden: Cache<PollId, Arc<HiddenAnswers>>,
}

impl Assembly {
    /// Uses the tables in the environment's variables.
    pub fn from_env() -> Result<Self, ConfigError> {
        let aws = sdk::sdk_config()?;
        let sums = Sums::new(TallyStore::from_env(&aws)?);
        let (results, assembled) = (ResultsStore::from_env(&aws)?, AssembledStore::from_env(&aws)?);
        Ok(Self { results, assembled, sums, hidden: Cache::new(HIDDEN_LISTS_MAX) })
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
        let has_answers = rules.settings.spec.has_answers();
        let hidden_revision = if has_answers { rules.hidden_revision() } else { 0 };
        let is_current = known == versions(&snapshot.counts)
            && before.hidden_revision >= hidden_revision
            && before.is_final == is_final
            && !before.would_move(rules, now);
        if !is_current {
            let hidden = self.hidden(poll_id, hidden_revision, now).await?;
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

    /// The answers that a poll hides, at this revision or a later one; an earlier one while the change to it lands. Nothing
    /// is read for a poll that never hid any.
    async fn hidden(&self, poll_id: &PollId, revision: u64, now: Timestamp) -> Result<Arc<HiddenAnswers>, StoreError> {
        if revision == 0 {
            return Ok(Arc::default());
        }
        let kept = self.hidden.get(poll_id).map(|kept| kept.value);
        if let Some(kept) = kept.filter(|kept| kept.revision >= revision) {
            return Ok(kept);
        }
        let hidden = Arc::new(self.results.hidden_answers(poll_id).await?);
        self.hidden.put(poll_id, hidden.clone(), now);
        Ok(hidden)
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
    use futures_util::future::LocalBoxFuture;
    use landslide_aws::{
        store::PollStore,
        testing::{Answer, Call, items_written, stub},
    };
    use landslide_domain::{
        ballot::{Answer as Written, Ballot, OPTIONS_MAX, RANKS_MAX},
        entries::EntriesBuilder,
        method::Totals,
        poll::hidden::hide,
        testing::{at, poll_asked_for},
    };
    use serde_json::{Value, json};

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
        let given = Given { now: at(1), before: &[], hidden: &HiddenAnswers::default(), group: str::to_owned };
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

    /// What a renewal calls of a poll whose RESULT was made with this revision of the hidden answers. If `hides`, the poll
    /// hides an answer since its second revision.
    fn calls_of_renewal(body: Value, hides: bool, made_with: u64) -> Vec<Call> {
        let run = |future: LocalBoxFuture<'_, ()>| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
        };
        let mut poll = poll_asked_for(body, at(0)).unwrap();
        let (aws, calls) = stub(|_, _| Answer::Ok(json!({})));
        let polls = PollStore::new(&aws, "polls".to_owned());
        run(Box::pin(async { polls.create(&poll, &[]).await.map(|_| ()).unwrap() }));
        let mut items = items_written(&calls.all()[0], &[]);
        if hides {
            let answers = [Written::stored("BAD").unwrap()];
            poll = hide(&poll, &answers, at(1)).unwrap();
            run(Box::pin(async { polls.replace_hidden(&poll, &answers).await.map(|_| ()).unwrap() }));
            let [rules, hidden] = items_written(&calls.all()[1], &items).try_into().unwrap();
            items = vec![rules, items[1].clone(), hidden];
        }
        let document = json!({"cells": null, "answers": null, "right": null, "hidden_revision": made_with}).to_string();
        let result = json!({"generation": {"N": "1"}, "versions": {"L": [{"N": "0"}]}, "document": {"S": document}});
        let (aws, calls) = stub(move |call, _| {
            let asks_for = |item: &str| call.body.to_string().contains(&format!("\"{item}\""));
            match call.operation.as_str() {
                "GetItem" => Answer::Ok(json!({"Item": result})),
                "BatchGetItem" if asks_for("HIDDEN") => Answer::Ok(json!({"Responses": {"polls": [items[2]]}})),
                "BatchGetItem" => Answer::Ok(json!({"Responses": {"polls": items[..2]}})),
                _ => Answer::Ok(json!({})),
            }
        });
        let (results, assembled) = (
            ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned()),
            AssembledStore::new(&aws, "tallies".to_owned()),
        );
        let sums = Sums::new(TallyStore::new(&aws, "tallies".to_owned()));
        let assembly = Assembly { results, assembled, sums, hidden: Cache::new(1) };
        run(Box::pin(async { assembly.renew(&poll.rules.settings.poll_id).await.unwrap() }));
        calls.all()
    }

    #[test]
    fn results_are_made_once_more_where_others_are_hidden_though_nothing_was_counted() {
        let text = || json!({"question": "Q", "kind": "text", "closes_at": at(9)});
        let rating = || json!({"question": "Q", "options": ["a", "b"], "kind": "rating"});
        for (body, hides, made_with, reads_hidden, writes) in [
            (text(), true, 0, true, true),
            (text(), true, 2, false, false),
            (text(), true, 3, false, false),
            (text(), false, 0, false, false),
            (rating(), false, 0, false, false),
        ] {
            let calls = calls_of_renewal(body.clone(), hides, made_with);
            let texts: Vec<String> = calls.iter().map(|call| call.body.to_string()).collect();
            let has = |part: &str| texts.iter().any(|text| text.contains(part));
            assert_eq!(
                (has("\"HIDDEN\""), has("\"RESULT\"},\"poll_lane\"") && has("\"generation\":{\"N\":\"2\"}")),
                (reads_hidden, writes),
                "{body} {made_with}: {texts:#?}"
            );
        }
    }
}
