use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::poll_asked_for;

fn rules(vote_change: VoteChange) -> Rules {
    let body = json!({"question": "Q", "options": ["a", "b", "c"], "vote_change": vote_change});
    poll_asked_for(body, at(0)).unwrap().rules
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + millis).unwrap()
}

fn ask(choice: Option<u64>, cast_at: u64, nonce: u32) -> VoteRequest {
    let ballot = ballot(choice);
    VoteRequest { voter: VoterKey::from_bytes([1; 16]), ballot, only_over: None, cast_at: at(cast_at), nonce }
}

fn ballot(choice: Option<u64>) -> Option<Ballot> {
    choice.and_then(|id| Ballot::of_options(&[id]))
}

fn vote(choice: Option<u64>, revision: u32, cast_at: u64, nonce: u32) -> Vote {
    Vote { ballot: ballot(choice), revision, cast_at: at(cast_at), lane: 0, nonce }
}

#[test]
fn a_polls_revision_is_named_alone_or_by_its_tag_in_any_status() {
    let named = |tags: &[&str]| Revisions::Of(tags.iter().map(|tag| (*tag).to_owned()).collect());
    for tags in [["7", "1"], ["1-open", "7-paused"]] {
        assert!(named(&tags).include_poll(7), "{tags:?}");
        assert!(!named(&tags).include_poll(8), "{tags:?}");
    }
    assert!(!named(&["7-", "7-opened", "07"]).include_poll(7));
    assert!(Revisions::Any.include_poll(7));
}

#[test]
fn a_second_vote_is_told_from_a_repeat_and_from_the_same_write() {
    let stored = vote(Some(1), 1, 5, 7);
    let decide = |asked: &VoteRequest| decide(Some(&stored), asked, &rules(VoteChange::Never));
    assert_eq!(decide(&ask(Some(1), 5, 7)), Decision::OwnWrite(stored.clone()));
    assert_eq!(decide(&ask(Some(1), 5, 8)), Decision::Repeat(stored.clone()));
    assert_eq!(decide(&ask(Some(1), 6, 7)), Decision::Repeat(stored.clone()));
    assert_eq!(decide(&ask(Some(2), 6, 7)), Decision::AlreadyVoted);
    assert_eq!(decide(&ask(None, 6, 7)), Decision::ChangeNotAllowed);
}

#[test]
fn a_named_revision_makes_a_change_strict_but_not_its_repeat() {
    let stored = vote(Some(1), 3, 5, 7);
    let decide = |stored: Option<&Vote>, choice, only_over| {
        let asked = VoteRequest { only_over: Some(only_over), ..ask(choice, 9, 9) };
        decide(stored, &asked, &rules(VoteChange::UntilClose))
    };
    let over = |revision: u32| Revisions::Of(vec![revision.to_string()]);
    assert_eq!(decide(Some(&stored), Some(2), over(3)), Decision::Write(vote(Some(2), 4, 9, 9)));
    assert_eq!(decide(Some(&stored), Some(2), Revisions::Any), Decision::Write(vote(Some(2), 4, 9, 9)));
    assert_eq!(decide(Some(&stored), Some(2), over(2)), Decision::RevisionMismatch);
    assert_eq!(decide(Some(&stored), None, over(2)), Decision::RevisionMismatch);
    assert_eq!(decide(Some(&stored), Some(1), over(2)), Decision::Repeat(stored.clone()));
    assert_eq!(decide(None, Some(1), Revisions::Any), Decision::RevisionMismatch);
    assert_eq!(decide(None, Some(1), over(0)), Decision::RevisionMismatch, "no entity has this tag");
}

#[test]
fn a_page_writes_over_what_it_showed_alone() {
    let stored = vote(Some(1), 3, 5, 7);
    let decide = |stored: Option<&Vote>, choice, shown| {
        let asked = VoteRequest { only_over: Some(Revisions::Shown(shown)), ..ask(choice, 9, 9) };
        decide(stored, &asked, &rules(VoteChange::UntilClose))
    };
    assert!(matches!(decide(None, Some(1), 0), Decision::Write(Vote { revision: 1, .. })));
    assert_eq!(decide(None, Some(1), 1), Decision::RevisionMismatch);
    assert_eq!(decide(Some(&stored), Some(2), 3), Decision::Write(vote(Some(2), 4, 9, 9)));
    assert_eq!(decide(Some(&stored), Some(1), 0), Decision::Repeat(stored.clone()), "sent again");
    for (choice, shown) in [(Some(2), 0), (Some(2), 2), (None, 0)] {
        assert_eq!(decide(Some(&stored), choice, shown), Decision::RevisionMismatch, "{choice:?} over {shown}");
    }
}

#[test]
fn a_vote_is_shown_until_it_is_taken_back() {
    let poll = rules(VoteChange::Never).settings;
    let shown = serde_json::to_value(vote(Some(1), 3, 5, 7).view(&poll)).unwrap();
    assert_eq!(shown, json!({"poll_id": poll.poll_id, "choices": [1], "revision": 3, "cast_at": at(5)}));
    assert!(vote(None, 3, 5, 7).view(&poll).is_none());
}

#[test]
fn a_voter_is_shown_each_segment_that_the_vote_counts_in_and_null_where_it_is_unknown() {
    let dimension = |name, from| json!({"name": name, "values": ["a", "b"], "from": from});
    let dimensions = [dimension("region", "vote"), dimension("plan", "claim:plan"), dimension("age", "vote")];
    let body = json!({"question": "Q", "options": ["a", "b", "c"], "segments": dimensions});
    let poll = poll_asked_for(body, at(0)).unwrap().rules.settings;
    let content = Content::Choices(Choices::of_ids(&[1]).unwrap());
    let ballot = Ballot::new(content, Segments::of_places(&[2, 1, 0]).unwrap(), None);
    let vote = Vote { ballot: Some(ballot), ..vote(Some(1), 1, 5, 7) };
    let shown = serde_json::to_value(vote.view(&poll)).unwrap();
    assert_eq!(shown["segments"], json!({"region": "b", "plan": "a", "age": null}), "{shown}");
}

proptest! {
    /// The reference: what stands is a choice, nothing any more, or nothing yet.
    #[test]
    fn any_run_of_requests_does_what_a_plain_model_does(
        asks in proptest::collection::vec(proptest::option::of(0u64..3), 1..20), may_change in any::<bool>(),
    ) {
        let rules = rules(if may_change { VoteChange::UntilClose } else { VoteChange::Never });
        let mut stored: Option<Vote> = None;
        let mut model: Option<(Option<u64>, u32)> = None;
        for (number, choice) in (0u32..).zip(asks) {
            let asked = ask(choice, u64::from(number), number);
            let decision = decide(stored.as_ref(), &asked, &rules);
            match (model, choice) {
                (None, None) => prop_assert_eq!(decision, Decision::NeverVoted),
                (Some((standing, _)), _) if standing == choice => prop_assert!(matches!(decision, Decision::Repeat(_))),
                (Some(_), Some(_)) if !may_change => prop_assert_eq!(decision, Decision::AlreadyVoted),
                (Some(_), None) if !may_change => prop_assert_eq!(decision, Decision::ChangeNotAllowed),
                _ => {
                    let revision = model.map_or(0, |(_, revision)| revision) + 1;
                    let Decision::Write(written) = decision else { panic!("{decision:?}") };
                    prop_assert_eq!((written.revision, &written.ballot), (revision, &asked.ballot));
                    prop_assert_eq!(decide(Some(&written), &asked, &rules), Decision::OwnWrite(written.clone()));
                    stored = Some(written);
                    model = Some((choice, revision));
                }
            }
        }
    }
}
