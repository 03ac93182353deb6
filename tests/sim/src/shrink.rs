//! From a run that breaks a promise to the smallest that still does, found by trying.

use crate::{
    faults::Fault,
    run::{Report, run},
    spec::{Change, Spec},
};

/// How many runs are tried at most.
const RUNS_MAX: usize = 1_500;
/// With how many other draws a smaller scenario is tried.
const WORLDS: u64 = 12;

/// A smaller spec that still breaks a promise, the one itself if there is none.
pub fn shrink(failing: &Spec) -> Spec {
    let mut smallest = failing.clone();
    let mut runs = 0;
    while runs < RUNS_MAX {
        let smaller = smaller_ones(&smallest).into_iter().find_map(|candidate| {
            worlds(&candidate).into_iter().find(|spec| {
                runs += 1;
                runs <= RUNS_MAX && breaks_a_promise(&run(&spec.scenario(), false))
            })
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => break,
        }
    }
    smallest
}

/// Whether a report tells of a broken promise.
pub fn breaks_a_promise(report: &Report) -> bool {
    !report.verdict.breaches.is_empty()
}

fn worlds(spec: &Spec) -> Vec<Spec> {
    let others = (1..=WORLDS).map(|world| spec.with(Change::World(world)));
    std::iter::once(spec.clone()).chain(others).collect()
}

/// Each way of making a scenario smaller that is not taken yet, the boldest first.
fn smaller_ones(spec: &Spec) -> Vec<Spec> {
    let scenario = spec.scenario();
    let mut changes = Vec::new();
    let mut less = |now: usize, change: fn(usize) -> Change| {
        for part in [8, 2] {
            if now / part > 0 {
                changes.push(change(now / part));
            }
        }
        if now > 1 {
            changes.push(change(now - 1));
        }
    };
    less(scenario.voters, Change::Voters);
    less(scenario.wishes_max, Change::Wishes);
    less(scenario.polls, Change::Polls);
    less(scenario.queue_readers, Change::Readers);
    less(scenario.shards, Change::Shards);
    let switches = [
        (scenario.owners_act, Change::NoOwners),
        (scenario.months_pass, Change::NoMonths),
        (scenario.rebuilds, Change::NoRebuild),
        (scenario.finalises, Change::NoFinal),
        (scenario.has_entries, Change::NoEntries),
        (scenario.has_entries && scenario.loses_runs, Change::NoLostRuns),
        (scenario.queue_outage_ms + scenario.tallies_outage_ms > 0, Change::NoOutage),
    ];
    changes.extend(switches.into_iter().filter(|(is_on, _)| *is_on).map(|(_, change)| change));
    let strikes = |fault: &&Fault| scenario.rates[**fault as usize] > 0.0;
    changes.extend(Fault::ALL.iter().filter(strikes).map(|fault| Change::Off(*fault)));
    changes.into_iter().map(|change| spec.with(change)).collect()
}
