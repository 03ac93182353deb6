//! GET /v1/polls.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{HOUR_MS, colours, colours_with, list};
use crate::support::{App, assert_headers_of_all, assert_problem, eventually, in_ms, someone};

/// The ids of a page.
fn ids(page: &Value) -> Vec<String> {
    let polls = page["polls"].as_array().unwrap_or_else(|| panic!("no polls in {page}"));
    polls.iter().map(|poll| poll["poll_id"].as_str().unwrap().to_owned()).collect()
}

/// An owner's polls in one page. Waits until it lists `count` polls, because an index lags behind its table.
async fn listed(app: &App, owner: &str, count: usize) -> Vec<String> {
    eventually(&format!("list of {count} polls"), async || {
        let listed = ids(&list(app, owner, "?limit=100").await.json());
        if listed.len() == count { Ok(listed) } else { Err(format!("{listed:?}")) }
    })
    .await
}

#[tokio::test]
async fn an_owners_polls_are_listed_newest_first_without_their_options() {
    let app = App::new();
    let owner = app.account(&someone());
    let mut expected = Vec::new();
    for body in [
        colours(),
        colours_with(json!({"results": "owner", "vote_change": "until_close", "kind": "multiple"})),
        colours_with(json!({"opens_at": in_ms(HOUR_MS), "identity": "account", "peak_votes_per_second": 9_000})),
    ] {
        let mut poll = app.create_poll(&owner, &body).await.json();
        poll.as_object_mut().unwrap().remove("options");
        expected.insert(0, poll);
    }
    listed(&app, &owner, 3).await;
    let answer = list(&app, &owner, "").await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.json(), json!({"polls": expected, "next_cursor": null}));
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert_headers_of_all(&answer);
}

#[tokio::test]
async fn cursors_lead_through_all_polls_without_repeats_gaps_or_an_empty_page() {
    const POLLS: usize = 6;
    let app = App::new();
    let owner = app.account(&someone());
    join_all((0..POLLS).map(|_| app.poll_of(&owner, colours()))).await;
    let all = listed(&app, &owner, POLLS).await;
    for limit in 1..=POLLS + 1 {
        let (mut walked, mut pages, mut query) = (Vec::new(), 0, format!("?limit={limit}"));
        loop {
            let answer = list(&app, &owner, &query).await;
            assert_eq!(answer.status, 200, "{query}: {answer}");
            let page = answer.json();
            assert!((1..=limit).contains(&ids(&page).len()), "limit {limit}: {page}");
            walked.extend(ids(&page));
            pages += 1;
            match &page["next_cursor"] {
                Value::Null => break,
                cursor => query = format!("?limit={limit}&cursor={}", cursor.as_str().unwrap()),
            }
            assert!(pages <= POLLS, "limit {limit}: no end after {pages} pages");
        }
        assert_eq!((&walked, pages), (&all, POLLS.div_ceil(limit)), "limit {limit}");
    }
}

#[tokio::test]
async fn a_cursor_goes_on_where_it_was_when_polls_are_made_meanwhile() {
    let app = App::new();
    let owner = app.account(&someone());
    for _ in 0..3 {
        app.poll_of(&owner, colours()).await;
    }
    let before = listed(&app, &owner, 3).await;
    let first = list(&app, &owner, "?limit=1").await.json();
    app.poll_of(&owner, colours()).await;
    listed(&app, &owner, 4).await;
    let query = format!("?cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&list(&app, &owner, &query).await.json()), before[1..]);
}

#[tokio::test]
async fn a_page_has_1_to_100_polls_and_20_by_default() {
    let app = App::new();
    let owner = app.account(&someone());
    join_all((0..21).map(|_| app.poll_of(&owner, colours()))).await;
    listed(&app, &owner, 21).await;
    for (query, polls) in [("", 20), ("?limit=1", 1), ("?limit=20", 20), ("?limit=21", 21), ("?limit=100", 21)] {
        let page = list(&app, &owner, query).await.json();
        assert_eq!((ids(&page).len(), page["next_cursor"].is_null()), (polls, polls == 21), "{query}");
    }
    for limit in ["0", "101", "-1", "1.5", "1e1", "%2B5", "%205", "ten", "", "99999999999999999999", "0x10", "%D9%A1"] {
        let answer = list(&app, &owner, &format!("?limit={limit}")).await;
        assert_eq!(answer.status, 400, "{limit:?}: {answer}");
        assert_problem(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_cursor_is_its_owners_only_and_nothing_else_is_one() {
    let app = App::new();
    let (owner, other) = (app.account(&someone()), app.account(&someone()));
    for account in [&owner, &other] {
        app.poll_of(account, colours()).await;
        app.poll_of(account, colours()).await;
        listed(&app, account, 2).await;
    }
    let cursor = list(&app, &owner, "?limit=1").await.json()["next_cursor"].as_str().unwrap().to_owned();
    let of_other = list(&app, &other, "?limit=1").await.json()["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(list(&app, &owner, &format!("?cursor={cursor}")).await.status, 200);
    let cut = &cursor[..cursor.len() - 2];
    let bad = [
        of_other.as_str(),
        cut,
        "x",
        "",
        "%00",
        "%20",
        "%FF",
        "a.b.c",
        "MS4yLjM",
        &"A".repeat(2_000),
        "null",
        "*",
        "'",
    ];
    for cursor in bad {
        let answer = list(&app, &owner, &format!("?cursor={cursor}")).await;
        assert_eq!(answer.status, 400, "{cursor:?}: {answer}");
        assert_problem(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_list_takes_an_account_and_shows_nobody_elses_polls() {
    let app = App::new();
    let (owner, other) = (app.account(&someone()), app.account(&someone()));
    let mine = app.poll_of(&owner, colours()).await;
    let theirs = app.poll_of(&other, colours()).await;
    assert_eq!((listed(&app, &owner, 1).await, listed(&app, &other, 1).await), (vec![mine], vec![theirs]));
    let nobody = list(&app, &app.account(&someone()), "").await;
    assert_eq!((nobody.status, nobody.json()), (200, json!({"polls": [], "next_cursor": null})));
    assert_problem(&list(&app, &app.device().await, "").await, 403, "forbidden");
    assert_problem(&app.get("/v1/polls").await, 401, "unauthorized");
}
