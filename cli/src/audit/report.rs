//! What an audit prints: a table for people, or one JSON document.

use std::collections::BTreeSet;
use std::fmt;

use indicatif::HumanCount;
use landslide_domain::runs::Dropped;
use landslide_domain::tally::Counters;
use serde_json::{Value, json};

use super::compare::Examples;
use super::entries::StoredEntries;
use super::verdict::{Audit, CountFault, Lane, Verdict, non_zero};

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Exact => "exact",
            Verdict::Untimely => "exact, including votes outside the poll's times",
            Verdict::Undecided => "undecided",
            Verdict::Different => "different",
        })
    }
}

/// The verdict's word in JSON.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Exact => "exact",
        Verdict::Untimely => "untimely",
        Verdict::Undecided => "undecided",
        Verdict::Different => "different",
    }
}

impl CountFault {
    fn word(self) -> &'static str {
        match self {
            CountFault::Behind => "behind",
            CountFault::Other => "other",
            CountFault::OtherEntries => "other_entries",
            CountFault::Ahead => "ahead",
        }
    }
}

/// The audit as one JSON document.
pub fn json(audit: &Audit) -> Value {
    let lanes = audit.lanes.iter().map(|(number, lane)| lane_json(*number, lane));
    let mut document = json!({
        "poll_id": audit.rules.settings.poll_id,
        "verdict": word(audit.verdict()),
        "status": audit.status(),
        "at": audit.at,
        "votes": audit.votes(),
        "recount": non_zero(&audit.counters(|lane| &lane.findings.stored)),
        "counted": non_zero(&audit.counters(|lane| &lane.tally.head.counters)),
        "shown": non_zero(&audit.counters(|lane| &lane.tally.count.counters)),
        "on_their_way": audit.sum(|lane| lane.findings.on_their_way),
        "missing": audit.sum(|lane| lane.findings.missing.number),
        "without_vote": audit.sum(|lane| lane.findings.without_vote.number),
        "twice": audit.sum(|lane| lane.findings.twice.number),
        "unreadable": examples(&audit.unreadable),
        "early": examples(&audit.early),
        "late": examples(&audit.late),
        "lanes": lanes.collect::<Vec<_>>(),
        "notes": audit.notes(),
        "seconds": audit.seconds,
    });
    if let (Some(lanes), Some(fields)) = (&audit.result_ahead, document.as_object_mut()) {
        fields.insert("result_ahead".to_owned(), json!(lanes));
    }
    document
}

fn lane_json(number: u8, lane: &Lane) -> Value {
    let Lane { findings, tally, .. } = lane;
    let mut document = json!({
        "lane": number,
        "version": tally.head.version,
        "sealed": tally.head.sealed,
        "recount": non_zero(&findings.stored),
        "expected": non_zero(&findings.counted),
        "counted": non_zero(&tally.head.counters),
        "shown": non_zero(&tally.count.counters),
        "counters_differ": lane.counters_differ,
        "as_of": tally.head.as_of,
        "as_of_differs": lane.as_of_differs,
        "count_item": lane.count_fault.map_or("equal", CountFault::word),
        "past_the_last": lane.is_past_the_last,
        "on_their_way": findings.on_their_way,
        "changing": findings.changing,
        "too_old_for_ids": findings.too_old_for_ids,
        "missing": examples(&findings.missing),
        "without_vote": examples(&findings.without_vote),
        "twice": examples(&findings.twice),
    });
    if let (Some(entries), Some(fields)) = (&tally.entries, document.as_object_mut()) {
        fields.insert("entries".to_owned(), entries_json(lane, entries));
    }
    document
}

fn entries_json(lane: &Lane, entries: &StoredEntries) -> Value {
    json!({
        "keys": entries.sum.as_ref().map(|sum| sum.iter().count()),
        "runs": lane.tally.head.entries.runs().count(),
        "differ": examples(&lane.entries_differ),
        "sums_differ": lane.sums_differ,
        "dropped": lane.dropped().map(dropped_word),
        "gone": examples(&entries.gone),
        "unreadable": examples(&entries.unreadable),
        "unnamed_rows": entries.unnamed_rows,
    })
}

fn dropped_word(dropped: Dropped) -> &'static str {
    match dropped {
        Dropped::Lost => "lost",
        Dropped::TooMany => "too_many",
    }
}

fn examples(found: &Examples) -> Value {
    json!({"number": found.number, "first": found.first})
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.votes() as f64 / self.seconds;
        writeln!(
            f,
            "Poll {} at {}: {} votes in {:.1} s ({rate:.0}/s)",
            self.rules.settings.poll_id,
            self.at,
            HumanCount(self.votes()),
            self.seconds
        )?;
        let stored = self.counters(|lane| &lane.findings.stored);
        let on_their_way = self.counters(|lane| &lane.findings.on_their_way_counters);
        let counted = self.counters(|lane| &lane.tally.head.counters);
        let shown = self.counters(|lane| &lane.tally.count.counters);
        writeln!(
            f,
            "{:<12}{:>14}{:>14}{:>14}{:>14}{:>14}",
            "counter", "recount", "on their way", "counted", "shown", "difference"
        )?;
        for name in names([&stored, &counted, &shown]) {
            let of = |counters: &Counters| non_zero(counters).get(name.as_str()).copied().unwrap_or(0);
            let difference = of(&counted) + of(&on_their_way) - of(&stored);
            writeln!(
                f,
                "{name:<12}{:>14}{:>14}{:>14}{:>14}{difference:>+14}",
                of(&stored),
                of(&on_their_way),
                of(&counted),
                of(&shown)
            )?;
        }
        for (number, lane) in &self.lanes {
            lane_lines(f, *number, lane)?;
        }
        for lane in self.result_ahead.iter().flatten() {
            writeln!(
                f,
                "lane {lane}: readers' assembled results show a version that COUNT does not have, and are not renewed: \
                 once the lanes are right, --repair deletes these results, and they are assembled again"
            )?;
        }
        found(f, "items are no votes", "sort key", &self.unreadable)?;
        found(f, "votes were cast before the poll opened", "voter", &self.early)?;
        found(f, "votes were cast after the poll closed", "voter", &self.late)?;
        for note in self.notes() {
            writeln!(f, "note: {note}")?;
        }
        write!(f, "{}", self.verdict())
    }
}

fn names(all: [&Counters; 3]) -> BTreeSet<String> {
    all.into_iter().flat_map(|counters| counters.iter().map(|(name, _)| name.to_owned())).collect()
}

fn lane_lines(f: &mut fmt::Formatter<'_>, number: u8, lane: &Lane) -> fmt::Result {
    let Lane { findings, tally, .. } = lane;
    if lane.counters_differ {
        writeln!(
            f,
            "lane {number}: HEAD says {:?}, but the votes it counted sum to {:?}",
            non_zero(&tally.head.counters),
            non_zero(&findings.counted)
        )?;
    }
    if lane.as_of_differs {
        writeln!(f, "lane {number}: as_of is not the newest counted vote's cast_at")?;
    }
    match lane.count_fault {
        Some(CountFault::Behind) => writeln!(
            f,
            "lane {number}: COUNT has version {}, HEAD has {}, and COUNT does not catch up",
            tally.count.version, tally.head.version
        )?,
        Some(CountFault::OtherEntries) => {
            writeln!(f, "lane {number}: COUNT has other entries than HEAD at the same version")?;
        }
        Some(CountFault::Other) => writeln!(f, "lane {number}: COUNT differs from HEAD at the same version")?,
        Some(CountFault::Ahead) => writeln!(
            f,
            "lane {number}: COUNT has version {}, which HEAD ({}) does not have: --repair recounts the votes once the \
             poll has been closed for 5 minutes; delete nothing, readers would see fewer votes until then",
            tally.count.version, tally.head.version
        )?,
        None => {}
    }
    if lane.is_past_the_last {
        writeln!(f, "lane {number} is not one of the poll's lanes, so no reader sees it")?;
    }
    entries_lines(f, number, lane)?;
    found(f, "revisions are stored and not counted", &format!("lane {number}"), &findings.missing)?;
    found(f, "are counted without a vote item", &format!("lane {number}"), &findings.without_vote)?;
    found(f, "are counted more than once", &format!("lane {number}"), &findings.twice)
}

fn entries_lines(f: &mut fmt::Formatter<'_>, number: u8, lane: &Lane) -> fmt::Result {
    let Some(entries) = &lane.tally.entries else { return Ok(()) };
    let place = format!("lane {number}");
    found(f, "entries are counted in another number than the votes have", &place, &lane.entries_differ)?;
    found(f, "runs are named and their rows are gone", &place, &entries.gone)?;
    found(f, "runs can't be read", &place, &entries.unreadable)?;
    if lane.sums_differ {
        writeln!(f, "lane {number}: HEAD's counters are not the sums of its own entries")?;
    }
    if lane.dropped() == Some(Dropped::Lost) {
        writeln!(
            f,
            "lane {number}: keeps no entries, as a run was lost or could not be merged (lost): its counters go on, \
             what needs entries is not shown; --repair brings them back once the poll has been closed for 5 minutes"
        )?;
    }
    Ok(())
}

fn found(f: &mut fmt::Formatter<'_>, what: &str, place: &str, found: &Examples) -> fmt::Result {
    if found.number == 0 {
        return Ok(());
    }
    writeln!(f, "{place}: {} {what}: {}", HumanCount(found.number), found.first.join(", "))
}
