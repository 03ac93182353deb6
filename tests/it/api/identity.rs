//! Accounts of real OpenID Providers, their keys by URI: two side by side, keys rotated, servers stopped. What the fetching
//! of keys promises minute by minute is tested where keys are fetched (shared/identity/src/key_sets); here each must hold all the way
//! through the gateway, whose memory of a token comes on top.

use serde_json::json;

use crate::support::{Answer, App, OpenIdProvider, assert_problem, eventually, while_changed, with_issuers};

const AUTHORIZER: &str = "authorizer";
const AUTHORIZER_OWNERS: &str = "authorizer-owners";
const REFRESH_KEYS: &str = "refresh-keys";

/// The first answer of that status to a vote.
async fn vote_once_it_is(app: &App, poll: &str, status: u16, mut token: impl AsyncFnMut() -> String) -> Answer {
    // A new token each time: the gateway remembers a refused one for longer than the authorizer refuses it.
    eventually(&format!("answer {status}"), async || {
        let answer = app.vote(poll, &token().await, &[0]).await;
        if answer.status == status { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await
}

/// A new process of the authorizer asks a provider for its keys, unless they are stored.
#[tokio::test]
async fn a_new_process_believes_a_provider_that_answers_429_by_its_stored_keys() {
    let app = App::alone();
    if app.stack.lacks("way-to-this-machine") {
        return;
    }
    let [authorizer, refresh_keys] = [AUTHORIZER, REFRESH_KEYS].map(|folder| app.stack.function(folder));
    let [of_authorizer, of_refresh_keys] =
        [app.aws.variables(&authorizer).await, app.aws.variables(&refresh_keys).await];
    let [mut stored, mut not_stored] = ["ES256", "ES256"].map(OpenIdProvider::new);
    while_changed(
        app.aws.set_variables(&refresh_keys, &with_issuers(&of_refresh_keys, &[stored.as_issuer()])),
        async {
            let poll = app.poll(json!({"question": "Tea?", "options": ["Yes", "No"], "identity": "account"})).await;
            stored.start().await;
            not_stored.start().await;
            let (first, second) = (stored.sign_in("alice").await, stored.sign_in("bob").await);
            let of_not_stored = not_stored.sign_in("alice").await;
            app.aws.invoke(&refresh_keys, &json!({})).await.unwrap();
            stored.throttle().await;
            not_stored.throttle().await;

            let with_both = with_issuers(&of_authorizer, &[stored.as_issuer(), not_stored.as_issuer()]);
            app.aws.set_variables(&authorizer, &with_both).await;
            assert_eq!(app.vote(&poll, &first, &[0]).await.status, 201);
            assert_problem(&app.vote(&poll, &of_not_stored, &[0]).await, 503, "unavailable");

            // It keeps what it has while the provider refuses.
            app.aws.invoke(&refresh_keys, &json!({})).await.unwrap();
            app.aws.set_variables(&authorizer, &of_authorizer).await;
            app.aws.set_variables(&authorizer, &with_both).await;
            assert_eq!(app.vote(&poll, &second, &[0]).await.status, 201);
        },
        async {
            app.aws.set_variables(&authorizer, &of_authorizer).await;
            app.aws.set_variables(&refresh_keys, &of_refresh_keys).await;
            // Nothing of the providers stays stored.
            app.aws.invoke(&refresh_keys, &json!({})).await.unwrap();
        },
    )
    .await;
}

/// One test and not six, for what takes long are the 30 s between two fetches of keys, and all wait for them together.
#[tokio::test]
async fn providers_are_believed_by_their_keys_as_these_come_and_go() {
    let app = App::alone();
    if app.stack.lacks("way-to-this-machine") {
        return;
    }
    let [of_voters, of_owners] = [AUTHORIZER, AUTHORIZER_OWNERS].map(|folder| app.stack.function(folder));
    let [before, before_owners] = [app.aws.variables(&of_voters).await, app.aws.variables(&of_owners).await];
    let [rotated, stopped, late] = ["ES256", "RS256", "EdDSA"].map(OpenIdProvider::new);
    let providers = [&rotated, &stopped, &late].map(OpenIdProvider::as_issuer);
    let [after, after_owners] = [&before, &before_owners].map(|variables| with_issuers(variables, &providers));
    while_changed(
        async {
            app.aws.set_variables(&of_voters, &after).await;
            app.aws.set_variables(&of_owners, &after_owners).await;
        },
        keys_come_and_go(&app, rotated, stopped, late),
        async {
            app.aws.set_variables(&of_voters, &before).await;
            app.aws.set_variables(&of_owners, &before_owners).await;
        },
    )
    .await;
}

async fn keys_come_and_go(
    app: &App,
    mut rotated: OpenIdProvider,
    mut stopped: OpenIdProvider,
    mut late: OpenIdProvider,
) {
    let poll = app.poll(json!({"question": "Best colour?", "options": ["Red", "Blue"], "identity": "account"})).await;
    let another_poll = app.single_choice_poll().await;
    rotated.start().await;
    stopped.start().await;

    // Two providers side by side, and the stack's own issuer: the same subject of each is somebody else.
    let (seen, unseen) = (rotated.sign_in("alice").await, rotated.sign_in("bob").await);
    let unseen_at_the_end = rotated.sign_in("erin").await;
    let (of_stopped, unseen_of_stopped) = (stopped.sign_in("alice").await, stopped.sign_in("bob").await);
    for token in [&seen, &of_stopped, &app.account("alice")] {
        assert_eq!(app.vote(&poll, token, &[0]).await.status, 201);
    }
    assert_eq!(app.aws.votes_of(&poll).await.len(), 3);
    let mine = app.poll_of(&seen, json!({"question": "Whose?", "options": ["Mine", "Yours"]})).await;
    assert_problem(&app.close_poll(&mine, &of_stopped).await, 403, "forbidden");
    assert_problem(&app.close_poll(&mine, &app.account("alice")).await, 403, "forbidden");

    // Of the third nobody has ever seen a key: it is not up.
    assert_problem(&app.vote(&poll, &late.forge("dave"), &[0]).await, 503, "unavailable");

    rotated.rotate().await;
    stopped.stop();
    late.start().await;

    // Keys that are remembered are enough, their server gone or not.
    assert_eq!(app.vote(&poll, &unseen_of_stopped, &[0]).await.status, 201);
    assert_eq!(app.vote(&poll, &unseen, &[0]).await.status, 201);

    let nobody_knows = vote_once_it_is(app, &poll, 503, async || stopped.forge("alice")).await;
    assert_problem(&nobody_knows, 503, "unavailable");
    vote_once_it_is(app, &poll, 201, async || rotated.sign_in("carol").await).await;
    vote_once_it_is(app, &poll, 201, async || late.sign_in("dave").await).await;

    // With the new key came the end of the old one, but for a token that the gateway remembers: by any method, in any poll.
    assert_problem(&app.vote(&poll, &unseen_at_the_end, &[0]).await, 401, "unauthorized");
    assert_eq!(app.my_vote(&poll, &seen).await.status, 200);
    assert_eq!(app.vote(&another_poll, &seen, &[1]).await.status, 201);
    assert_eq!(app.close_poll(&mine, &seen).await.status, 200);
}
