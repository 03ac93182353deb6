//! The model against the real code: the same arrivals through both.

use std::rc::Rc;

use landslide_ballots::{ranking, segmented::Said, texts::distinct};
use landslide_domain::ballot::{SentBallot, SentContent};
use landslide_sim::plain::{self, Plain};

use crate::{
    model::Model,
    parameters::{Ballots, Parameters},
    run,
};

const VOTES_PER_SECOND: u64 = 2_000;
const SECONDS: u64 = 20;
const SHARDS: usize = 16;
const READERS: usize = 4;

#[test]
fn the_model_counts_as_many_messages_writes_and_units_as_the_real_code_makes() {
    let choice = |random: &mut fastrand::Rng| SentContent::Choices(vec![random.u64(..4)], None).into();
    hold_against_the_real_code(Ballots::Choices, 16_000, choice);
}

// A ballot with entries counts as two plain ones, and a text as eight.

#[test]
fn the_same_holds_where_rankings_are_written_as_runs_merged_and_deleted() {
    hold_against_the_real_code(Ballots::Rankings, 8_000, |random| SentContent::Ranking(ranking(random)).into());
}

#[test]
fn the_same_holds_where_votes_are_counted_in_cells() {
    hold_against_the_real_code(Ballots::Segmented, 8_000, |random| {
        let said = Said::draw(random);
        SentBallot { content: SentContent::Choices(vec![said.choice], None), segments: said.segments().collect() }
    });
}

#[test]
fn the_same_holds_where_no_two_texts_are_the_same() {
    hold_against_the_real_code(Ballots::DistinctTexts, 2_000, |random| SentContent::Text(distinct(random)).into());
}

/// A poll whose declared peak gives it two lanes, through both.
fn hold_against_the_real_code(ballots: Ballots, declared: u64, ballot: fn(&mut fastrand::Rng) -> SentBallot) {
    let model = run(Parameters { ballots, declared_votes_per_second: declared, ..same_in_the_model() });
    let real = plain::run(&Plain {
        votes_per_second: VOTES_PER_SECOND,
        declared_votes_per_second: declared,
        seconds: SECONDS,
        shards: SHARDS,
        queue_readers: READERS,
        settings: ballots.settings(),
        ballot,
    });
    let counts = &model.world.measures.counts;
    let pairs = [
        ("votes", counts.counted.get(), real.votes, 0.03),
        ("messages", counts.messages.get(), real.messages, 0.05),
        ("HEADs", counts.heads.get(), real.heads, 0.10),
        ("SEEN rows", counts.spills.get(), real.seen_rows, 0.10),
        ("COUNTs", counts.copies.get(), real.counts, 0.10),
        ("write units", counts.tally_units.get(), real.tally_units, 0.10),
    ];
    for (what, modelled, real, tolerance) in pairs {
        println!("{ballots} {what:<12} model {modelled:>8}  real {real:>8}");
        assert!(
            real > 0 && modelled.abs_diff(real) as f64 <= tolerance * real as f64,
            "{what}: {modelled}, real {real}"
        );
    }
}

#[test]
fn the_same_parameters_give_the_same_run() {
    let told =
        || Parameters { peak_votes_per_second: 500.0, ramp_s: 2, peak_s: 5, partitions: 8, ..Parameters::default() };
    let numbers = |model: Rc<Model>| format!("{:?} {:?}", model.world.measures.counts, model.world.measures.seconds());
    assert_eq!(numbers(run(told())), numbers(run(told())));
}

/// The simulation's cloud, which takes no time but for its calls to DynamoDB, told to the model.
fn same_in_the_model() -> Parameters {
    Parameters {
        // Few shards would else be read in step.
        tick_ms: 5,
        peak_votes_per_second: VOTES_PER_SECOND as f64,
        ramp_s: 0,
        peak_s: SECONDS,
        partitions: SHARDS,
        relay_invocation_ms: 0,
        relay_us_a_record: 0.0,
        queue_ms_least: 0,
        queue_ms_most: 0,
        tally_concurrency: READERS,
        tally_readers_at_first: READERS,
        tally_cold_ms: 0,
        tally_invocation_ms: 0,
        tally_us_a_vote: 0.0,
        tally_us_an_id: 0.0,
        read_ms_least: 0,
        read_ms_most: 10,
        write_ms_least: 0,
        write_ms_most: 10,
        database_ms_a_kb: 0.0,
        ..Parameters::default()
    }
}
