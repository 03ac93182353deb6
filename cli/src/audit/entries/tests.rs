use landslide_domain::ballot::Ballot;
use landslide_domain::recount::recount_whole;
use landslide_domain::testing::{last_choices, ranked_histories};
use proptest::prelude::*;

use super::*;

fn whole(rankings: &[&[u64]]) -> (Counters, Entries) {
    recount_whole(rankings.iter().map(|ids| Ballot::of_ranking(ids).unwrap()))
}

#[test]
fn each_ranking_with_another_number_is_an_example_with_both() {
    let (_, head) = whole(&[&[2, 0], &[2, 0], &[1], &[0]]);
    let (_, votes) = whole(&[&[2, 0], &[0, 2], &[0]]);
    let found = differences(&head, &votes);
    assert_eq!(found.first, ["0>2 (HEAD 0, votes 1)", "1 (HEAD 1, votes 0)", "2>0 (HEAD 2, votes 1)"]);
    assert_eq!(found.number, 3);
}

#[test]
fn a_key_that_is_no_ranking_is_an_example_too() {
    let odd = Entries::decode(b"\x02x\x07\x02").unwrap();
    assert_eq!(differences(&odd, &Entries::default()).first, ["[78, 07] (HEAD 1, votes 0)"]);
}

#[test]
fn first_choices_differ_by_an_option_and_by_the_number_of_ballots() {
    let (counters, _) = whole(&[&[2, 0], &[1]]);
    assert!(!first_choices_differ(&whole(&[&[2, 1], &[1, 0]]).1, &counters), "later ranks are no first choices");
    for other in [&[&[0, 2][..], &[1]][..], &[&[2, 0]], &[&[2, 0], &[1], &[1]], &[]] {
        assert!(first_choices_differ(&whole(other).1, &counters), "{other:?}");
    }
    let same_options = Counters::from_entries([("ballots".to_owned(), 3), ("o1".to_owned(), 1), ("o2".to_owned(), 1)]);
    assert!(first_choices_differ(&whole(&[&[2, 0], &[1]]).1, &same_options));
}

proptest! {
    #[test]
    fn a_recount_differs_from_itself_in_nothing(histories in ranked_histories()) {
        let (counters, entries) = recount_whole(last_choices(&histories));
        prop_assert_eq!(differences(&entries, &entries), Examples::default());
        prop_assert!(!first_choices_differ(&entries, &counters));
    }
}
