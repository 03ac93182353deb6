//! What others than the poll's tenant see of a dimension: no row of few ballots, and none that moves with each vote.
//!
//! Small rows, empty ones among them, are shown as one, *others*. A row moves only once `min_cell` more ballots are in it,
//! and at most every 10 seconds, until the poll is closed. Which rows are shown as one changes by the same rule, and then all
//! rows that it changes move at once: else a row that leaves the others would tell what is left in them. This blurs small
//! groups. It is no anonymity against someone who can cast many votes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::cells::Row;
use crate::time::Timestamp;

/// How long a row stays as it is at least, in milliseconds.
const STILL_MS: u64 = 10_000;

/// A row as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// The counts as they are shown.
    pub row: Row,
    /// When they last changed.
    pub moved_at: Timestamp,
}

/// A dimension as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blurred {
    /// Each value's row, by its place. `None`: it is in the row *others*.
    pub rows: Vec<Option<Moving>>,
    /// The rows that are shown as one.
    pub others: Option<Moving>,
}

/// When rows may move.
#[derive(Clone, Copy, Debug)]
pub struct Blur {
    /// The fewest ballots that are shown, and by which a row moves.
    pub min_cell: u8,
    /// Now.
    pub now: Timestamp,
    /// Whether no vote comes any more: rows are then shown as they are.
    pub is_closed: bool,
}

/// The places of the rows that are shown as one.
type Places = BTreeSet<usize>;

impl Blurred {
    /// What is shown of rows after what was shown before.
    pub fn of(exact: &[Row], before: Option<&Self>, blur: Blur) -> Self {
        let wanted = merged(exact, i64::from(blur.min_cell));
        let former = before.map(Self::merged);
        let stays = before.filter(|before| !blur.may_regroup(exact, before, &wanted)).map(Self::merged);
        let merged = stays.unwrap_or(wanted);
        let row = |(place, row): (usize, &Row)| {
            let before = before.and_then(|before| before.rows.get(place)?.as_ref());
            (!merged.contains(&place)).then(|| blur.moved(before, row))
        };
        let others = sum_of(exact, &merged);
        let is_regrouped = former.is_some_and(|former| former != merged);
        let others = match before.and_then(|before| before.others.as_ref()) {
            Some(_) if is_regrouped => Moving { row: others, moved_at: blur.now },
            before => blur.moved(before, &others),
        };
        Self { rows: exact.iter().enumerate().map(row).collect(), others: (!merged.is_empty()).then_some(others) }
    }

    fn merged(&self) -> Places {
        self.rows.iter().enumerate().filter(|(_, row)| row.is_none()).map(|(place, _)| place).collect()
    }
}

/// The places of the rows that are shown as one: those with few ballots, and with them the next smallest while they are
/// few together.
fn merged(exact: &[Row], min_cell: i64) -> Places {
    let mut by_size: Vec<(i64, usize)> = exact.iter().map(|row| row.ballots).zip(0..).collect();
    by_size.sort_unstable();
    let (mut merged, mut sum) = (Places::new(), 0);
    for (ballots, place) in by_size {
        if ballots >= min_cell && (sum <= 0 || sum >= min_cell) {
            break;
        }
        merged.insert(place);
        sum += ballots;
    }
    merged
}

fn sum_of(exact: &[Row], places: &Places) -> Row {
    let mut sum = Row::zero(exact.first().map_or(0, |row| row.columns.len()));
    places.iter().filter_map(|place| exact.get(*place)).for_each(|row| sum.add(row));
    sum
}

impl Blur {
    /// Whether other rows may be shown as one by now: enough ballots were added to all rows together that this changes.
    fn may_regroup(&self, exact: &[Row], before: &Blurred, wanted: &Places) -> bool {
        let former = before.merged();
        if self.is_closed || former == *wanted {
            return true;
        }
        let changed: Places = former.union(wanted).copied().collect();
        let shown = changed.iter().filter_map(|place| before.rows.get(*place)?.as_ref()).chain(&before.others);
        let (mut ballots, mut stood) = (0, true);
        for moving in shown {
            ballots += moving.row.ballots;
            stood &= self.has_stood(moving);
        }
        stood && sum_of(exact, &changed).ballots.abs_diff(ballots) >= u64::from(self.min_cell)
    }

    fn has_stood(&self, moving: &Moving) -> bool {
        self.now.as_millis().saturating_sub(moving.moved_at.as_millis()) >= STILL_MS
    }

    fn moved(&self, before: Option<&Moving>, exact: &Row) -> Moving {
        let zero = || Moving { row: Row::zero(exact.columns.len()), moved_at: Timestamp::EPOCH };
        let before = before.cloned().unwrap_or_else(zero);
        if before.row == *exact {
            return before;
        }
        let by = exact.ballots.abs_diff(before.row.ballots);
        let may_move = by >= u64::from(self.min_cell) && self.has_stood(&before);
        if may_move || self.is_closed { Moving { row: exact.clone(), moved_at: self.now } } else { before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    fn exact(ballots: &[i64]) -> Vec<Row> {
        ballots.iter().map(|ballots| Row { ballots: *ballots, columns: vec![*ballots, 0] }).collect()
    }

    fn blur(seconds: u64) -> Blur {
        Blur { min_cell: 5, now: at(seconds), is_closed: false }
    }

    /// Each row's ballots, and those of the others.
    fn shown(blurred: &Blurred) -> (Vec<Option<i64>>, Option<i64>) {
        let ballots = |moving: &Moving| moving.row.ballots;
        (blurred.rows.iter().map(|row| row.as_ref().map(ballots)).collect(), blurred.others.as_ref().map(ballots))
    }

    #[test]
    fn rows_of_few_ballots_are_one_with_the_next_smallest_if_need_be() {
        let of = |ballots: &[i64]| shown(&Blurred::of(&exact(ballots), None, blur(0)));
        assert_eq!(of(&[5, 9]), (vec![Some(5), Some(9)], None));
        assert_eq!(of(&[4, 9, 3]), (vec![None, Some(9), None], Some(7)));
        assert_eq!(of(&[4, 9, 20]), (vec![None, None, Some(20)], Some(13)), "4 alone would be shown");
        assert_eq!(of(&[0, 9, 0]), (vec![None, Some(9), None], Some(0)), "an empty row is as small ones are");
        assert_eq!(of(&[4, 0]), (vec![None, None], Some(0)), "4 in all are not shown");
        assert_eq!(of(&[-1, 9]), (vec![None, Some(9)], Some(0)));
    }

    #[test]
    fn a_row_that_grows_leaves_the_others_only_when_enough_ballots_are_added_to_both() {
        let each = |seconds| Blur { min_cell: 2, ..blur(seconds) };
        let first = Blurred::of(&exact(&[3, 1, 0]), None, each(0));
        assert_eq!(shown(&first), (vec![None, None, None], Some(4)));
        // One vote more, and the first row could stand alone: the others would tell that 1 was in the second.
        let second = Blurred::of(&exact(&[3, 1, 1]), Some(&first), each(20));
        assert_eq!(second, first);
        let third = Blurred::of(&exact(&[4, 1, 1]), Some(&second), each(9));
        assert_eq!(third, first, "too soon");
        let third = Blurred::of(&exact(&[4, 1, 1]), Some(&second), each(20));
        assert_eq!(shown(&third), (vec![Some(4), None, None], Some(2)), "all at once");
        let closed = Blur { is_closed: true, ..each(1) };
        assert_eq!(shown(&Blurred::of(&exact(&[3, 1, 1]), Some(&first), closed)), (vec![Some(3), None, None], Some(2)));
    }

    #[test]
    fn a_row_moves_by_enough_ballots_and_not_too_soon() {
        let first = Blurred::of(&exact(&[10, 10]), None, blur(0));
        let next = |ballots: &[i64], seconds| shown(&Blurred::of(&exact(ballots), Some(&first), blur(seconds))).0;
        assert_eq!(next(&[14, 15], 10), [Some(10), Some(15)]);
        assert_eq!(next(&[14, 15], 9), [Some(10), Some(10)]);
        assert_eq!(next(&[5, 6], 10), [Some(5), Some(10)], "down as well");
        let closed = Blur { is_closed: true, ..blur(1) };
        assert_eq!(shown(&Blurred::of(&exact(&[14, 11]), Some(&first), closed)).0, [Some(14), Some(11)]);
        let closed = shown(&Blurred::of(&exact(&[14, 4]), Some(&first), closed));
        assert_eq!(closed, (vec![None, None], Some(18)), "small rows stay one");
    }

    #[test]
    fn all_rows_may_be_shown_where_one_ballot_is_enough() {
        let each = Blur { min_cell: 1, ..blur(0) };
        assert_eq!(shown(&Blurred::of(&exact(&[1, 2, 0]), None, each)), (vec![Some(1), Some(2), None], Some(0)));
    }
}
