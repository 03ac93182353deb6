//! Requests that race.

use futures_util::{StreamExt, future::join_all, stream};

use crate::support::{App, CONNECTIONS, assert_problem, someone, votes_by_option};

/// Voters of the burst, unless `BURST_VOTERS` says otherwise.
const BURST_VOTERS: u64 = 300;
/// Every how many-th voter of the burst sends the request twice.
const REPEATED: u64 = 10;

#[tokio::test]
async fn one_voter_with_choices_that_race_has_one_of_them_and_one_ballot() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let voter = app.account("alice");
    let answers = join_all((0..30).map(|n| app.vote(&poll, &voter, if n % 2 == 0 { &[0] } else { &[1] }))).await;
    let won: Vec<u64> = (0..).zip(&answers).filter(|(_, answer)| answer.status == 201).map(|(n, _)| n % 2).collect();
    let [won] = won[..] else { panic!("{} answers of 201", won.len()) };
    for (n, answer) in (0..).zip(&answers) {
        match (n % 2 == won, answer.status) {
            (true, 200 | 201) => assert_eq!(answer.json()["choices"][0], won),
            _ => drop(assert_problem(answer, 409, "already_voted")),
        }
    }
    let results = app.results_settle_at(&poll, 1).await;
    assert_eq!(votes_by_option(&results)[usize::try_from(won).unwrap()], 1);
    app.assert_recounted(&poll, &results).await;
}

#[tokio::test]
async fn a_burst_of_voters_with_repeats_is_counted_exactly() {
    let voters = std::env::var("BURST_VOTERS").map_or(BURST_VOTERS, |voters| voters.parse().unwrap());
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let casts = (0..voters).map(|n| {
        let (app, poll) = (&app, &poll);
        async move {
            let (voter, choices) = (app.account(&someone()), [n % 3]);
            if n % REPEATED == 0 {
                let (one, other) = tokio::join!(app.vote(poll, &voter, &choices), app.vote(poll, &voter, &choices));
                let mut statuses = [one.status, other.status];
                statuses.sort_unstable();
                assert_eq!(statuses, [200, 201], "{one} {other}");
            } else {
                let answer = app.vote(poll, &voter, &choices).await;
                assert_eq!(answer.status, 201, "{answer}");
            }
        }
    });
    stream::iter(casts).buffer_unordered(CONNECTIONS).collect::<()>().await;
    let results = app.results_settle_at(&poll, voters).await;
    let expected: Vec<u64> = (0..3).map(|option| (0..voters).filter(|n| n % 3 == option).count() as u64).collect();
    assert_eq!(votes_by_option(&results), expected);
    app.assert_recounted(&poll, &results).await;
    app.assert_no_dead_letter_of(&poll).await;
}
