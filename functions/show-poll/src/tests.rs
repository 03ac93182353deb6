//! The endpoint over a stub of AWS: events of the gateway in, pages out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use lambda_http::{Context, RequestExt};
use landslide_aws::{
    queue::Queue,
    store::{AssembledStore, PollStore, ResultsStore, TokenStore, VoteStore},
    testing::{Answer as Aws, Call, Calls, stub},
};
use landslide_domain::{
    caller::Caller,
    opaque_token::{OpaqueToken, Purpose},
    testing::{account, at, poll_asked_for},
};
use landslide_identity::{device_keys::DeviceKeys, providers::Providers, session::PageSecret};
use landslide_page::Entry;
use landslide_service::votes::Wish;
use serde_json::{Value, json};

use super::*;

/// The origin of the pages.
const ORIGIN: &str = "https://vote.example";
/// By which view links are made.
const SECRET: &[u8] = b"secret";
/// How the cookie begins.
const COOKIE: &str = "__Host-landslide=";

/// The issuer of accounts.
const ISSUER: &str = "https://id.example";

fn page_secret() -> PageSecret {
    PageSecret::new(vec![b'p'; 64])
}

/// The cookie of an account that signed in just now.
fn account_cookie(issuer: &str, subject: &str, region: &str) -> String {
    let claims = [("region".to_owned(), region.to_owned())].into_iter().collect();
    let account = account(subject);
    let expires_at = clock::now().plus_millis(60_000);
    let caller = Caller { issuer: issuer.to_owned(), claims, expires_at, ..account };
    format!("__Host-landslide-account={}", page_secret().seal_account(&caller).unwrap())
}

#[tokio::main(flavor = "current_thread")]
async fn run<T>(future: impl Future<Output = T>) -> T {
    future.await
}

/// The endpoint over tables in which `p1` is the only poll.
struct Stand {
    app: App,
    calls: Calls,
    tables: Arc<Tables>,
}

/// The link to hidden results.
fn link() -> OpaqueToken {
    OpaqueToken::new(Purpose::View, [1; 10], [2; 16])
}

/// What the tables hold.
#[derive(Default)]
struct Tables {
    /// Until when the link shows results, in milliseconds since 1970.
    link_ends_at: u64,
    poll: Vec<Value>,
    votes: Mutex<BTreeMap<String, Value>>,
    /// Whether the database loses the answer to each write.
    loses_answers: Mutex<bool>,
}

impl Tables {
    fn answer(&self, call: &Call) -> Aws {
        let asked = call.body.to_string();
        let poll: Vec<&Value> =
            self.poll.iter().filter(|_| asked.contains("\"p1\"") || asked.contains("p1#")).collect();
        let votes = &mut *self.votes.lock().unwrap();
        match call.operation.as_str() {
            "PutItem" => {
                let item = &call.body["Item"];
                let revision = item["revision"]["N"].as_str().unwrap().parse::<u32>().unwrap();
                let voter = item["voter"]["S"].as_str().unwrap().to_owned();
                let stored = votes.get(&voter).cloned();
                let before = stored.as_ref().map_or(0, |it| it["revision"]["N"].as_str().unwrap().parse().unwrap());
                if revision != before + 1 {
                    return Aws::condition_failed(stored.unwrap_or_default());
                }
                votes.insert(voter, item.clone());
                if *self.loses_answers.lock().unwrap() { Aws::Lost } else { Aws::Ok(json!({})) }
            }
            "GetItem" if asked.contains("\"votes\"") => {
                let voter = call.body["Key"]["voter"]["S"].as_str().unwrap();
                Aws::Ok(votes.get(voter).map_or(json!({}), |item| json!({"Item": item})))
            }
            "GetItem" if asked.contains("\"tenants\"") => {
                let hash = BASE64_STANDARD.encode(link().hash().0);
                let view = json!({"secret_hash": {"B": hash}, "poll_id": {"S": "p1"},
                    "valid_until": {"N": self.link_ends_at.to_string()}});
                Aws::Ok(json!({"Item": view}))
            }
            "GetItem" => Aws::Ok(
                poll.iter().find(|item| item["item"]["S"] == "RULES").map_or(json!({}), |it| json!({"Item": it})),
            ),
            "BatchGetItem" => {
                let number = json!({"N": votes.len().to_string()});
                let count = json!({"poll_lane": {"S": "p1#0"}, "item": {"S": "COUNT"}, "version": number, "ballots": number,
                    "o1": number, "as_of": {"N": at(5).as_millis().to_string()}});
                Aws::Ok(json!({"Responses": {"polls": poll, "tallies": [count]}, "UnprocessedKeys": {}}))
            }
            "Query" => Aws::Ok(json!({"Items": poll})),
            other => panic!("{other}"),
        }
    }
}

impl Stand {
    fn new(settings: Value) -> Self {
        let (aws, calls) = stub(|_, _| Aws::Ok(json!({})));
        let mut body = json!({"question": "Best colour?", "options": ["Red", "Blue"]});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let poll = poll_asked_for(body, at(0)).unwrap();
        run(PollStore::new(&aws, "polls".to_owned()).create(&poll, &[])).unwrap();
        let written = calls.all()[0].body["TransactItems"].as_array().unwrap().clone();
        let poll = written.iter().map(|write| write["Put"]["Item"].clone()).collect();
        let tables = Arc::new(Tables { poll, link_ends_at: 4_000_000_000_000, ..Tables::default() });
        let answering = tables.clone();
        let (aws, calls) = stub(move |call, _| answering.answer(call));
        let polls = || PollStore::new(&aws, "polls".to_owned());
        let votes = || VoteStore::new(&aws, "votes".to_owned());
        let queue = AssemblyQueue::new(Queue::new(&aws, "http://assembly".to_owned()));
        let tallies = ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
        let results = CurrentResults::new(tallies, AssembledStore::new(&aws, "tallies".to_owned()), votes(), queue);
        let devices = Devices::new(&DeviceKeys::parse(&"k".repeat(64)).unwrap());
        let url = format!("{ORIGIN}/prod").parse().unwrap();
        let links = ViewLinks::new(TokenStore::new(&aws, "tenants".to_owned()), SECRET.to_vec());
        let issuers = json!([{"issuer": ISSUER, "client_id": "c", "name": "Example ID"}]).to_string();
        let sessions = Sessions::new(page_secret(), Providers::read(&issuers));
        let (polls, votes) = (CurrentPolls::new(polls()), Votes::new(polls(), votes()));
        let app = App::new(polls, votes, results, devices, sessions, links, url);
        Self { app, calls, tables }
    }

    /// What a request is answered with. `path` is what follows the poll's id.
    fn ask(&self, method: &str, poll: &str, path: &str, query: &Value, headers: &Value, body: Option<&str>) -> Answer {
        let resource = format!("/p/{{poll_id}}{path}");
        let event = json!({
            "resource": resource, "path": format!("/p/{poll}{path}"), "httpMethod": method, "headers": headers,
            "multiValueHeaders": {}, "queryStringParameters": query, "multiValueQueryStringParameters": null,
            "pathParameters": {"poll_id": poll}, "stageVariables": null, "body": body, "isBase64Encoded": false,
            "requestContext": {"requestId": "r-1", "httpMethod": method, "resourcePath": resource, "stage": "prod",
                "path": format!("/prod/p/{poll}{path}"), "identity": {}, "accountId": "0", "apiId": "a"},
        });
        let mut context = Context::default();
        context.deadline = clock::now().plus_millis(60_000).as_millis();
        let request = lambda_http::request::from_str(&event.to_string()).unwrap().with_lambda_context(context);
        run(self.app.answer(request))
    }

    fn get(&self, query: &Value, cookie: Option<&str>) -> Answer {
        self.ask("GET", "p1", "", query, &json!({"Cookie": cookie.unwrap_or("x=1"), "Accept-Language": "nl"}), None)
    }

    fn post(&self, cookie: Option<&str>, form: &str) -> Answer {
        let headers = json!({"Cookie": cookie.unwrap_or("x=1"), "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin", "Accept-Language": "nl"});
        self.ask("POST", "p1", "", &Value::Null, &headers, Some(form))
    }

    /// The cookie of a browser that has seen the page.
    fn cookie(&self) -> String {
        let set = value(&self.get(&Value::Null, None), "set-cookie").unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    fn votes(&self) -> usize {
        self.tables.votes.lock().unwrap().len()
    }
}

fn value(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

#[test]
fn a_new_browser_gets_its_voter_with_the_ballot_and_keeps_it() {
    let stand = Stand::new(json!({}));
    let first = stand.get(&Value::Null, None);
    assert_eq!(first.status, 200);
    assert!(first.body.contains("<html lang=\"nl\"") && first.body.contains("value=\"1\""), "{}", first.body);
    assert_eq!(value(&first, "cache-control").unwrap(), "private, no-store");
    assert_eq!(stand.calls.operations(), ["Query"], "a new voter has no vote to be read");
    let cookie = stand.cookie();
    assert!(cookie.starts_with(COOKIE) && cookie.len() > 100, "{cookie}");
    let again = stand.get(&Value::Null, Some(&cookie));
    assert_eq!((again.status, value(&again, "set-cookie")), (200, None));
    let forged = format!("{}x", stand.cookie());
    assert!(value(&stand.get(&Value::Null, Some(&forged)), "set-cookie").is_some());
}

#[test]
fn another_sites_cookie_hides_ours_by_no_character() {
    let stand = Stand::new(json!({}));
    let cookie = stand.cookie();
    let beside = format!("x=é; {cookie}");
    assert_eq!(value(&stand.get(&Value::Null, Some(&beside)), "set-cookie"), None);
    assert_eq!(stand.post(Some(&beside), "c=1").status, 303);
}

#[test]
fn who_only_asks_for_headers_gets_no_voter() {
    let stand = Stand::new(json!({}));
    let answer = stand.ask("HEAD", "p1", "", &Value::Null, &json!({}), None);
    assert_eq!((answer.status, value(&answer, "set-cookie")), (200, None));
}

#[test]
fn a_vote_leads_to_the_page_that_shows_it_with_the_results() {
    let stand = Stand::new(json!({}));
    let cookie = stand.cookie();
    let cast = stand.post(Some(&cookie), "c=1");
    assert_eq!((cast.status, value(&cast, "location").as_deref()), (303, Some("p1?lang=nl")), "{}", cast.body);
    assert_eq!(
        value(&cast, "set-cookie").unwrap(),
        format!("{cookie}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=34560000")
    );
    let shown = stand.get(&Value::Null, Some(&cookie));
    assert!(shown.body.contains("Je stem is vastgelegd.") && shown.body.contains("<bdi>Blue</bdi>"), "{}", shown.body);
    assert!(shown.body.contains("data-live=\"p1/results?lang=nl\"") && shown.body.contains("1 stem"), "{}", shown.body);
}

#[test]
fn equal_forms_sent_twenty_times_are_one_vote_even_if_every_answer_is_lost() {
    let stand = Stand::new(json!({}));
    let cookie = stand.cookie();
    *stand.tables.loses_answers.lock().unwrap() = true;
    let statuses: Vec<u16> = (0..20).map(|_| stand.post(Some(&cookie), "c=1").status).collect();
    assert!(statuses.iter().all(|status| *status == 303), "{statuses:?}");
    assert_eq!(stand.votes(), 1);
}

#[test]
fn without_a_cookie_or_from_another_site_nothing_is_cast() {
    let stand = Stand::new(json!({}));
    let cookie = stand.cookie();
    let blocked = stand.post(None, "c=1");
    assert_eq!(blocked.status, 403);
    assert!(blocked.body.contains("Je browser bewaart geen cookies van deze pagina."), "{}", blocked.body);
    let from = |headers: Value| {
        let mut all = json!({"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"});
        all.as_object_mut().unwrap().extend(headers.as_object().unwrap().clone());
        stand.ask("POST", "p1", "", &Value::Null, &all, Some("c=1")).status
    };
    for headers in [
        json!({"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN}),
        json!({"Origin": "https://evil.example", "Host": "evil.example", "X-Forwarded-Host": "evil.example"}),
        json!({}),
    ] {
        assert_eq!(from(headers.clone()), 403, "{headers}");
    }
    assert_eq!(stand.votes(), 0);
    assert_eq!(from(json!({"Origin": ORIGIN})), 303);
}

#[test]
fn what_can_not_be_cast_is_shown_again_and_says_why() {
    let stand = Stand::new(json!({"write_in": true}));
    let cookie = stand.cookie();
    let refused = stand.post(Some(&cookie), "c=0&other=%3Cb%3E");
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Kies een optie of schrijf er zelf een, maar niet allebei."), "{}", refused.body);
    assert!(refused.body.contains("value=\"&lt;b&gt;\""), "{}", refused.body);
    assert_eq!(stand.post(Some(&cookie), "c=7").status, 422);
    assert_eq!(stand.post(Some(&cookie), "choices=1").status, 400);
    assert_eq!(stand.votes(), 0);
}

#[test]
fn another_vote_than_the_first_is_a_conflict_and_shows_the_first() {
    let stand = Stand::new(json!({}));
    let cookie = stand.cookie();
    assert_eq!(stand.post(Some(&cookie), "c=1").status, 303);
    let other = stand.post(Some(&cookie), "c=0");
    assert_eq!(other.status, 409);
    assert!(other.body.contains("Je had al gestemd"), "{}", other.body);
    assert_eq!(stand.post(Some(&cookie), "do=withdraw").status, 409);
}

#[test]
fn a_vote_that_may_change_is_changed_and_withdrawn() {
    let stand = Stand::new(json!({"vote_change": "until_close"}));
    let cookie = stand.cookie();
    for form in ["c=1", "c=0", "c=0", "do=withdraw", "do=withdraw"] {
        assert_eq!(stand.post(Some(&cookie), form).status, 303, "{form}");
    }
    let shown = stand.get(&Value::Null, Some(&cookie));
    assert!(shown.body.contains("Je stem is ingetrokken.") && shown.body.contains("type=\"radio\""), "{}", shown.body);
    let voters: Vec<Value> = stand.tables.votes.lock().unwrap().values().cloned().collect();
    assert_eq!(voters.iter().map(|item| &item["revision"]["N"]).collect::<Vec<_>>(), ["3"]);
}

#[test]
fn a_closed_poll_takes_no_vote_and_shows_its_results() {
    let stand = Stand::new(json!({"closes_at": at(60)}));
    let (open, closed) = (Stand::new(json!({})), stand.get(&Value::Null, None));
    assert!(closed.body.contains("Deze stemming is gesloten.") && !closed.body.contains("type=\"radio\""));
    assert_eq!(value(&closed, "set-cookie"), None, "nobody votes here");
    let late = stand.post(Some(&open.cookie()), "c=1");
    assert_eq!((late.status, stand.votes()), (409, 0), "{}", late.body);
    assert!(late.body.contains("Deze stem is niet geteld."), "{}", late.body);
}

#[test]
fn hidden_results_are_shown_to_those_who_voted_and_kept_by_no_cache() {
    let stand = Stand::new(json!({"results": "after_vote"}));
    let cookie = stand.cookie();
    let live = |path: &str, cookie: Option<&str>| {
        stand.ask("GET", "p1", path, &json!({"lang": "de"}), &json!({"Cookie": cookie.unwrap_or("x=1")}), None)
    };
    let before = stand.get(&json!({"view": "results"}), Some(&cookie));
    assert!(before.body.contains("Je ziet de resultaten zodra je hebt gestemd."), "{}", before.body);
    assert_eq!(live("/live", Some(&cookie)).status, 404);
    assert_eq!(stand.post(Some(&cookie), "c=1").status, 303);
    assert!(stand.get(&Value::Null, Some(&cookie)).body.contains("data-live=\"p1/live?lang=nl\""));
    let own = live("/live", Some(&cookie));
    assert_eq!((own.status, value(&own, "cache-control").as_deref()), (200, Some("private, no-store")));
    // The counts are at most a second old, so from before the vote.
    assert!(own.body.starts_with("<div data-version=\"1 ") && own.body.contains("<bdi>Blue</bdi>"), "{}", own.body);
    assert_eq!([live("/live", None).status, live("/results", Some(&cookie)).status], [404, 404]);
}

/// What a form says of the page that it is on.
fn of_page(answer: &Answer) -> String {
    let field = |name: &str| {
        let start = format!("name=\"{name}\" value=\"");
        answer.body.split(start.as_str()).nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    format!("as={}&rev={}", field("as"), field("rev"))
}

fn cookie_of(answer: &Answer) -> String {
    value(answer, "set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn a_form_counts_for_its_own_pages_voter_whatever_cookie_came_meanwhile() {
    let stand = Stand::new(json!({}));
    let pages = [stand.get(&Value::Null, None), stand.get(&Value::Null, None)];
    let [first, second] = [0, 1].map(|page: usize| (cookie_of(&pages[page]), of_page(&pages[page])));
    let sent = stand.post(Some(&first.0), &format!("{}&c=1", first.1));
    assert_eq!((sent.status, stand.votes()), (303, 1));
    // The answer is lost, and the browser has the other page's cookie when the form is sent again.
    let again = stand.post(Some(&second.0), &format!("{}&c=1", first.1));
    assert_eq!((again.status, stand.votes()), (303, 1));
    assert_eq!(cookie_of(&again), first.0, "the browser is the voter's again");
    // And the other page's form is of the browser, which has voted.
    let other = stand.post(Some(&first.0), &format!("{}&c=0", second.1));
    assert_eq!((other.status, stand.votes()), (409, 1), "{}", other.body);
    // Who forges the field is who the cookie says.
    let forged = stand.post(Some(&first.0), "as=x.y.z&rev=0&c=1");
    assert_eq!((forged.status, stand.votes()), (303, 1));
}

#[test]
fn a_form_that_has_not_counted_is_the_browsers() {
    let stand = Stand::new(json!({}));
    let pages = [stand.get(&Value::Null, None), stand.get(&Value::Null, None)];
    let (form, cookie) = (of_page(&pages[0]), cookie_of(&pages[1]));
    for _ in 0..2 {
        let sent = stand.post(Some(&cookie), &format!("{form}&c=1"));
        assert_eq!((sent.status, cookie_of(&sent)), (303, cookie.clone()), "who it is in other polls, it stays");
    }
    assert_eq!(stand.votes(), 1);
}

#[test]
fn on_a_shared_device_each_page_is_its_own_voters() {
    let stand = Stand::new(json!({"devices": "shared"}));
    let pages = [stand.get(&Value::Null, None), stand.get(&json!({"view": "next"}), None)];
    let cookie = cookie_of(&pages[1]);
    for (page, option) in pages.iter().zip([1, 0]) {
        let sent = stand.post(Some(&cookie), &format!("{}&c={option}", of_page(page)));
        assert_eq!((sent.status, cookie_of(&sent)), (303, cookie_of(page)), "{}", sent.body);
    }
    assert_eq!(stand.votes(), 2);
}

#[test]
fn a_form_that_is_sent_late_undoes_no_newer_vote_of_another_tab() {
    let stand = Stand::new(json!({"vote_change": "until_close"}));
    let page = stand.get(&Value::Null, None);
    let (cookie, form) = (cookie_of(&page), of_page(&page));
    let post = |form: &str| stand.post(Some(&cookie), form);
    assert_eq!(post(&format!("{form}&c=1")).status, 303);
    let newer = of_page(&stand.get(&json!({"view": "ballot"}), Some(&cookie)));
    assert_eq!(post(&format!("{newer}&c=0")).status, 303);
    for late in [format!("{form}&c=1"), format!("{form}&do=withdraw"), format!("{newer}&do=withdraw")] {
        let answer = post(&late);
        assert_eq!(answer.status, 409, "{late}: {}", answer.body);
        assert!(answer.body.contains("Je stem is veranderd sinds deze pagina werd geladen"), "{}", answer.body);
        assert!(answer.body.contains("Jouw stem: <bdi>Red</bdi>"), "{}", answer.body);
    }
    assert_eq!(post(&format!("{newer}&c=0")).status, 303, "what stands is said again");
    let withdrawing = of_page(&stand.get(&Value::Null, Some(&cookie)));
    assert_eq!(post(&format!("{withdrawing}&do=withdraw")).status, 303);
    assert!(of_page(&stand.get(&Value::Null, Some(&cookie))).ends_with("rev=3"));
}

#[test]
fn a_form_that_is_shown_again_still_changes_what_its_voter_saw() {
    let stand = Stand::new(json!({"vote_change": "until_close"}));
    let page = stand.get(&Value::Null, None);
    let (cookie, form) = (cookie_of(&page), of_page(&page));
    assert_eq!(stand.post(Some(&cookie), "c=1").status, 303);
    let again = stand.post(Some(&cookie), &form);
    assert_eq!((again.status, of_page(&again)), (422, form));
}

#[test]
fn a_device_that_many_share_forgets_a_voter_and_makes_the_next_one() {
    let stand = Stand::new(json!({"devices": "shared"}));
    let first = stand.get(&Value::Null, None);
    let cookie = cookie_of(&first);
    let cast = stand.post(Some(&cookie), &format!("{}&c=1", of_page(&first)));
    assert_eq!(value(&cast, "set-cookie").unwrap(), format!("{cookie}; Path=/; Secure; HttpOnly; SameSite=Lax"));
    assert!(cookie.starts_with("__Host-landslide-voter-p1="), "other polls have another voter");
    let thanks = stand.get(&Value::Null, Some(&cookie));
    assert!(thanks.body.contains("href=\"p1?lang=nl&amp;view=next\"") && !thanks.body.contains("<bdi>Blue"));
    let next = stand.get(&json!({"view": "next"}), Some(&cookie));
    assert!(next.body.contains("type=\"radio\""), "{}", next.body);
    assert_eq!(stand.post(Some(&cookie_of(&next)), &format!("{}&c=0", of_page(&next))).status, 303);
    assert_eq!(stand.votes(), 2);
    let own = Stand::new(json!({}));
    let cookie = own.cookie();
    assert_eq!(own.post(Some(&cookie), "c=1").status, 303);
    let asked = own.get(&json!({"view": "next"}), Some(&cookie));
    assert_eq!(value(&asked, "set-cookie"), None, "a browser of one's own stays the same voter's");
}

#[test]
fn in_a_frame_there_is_no_voter_and_only_listed_sites_may_frame() {
    let stand = Stand::new(json!({"embed": ["https://news.example"]}));
    let framed = stand.ask("GET", "p1", "", &Value::Null, &json!({"Sec-Fetch-Dest": "iframe"}), None);
    assert_eq!((framed.status, value(&framed, "set-cookie")), (200, None));
    assert!(!framed.body.contains("<form") && framed.body.contains("target=\"_blank\""), "{}", framed.body);
    let policy = |answer: &Answer| value(answer, "content-security-policy").unwrap();
    assert!(policy(&framed).ends_with("frame-ancestors https://news.example"));
    let other = Stand::new(json!({}));
    assert!(policy(&other.get(&Value::Null, None)).ends_with("frame-ancestors 'none'"));
}

#[test]
fn hidden_results_are_shown_on_a_wall_that_has_the_polls_link() {
    let stand = Stand::new(json!({"results": "owner"}));
    let link = link().text(SECRET).unwrap();
    let exchanged = stand.get(&json!({"view": "stage", "link": link}), None);
    let place = Some("p1?lang=nl&view=stage".to_owned());
    assert_eq!((exchanged.status, value(&exchanged, "location")), (303, place));
    let set = value(&exchanged, "set-cookie").unwrap();
    assert_eq!(set, format!("__Host-landslide-view-p1={link}; Path=/; Secure; HttpOnly; SameSite=Lax"));
    let cookie = cookie_of(&exchanged);
    let stage = |cookie: &str| stand.get(&json!({"view": "stage"}), Some(cookie)).body;
    assert!(stage(&cookie).contains("<div data-version") && stage(&cookie).contains("data-live=\"p1/live?lang=nl\""));
    let live = stand.ask("GET", "p1", "/live", &Value::Null, &json!({"Cookie": cookie}), None);
    assert_eq!((live.status, value(&live, "cache-control").as_deref()), (200, Some("private, no-store")));
    let forged = [format!("{cookie}0"), cookie.replace("-p1=", "-p2="), "x=1".to_owned()];
    assert!(forged.iter().all(|cookie| !stage(cookie).contains("<div data-version")));
    for forged in ["lsv_1; Domain=.example", "lsv_1\r\nx: y", &link.replace("lsv_", "lsk_")] {
        let answer = stand.get(&json!({"view": "stage", "link": forged}), None);
        assert_eq!((answer.status, value(&answer, "location")), (200, None), "{forged}");
    }
}

#[test]
fn results_for_anyone_are_kept_for_a_second_and_have_a_tag() {
    let stand = Stand::new(json!({}));
    let results = |headers: Value| stand.ask("GET", "p1", "/results", &json!({"lang": "en"}), &headers, None);
    let first = results(json!({}));
    let tag = value(&first, "etag").unwrap();
    assert_eq!(
        value(&first, "cache-control").unwrap(),
        "public, max-age=1, stale-while-revalidate=1, stale-if-error=10"
    );
    assert!(value(&first, "landslide-poll-after").is_some() && value(&first, "set-cookie").is_none());
    // Caches know an address, and not whom they answer next.
    let unsaid = stand.ask("GET", "p1", "/results", &Value::Null, &json!({"Accept-Language": "de"}), None);
    assert_eq!(value(&unsaid, "content-language").as_deref(), Some("en"));
    let again = results(json!({"If-None-Match": tag}));
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

#[test]
fn what_is_not_there_or_fails_is_a_page_too() {
    let stand = Stand::new(json!({}));
    for (poll, status) in [("nobody", 404), ("..", 404), ("live", 404)] {
        let answer = stand.ask("GET", poll, "", &json!({"lang": "en"}), &json!({}), None);
        assert_eq!(answer.status, status, "{poll}");
        assert!(answer.body.contains("There is no poll at this address."), "{}", answer.body);
    }
    assert!(stand.calls.operations().iter().all(|operation| operation == "Query"));
}

#[test]
fn in_a_poll_of_accounts_the_account_of_the_cookie_votes() {
    let stand = Stand::new(json!({"identity": "account", "vote_change": "until_close"}));
    let before = stand.get(&json!({"lang": "en"}), None);
    assert!(before.body.contains("href=\"p1/sign-in?issuer=0&amp;lang=en\"") && !before.body.contains("<fieldset"));
    assert_eq!(value(&before, "set-cookie"), None, "no device votes here");
    let alice = account_cookie(ISSUER, "alice", "north");
    let ballot = stand.get(&json!({"lang": "en"}), Some(&alice));
    assert!(ballot.body.contains("<fieldset") && ballot.body.contains("Signed in with <bdi>Example ID</bdi>"));
    assert_eq!(value(&ballot, "cache-control").unwrap(), "private, no-store");
    let cast = stand.post(Some(&alice), "c=1");
    assert_eq!((cast.status, value(&cast, "set-cookie")), (303, None), "{}", cast.body);
    // Signed in again, elsewhere and with another region: the same voter.
    let again = account_cookie(ISSUER, "alice", "south");
    let shown = stand.get(&json!({"lang": "en"}), Some(&again));
    assert!(shown.body.contains("Your vote is recorded.") && shown.body.contains("sign-out"), "{}", shown.body);
    assert_eq!(stand.post(Some(&again), "c=0").status, 303);
    assert_eq!(stand.votes(), 1);
    assert_eq!(stand.post(Some(&account_cookie(ISSUER, "bob", "north")), "c=0").status, 303);
    assert_eq!(stand.votes(), 2);
}

#[test]
fn a_form_counts_for_no_account_that_signed_in_after_its_page_was_loaded() {
    let stand = Stand::new(json!({"identity": "account"}));
    let alice = account_cookie(ISSUER, "alice", "north");
    let form = format!("{}&c=1", of_page(&stand.get(&Value::Null, Some(&alice))));
    assert!(!form.contains("alice"), "{form}");
    assert_eq!(stand.post(Some(&account_cookie(ISSUER, "bob", "north")), &form).status, 403);
    assert_eq!(stand.votes(), 0);
    // Signed in again, she is who she was.
    assert_eq!(stand.post(Some(&account_cookie(ISSUER, "alice", "south")), &form).status, 303);
    assert_eq!(stand.votes(), 1);
}

#[test]
fn the_page_and_the_api_know_an_account_as_one_voter() {
    let stand = Stand::new(json!({"identity": "account"}));
    let token = Caller { issuer: ISSUER.to_owned(), ..account("alice") };
    let sent = Entry::of_form(b"c=1").unwrap();
    let poll = run(stand.app.polls.poll(&PollId::parse("p1").unwrap(), at(10))).unwrap();
    let wish = Wish::Cast(sent.ballot(&poll.rules.settings.spec).unwrap(), None);
    run(stand.app.votes.submit(&PollId::parse("p1").unwrap(), &token, None, &wish)).unwrap();
    let shown = stand.get(&json!({"lang": "en"}), Some(&account_cookie(ISSUER, "alice", "north")));
    assert!(shown.body.contains("Your vote is recorded."), "{}", shown.body);
    let other = stand.post(Some(&account_cookie(ISSUER, "alice", "north")), "c=0");
    assert_eq!((other.status, stand.votes()), (409, 1), "its first vote stands");
}

#[test]
fn a_vote_counts_by_the_claims_of_the_sign_in() {
    let region = json!({"name": "region", "values": ["north", "south"], "from": "claim:region"});
    let stand = Stand::new(json!({"identity": "account", "segments": [region]}));
    assert_eq!(stand.post(Some(&account_cookie(ISSUER, "alice", "south")), "c=1").status, 303);
    assert_eq!(stand.post(Some(&account_cookie(ISSUER, "bob", "south")), "c=1").status, 303);
    assert_eq!(stand.post(Some(&account_cookie(ISSUER, "carol", "west")), "c=1").status, 303);
    let votes = stand.tables.votes.lock().unwrap();
    let ballots: Vec<Value> = votes.values().map(|vote| vote["ballot"].clone()).collect();
    let of_south = ballots.iter().filter(|ballot| ballots.iter().filter(|other| other == ballot).count() == 2).count();
    assert_eq!(of_south, 2, "{ballots:?}");
}

#[test]
fn who_is_not_signed_in_any_more_casts_nothing_and_is_told_so() {
    let stand = Stand::new(json!({"identity": "account"}));
    let device = Stand::new(json!({})).cookie();
    let mut expired = account("alice");
    (expired.issuer, expired.expires_at) = (ISSUER.to_owned(), clock::now());
    let expired = format!("__Host-landslide-account={}", page_secret().seal_account(&expired).unwrap());
    let removed = account_cookie("https://other.example", "alice", "north");
    let forged = format!("{}x", account_cookie(ISSUER, "alice", "north"));
    for cookie in [&device, &expired, &removed, &forged, "__Host-landslide-account=out"] {
        let answer = stand.post(Some(cookie), "c=1");
        assert_eq!(answer.status, 403, "{cookie}");
        assert!(
            answer.body.contains("Je bent niet meer aangemeld.") && !answer.body.contains(cookie),
            "{}",
            answer.body
        );
    }
    assert_eq!(stand.votes(), 0);
}

#[test]
fn an_account_signs_out_by_a_form_of_our_own_page() {
    let stand = Stand::new(json!({"identity": "account"}));
    let alice = account_cookie(ISSUER, "alice", "north");
    let out = stand.post(Some(&alice), "do=sign-out");
    assert_eq!((out.status, value(&out, "location").as_deref()), (303, Some("p1?lang=nl")));
    let cookie = value(&out, "set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-landslide-account=out;") && !cookie.contains("Max-Age"), "{cookie}");
    let foreign = json!({"Cookie": alice, "Sec-Fetch-Site": "cross-site"});
    let foreign = stand.ask("POST", "p1", "", &Value::Null, &foreign, Some("do=sign-out"));
    assert_eq!((foreign.status, value(&foreign, "set-cookie")), (403, None));
}

#[test]
fn hidden_results_are_shown_live_to_the_account_that_has_voted() {
    let stand = Stand::new(json!({"identity": "account", "results": "after_vote"}));
    let alice = account_cookie(ISSUER, "alice", "north");
    stand.post(Some(&alice), "c=1");
    let live = |cookie: &str| stand.ask("GET", "p1", "/live", &json!({"lang": "en"}), &json!({"Cookie": cookie}), None);
    let own = live(&alice);
    assert_eq!((own.status, value(&own, "cache-control").as_deref()), (200, Some("private, no-store")));
    assert_eq!(live("x=1").status, 404);
}
