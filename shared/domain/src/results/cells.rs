//! A poll's cells as rows: of each dimension's values, of the slots of its series, and the levels of its options.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ballot::Scale,
    entries::{CellKey, Column, Entries},
    poll::Rules,
};

/// What is counted of some ballots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// How many there are.
    pub ballots: i64,
    /// Votes by option: chosen or ranked first. In a poll with a scale, by option and level, the option's lowest first.
    pub columns: Vec<i64>,
}

impl Row {
    /// A row of zeros.
    pub fn zero(columns: usize) -> Self {
        Self { ballots: 0, columns: vec![0; columns] }
    }

    /// Adds another row.
    pub fn add(&mut self, other: &Self) {
        self.ballots += other.ballots;
        self.columns.resize(self.columns.len().max(other.columns.len()), 0);
        self.columns.iter_mut().zip(&other.columns).for_each(|(sum, count)| *sum += count);
    }

    /// Whether any count is below zero: the earlier part of a change is still on its way.
    pub fn is_settling(&self) -> bool {
        self.ballots < 0 || self.columns.iter().any(|count| *count < 0)
    }
}

/// All cells of a poll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    /// For each dimension a row for each value by its place, first of all for those who are unknown.
    pub segments: Vec<Vec<Row>>,
    /// The slots in which anyone voted.
    pub slots: BTreeMap<u16, Row>,
    /// Of a poll with a scale: ratings by option and level, as columns are.
    pub levels: Vec<i64>,
}

/// Which column is which.
struct Layout {
    columns: usize,
    scale: Option<Scale>,
}

impl Layout {
    fn of(rules: &Rules) -> Self {
        let spec = &rules.settings.spec;
        Self { columns: spec.columns(usize::from(rules.options)), scale: spec.scale }
    }

    fn level(&self, option: u8, level: i8) -> Option<usize> {
        let scale = self.scale?;
        let place = usize::try_from(i16::from(level) - i16::from(scale.min)).ok()?;
        (place < scale.levels()).then_some(usize::from(option) * scale.levels() + place)
    }

    fn add(&self, row: &mut Row, column: Column, count: i64) {
        let place = match column {
            Column::Ballots => return row.ballots += count,
            Column::Option(option) => Some(usize::from(option)),
            Column::Level(option, level) => self.level(option, level),
        };
        if let Some(cell) = place.and_then(|place| row.columns.get_mut(place)) {
            *cell += count;
        }
    }
}

impl Cells {
    /// The rows that a poll's entries make. An entry that is no cell of the poll counts nowhere.
    pub fn of(rules: &Rules, entries: &Entries) -> Self {
        let layout = Layout::of(rules);
        let zero = Row::zero(layout.columns);
        let values = rules.settings.spec.segments.iter().map(|dimension| dimension.values.len() + 1);
        let levels = if layout.scale.is_some() { layout.columns } else { 0 };
        let mut cells = Self {
            segments: values.map(|values| vec![zero.clone(); values]).collect(),
            slots: BTreeMap::new(),
            levels: vec![0; levels],
        };
        for (key, count) in entries.iter() {
            match CellKey::read(key) {
                Some(CellKey::Level(option, level)) => {
                    let cell = layout.level(option, level).and_then(|place| cells.levels.get_mut(place));
                    cell.into_iter().for_each(|cell| *cell += count);
                }
                Some(CellKey::Segment(dimension, place, column)) => {
                    let rows = cells.segments.get_mut(usize::from(dimension));
                    let row = rows.and_then(|rows| rows.get_mut(usize::from(place)));
                    row.into_iter().for_each(|row| layout.add(row, column, count));
                }
                Some(CellKey::Slot(slot, column)) => {
                    layout.add(cells.slots.entry(slot).or_insert_with(|| zero.clone()), column, count);
                }
                None => {}
            }
        }
        cells.slots.retain(|_, row| *row != zero);
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ballot::{Ballot, Choices, Content, Ratings, Segments},
        entries::{EntriesBuilder, PerSet},
        series::Slot,
        testing::{at, poll_asked_for},
    };
    use serde_json::{Value, json};

    fn rules(settings: Value) -> Rules {
        let region = json!({"name": "region", "values": ["a", "b"], "from": "vote"});
        let mut body = json!({"question": "Q", "options": ["a", "b"], "segments": [region], "series": true});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        poll_asked_for(body, at(0)).unwrap().rules
    }

    fn cells(rules: &Rules, ballots: &[(Content, u8, i64, i64)]) -> Cells {
        let mut entries = PerSet::<EntriesBuilder>::default();
        for (content, place, slot, times) in ballots {
            let ballot = Ballot::new(content.clone(), Segments::of_places(&[*place]).unwrap(), Slot::of_number(*slot));
            entries.add_ballot(&ballot, *times);
        }
        Cells::of(rules, &entries.build().cells)
    }

    fn row(ballots: i64, columns: &[i64]) -> Row {
        Row { ballots, columns: columns.to_vec() }
    }

    #[test]
    fn rows_count_ballots_and_options() {
        let choices = |id: u64| Content::Choices(Choices::of_ids(&[id]).unwrap());
        let cells = cells(
            &rules(json!({})),
            &[(choices(0), 2, 7, 3), (choices(1), 2, 8, 1), (choices(1), 0, 8, 2), (choices(0), 1, 9, -1)],
        );
        let region = vec![row(2, &[0, 2]), row(-1, &[-1, 0]), row(4, &[3, 1])];
        assert_eq!(cells.segments, std::slice::from_ref(&region));
        let slots = [(7, row(3, &[3, 0])), (8, row(3, &[0, 3])), (9, row(-1, &[-1, 0]))];
        assert_eq!((cells.slots, cells.levels), (BTreeMap::from(slots), vec![]));
        assert_eq!(region.iter().map(Row::is_settling).collect::<Vec<_>>(), [false, true, false]);
        let mut sum = Row::default();
        region.iter().for_each(|row| sum.add(row));
        assert_eq!(sum, row(5, &[2, 3]));
    }

    #[test]
    fn rows_count_levels_in_a_poll_with_a_scale() {
        let ratings = |numbers: &[i64]| Content::Ratings(Ratings::stored(numbers).unwrap());
        let rules = rules(json!({"kind": "rating", "scale": {"min": -1, "max": 1}, "closes_at": at(60)}));
        let cells = cells(&rules, &[(ratings(&[0, -1, 1, 1]), 1, 0, 2), (ratings(&[1, 0]), 1, 0, 1)]);
        let all = [2, 0, 0, 0, 1, 2];
        assert_eq!(cells.segments[0][1], row(3, &all));
        assert_eq!((cells.slots[&0].clone(), &cells.levels[..]), (row(3, &all), &all[..]));
    }

    #[test]
    fn what_is_no_cell_of_the_poll_counts_nowhere() {
        let bytes = b"\x03l\x00\x01\x02\x04s\x00\x01\x09\x02\x03s\x00\x03\x02\x03s\x01\x00\x02";
        let entries = Entries::decode(bytes.to_vec()).unwrap();
        let cells = Cells::of(&rules(json!({})), &entries);
        assert_eq!(cells, Cells::of(&rules(json!({})), &Entries::default()));
    }
}
