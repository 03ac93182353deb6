//! Every state of a page, to look at and to test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::LazyLock;

use landslide_domain::{
    ballot::Ballot,
    method::{Lot, Method, Rankings, tally},
    poll::Poll,
    testing::{account, at, poll_asked_for},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::{
    Accounts, Address, Entry, Fragment, Language, Mistake, Notice, OfVoter, PollPage, Shown, View, words::Words,
};

/// What people write.
#[derive(Clone, Debug)]
pub struct OwnText {
    /// The question.
    pub question: String,
    /// The labels.
    pub options: Vec<String>,
    /// A further text: an answer, a write-in, and a dimension's value.
    pub answer: String,
}

impl Default for OwnText {
    fn default() -> Self {
        let options = ["Margherita", "Prosciutto e funghi", "Quattro stagioni"];
        Self {
            question: "Which pizza do we order for the evening?".to_owned(),
            options: options.map(str::to_owned).to_vec(),
            answer: "Calzone".to_owned(),
        }
    }
}

/// A page in one state.
pub struct State {
    /// Its name, for a file.
    pub name: &'static str,
    poll: Poll,
    vote: Option<Ballot>,
    document: Option<String>,
    series: Option<String>,
    view: View,
    notice: Option<Notice>,
    refused: Option<(Entry, Mistake)>,
    is_framed: bool,
    accounts: Accounts<'static>,
    now: Timestamp,
}

/// As long as a device's token is.
static TOKEN: LazyLock<String> = LazyLock::new(|| "t".repeat(300));

impl State {
    fn new(name: &'static str, text: &OwnText, settings: Value) -> Self {
        let mut body = json!({"question": text.question, "options": text.options});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        if body["kind"] == "text" {
            body.as_object_mut().unwrap().remove("options");
        }
        let poll = poll_asked_for(body, at(0)).unwrap();
        let (document, series) = (None, None);
        let (view, notice, refused, is_framed, now) = (View::Usual, None, None, false, at(100));
        let accounts = Accounts::default();
        Self { name, poll, vote: None, document, series, view, notice, refused, is_framed, accounts, now }
    }

    /// With the vote that a form makes.
    fn voted(mut self, form: &str) -> Self {
        let sent = Entry::of_form(form.as_bytes()).unwrap().ballot(&self.poll.rules.settings.spec).unwrap();
        self.vote = Some(self.poll.rules.ballot(&sent, &account("ann"), None, at(100)).unwrap());
        self
    }

    /// With a form that was refused.
    fn refused(mut self, form: &str) -> Self {
        let entry = Entry::of_form(form.as_bytes()).unwrap();
        let mistake = entry.ballot(&self.poll.rules.settings.spec).unwrap_err();
        self.refused = Some((entry, mistake));
        self
    }

    fn viewed(self, view: View) -> Self {
        Self { view, ..self }
    }

    fn noticed(self, notice: Notice) -> Self {
        Self { notice: Some(notice), ..self }
    }

    fn framed(self) -> Self {
        Self { is_framed: true, ..self }
    }

    /// Where one can sign in, and perhaps has.
    fn accounts(mut self, signed_in_with: Option<&'static str>) -> Self {
        self.accounts = Accounts { providers: vec!["Example ID", "id.example.net"], signed_in_with };
        self
    }

    fn at(self, seconds: u64) -> Self {
        Self { now: at(seconds), ..self }
    }

    /// With this many votes for each option in turn.
    fn counted(self, ballots: u64) -> Self {
        self.with(ballots, &json!({}))
    }

    /// The same with further parts of the document.
    fn with(mut self, ballots: u64, parts: &Value) -> Self {
        let options = self.poll.options.len() as u64;
        let votes = |id: u64| (2 * ballots * (options - id)).checked_div(options * (options + 1)).unwrap_or_default();
        let rating = |id: usize| parts["ratings"].get(id).cloned();
        let options: Vec<Value> = (0..)
            .zip(&self.poll.options)
            .map(|(id, label)| {
                let mut option = json!({"id": id, "label": label, "votes": votes(id)});
                rating(id as usize).into_iter().for_each(|rating| option["rating"] = rating);
                option
            })
            .collect();
        let mut document = json!({"poll_id": "p1", "status": "open", "ballots": ballots, "options": options,
            "as_of": at(99), "final": false, "version": {"poll": 1, "counts": ballots}, "unavailable": null});
        document.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        self.document = Some(document.to_string());
        self
    }

    /// With a count of rankings by the poll's method.
    fn ranked(self) -> Self {
        let options = self.poll.rules.options;
        let ranking = |first: u8, length: u8| (0..length).map(|place| (first + place) % options).collect::<Vec<u8>>();
        let counted: Vec<(Vec<u8>, u64)> =
            (0..options).map(|first| (ranking(first, 1 + first % 3), 40 + 7 * u64::from(first))).collect();
        self.ranked_by(&counted)
    }

    /// With a count of these rankings.
    fn ranked_by(self, counted: &[(Vec<u8>, u64)]) -> Self {
        let spec = &self.poll.rules.settings.spec;
        let rankings = Rankings::new(self.poll.rules.options, counted);
        let tally = tally(&rankings, spec.seats, spec.method.unwrap(), &Lot::Provisional).unwrap();
        let ballots = tally.summary.ballots;
        self.with(ballots, &json!({"tally": tally}))
    }

    fn with_series(mut self) -> Self {
        let point = |minute: u64| json!({"at": at(60 * minute), "ballots": 3 + minute * 17 % 23, "votes": []});
        self.series = Some(json!({"points": (0..40).map(point).collect::<Vec<_>>()}).to_string());
        self
    }

    /// The page.
    pub fn page(&self) -> PollPage<'_> {
        let shown = |document| Shown {
            fragment: Fragment::read(&self.poll.rules.settings.spec, document, self.series.as_deref()).unwrap(),
            poll_after_seconds: 2,
        };
        PollPage {
            poll: &self.poll,
            voter: Some(OfVoter { mark: &TOKEN, revision: self.vote.is_some().into() }),
            vote: self.vote.as_ref(),
            results: self.document.as_deref().map(shown),
            view: self.view,
            notice: self.notice,
            refused: self.refused.clone(),
            is_framed: self.is_framed,
            accounts: self.accounts.clone(),
            address: Address { public: "https://vote.example/p/p1", live: "p1/live" },
            now: self.now,
        }
    }

    /// The page's HTML.
    pub fn render(&self, language: Language) -> String {
        self.render_with(&Words::of(language))
    }

    pub(crate) fn render_with(&self, words: &Words) -> String {
        self.page().render_with(words)
    }
}

/// All states.
pub fn states(text: &OwnText) -> Vec<State> {
    let state = |name, settings: Value| State::new(name, text, settings);
    let changeable = || json!({"vote_change": "until_close"});
    let region = json!({"name": "region", "values": ["North", text.answer], "from": "vote"});
    let long: String = text.answer.chars().cycle().take(160).collect();
    let mut states = vec![
        state("scheduled", json!({"opens_at": at(3_600), "closes_at": at(7_200)})).at(0),
        state("open", json!({})),
        state("open-listed", json!({"listed": true})),
        state("open-until", json!({"closes_at": at(90_000)})),
        state("open-closing", json!({"closes_at": at(190)})),
        state("open-write-in", json!({"write_in": true})),
        state("open-multiple", json!({"kind": "multiple", "write_in": true, "min_choices": 1, "max_choices": 2})),
        state("open-multiple-from-two", json!({"kind": "multiple", "min_choices": 2, "max_choices": 3})),
        state("open-multiple-all", json!({"kind": "multiple", "min_choices": 3})),
        state("open-ranked", json!({"kind": "ranked"})),
        state("open-rating", json!({"kind": "rating"})),
        state("open-rating-eleven", json!({"kind": "rating", "scale": {"min": 0, "max": 10}})),
        state("open-text", json!({"kind": "text"})),
        state("open-segments", json!({"segments": [region]})),
        state("refused", json!({})).refused(""),
        state("refused-multiple", json!({"kind": "multiple", "min_choices": 2})).refused("c=1"),
        state("refused-both", json!({"write_in": true})).refused(&form("c=0&other=", &text.answer)),
        state("refused-ranked", json!({"kind": "ranked"})).refused("r0=1&r1=1"),
        state("refused-ranked-none", json!({"kind": "ranked"})).refused("r0="),
        state("refused-rating", json!({"kind": "rating"})).refused("v0="),
        state("refused-text-blank", json!({"kind": "text"})).refused("text="),
        state("refused-text-unusual", json!({"kind": "text"})).refused("text=a%00"),
        state("refused-otherwise", json!({})).refused("c=0&s0=1"),
        state("refused-text", json!({"kind": "text"})).refused(&form("text=", &long)),
        state("voted", json!({})).voted("c=1").counted(1_234),
        state("voted-may-change", changeable()).voted("c=0").counted(1),
        state("change", changeable()).voted("c=1").viewed(View::Ballot),
        state("withdrawn", changeable()).noticed(Notice::Withdrawn).counted(12).viewed(View::Results),
        state("already-voted", json!({})).voted("c=0").noticed(Notice::AlreadyVoted).counted(12),
        state("overtaken", changeable()).voted("c=0").noticed(Notice::ChangedElsewhere).counted(12),
        state("own-vote-hidden", json!({"own_vote": "hide", "vote_change": "until_close"})).voted("c=0").counted(12),
        state("framed", json!({})).framed().counted(12),
        state("framed-account", json!({"identity": "account"})).framed().counted(12).accounts(None),
        state("not-counted", json!({})).noticed(Notice::NotCounted).counted(12).viewed(View::Results),
        state("next-please", json!({"devices": "shared"})).voted("c=1"),
        state("results-first", json!({})).counted(1_234_567).viewed(View::Results),
        state("no-votes", json!({})).counted(0).viewed(View::Results),
        state("closed", json!({"closes_at": at(90)})).with(98_765, &json!({"final": true})),
        state("hidden-until-vote", json!({"results": "after_vote"})).viewed(View::Results),
        state("hidden-until-close", json!({"results": "after_close", "closes_at": at(900)})).voted("c=2"),
        state("hidden-until-some-close", json!({"results": "after_close"})).viewed(View::Results),
        state("hidden", json!({"results": "owner", "closes_at": at(90)})),
        state("account", json!({"identity": "account"})).counted(5),
        state("account-signed-out", json!({"identity": "account"})).counted(5).accounts(None),
        state("open-account", json!({"identity": "account"})).accounts(Some("Example ID")),
        state("voted-account", json!({"identity": "account", "vote_change": "until_close"}))
            .voted("c=1")
            .counted(5)
            .accounts(Some("id.example.net")),
        state("stage", json!({})).counted(45_678).viewed(View::Stage),
        state("stage-hidden", json!({"results": "owner"})).viewed(View::Stage),
    ];
    states.push(paused(state("paused", json!({})).voted("c=1").counted(7)));
    states.extend(counted_states(text));
    states
}

fn paused(mut state: State) -> State {
    state.poll.rules.settings.paused_from = Some(at(50));
    state
}

/// A field with a text.
fn form(start: &str, text: &str) -> String {
    start.to_owned() + &form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
}

/// Results of each kind.
fn counted_states(text: &OwnText) -> Vec<State> {
    let state = |name, settings: Value| State::new(name, text, settings);
    let answers = json!({"top": [{"text": text.answer, "count": 320}, {"text": "Hawaii", "count": 12}], "distinct": 40,
        "distinct_is": "exact", "further": 38, "hidden": 2});
    let levels: Vec<Value> = (0..=10).map(|value| json!({"value": value, "count": value})).collect();
    let rating = json!({"ratings": 55, "counts": levels, "mean": 7.04, "median": 7, "net_promoter_score": 12.7});
    let ratings = vec![rating; text.options.len()];
    let none = json!({"ratings": 0, "counts": levels, "mean": null, "median": null, "net_promoter_score": null});
    let ranked = |name, method: Method, seats: u8| {
        state(name, json!({"kind": "ranked", "method": method, "seats": seats})).voted("r0=2&r1=1").ranked()
    };
    vec![
        state("results-multiple", json!({"kind": "multiple"})).voted("c=0&c=2").counted(999),
        state("results-write-in", json!({"write_in": true}))
            .voted(&form("other=", &text.answer))
            .with(500, &json!({"write_ins": answers})),
        state("results-text", json!({"kind": "text"}))
            .voted(&form("text=", &text.answer))
            .with(372, &json!({"answers": answers})),
        state("results-rating", json!({"kind": "rating", "scale": {"min": 0, "max": 10}}))
            .voted("v0=9&v1=2")
            .with(55, &json!({"ratings": ratings})),
        state("results-rating-none", json!({"kind": "rating", "scale": {"min": 0, "max": 10}}))
            .viewed(View::Results)
            .with(0, &json!({"ratings": [none, none, none]})),
        state("results-quiz", json!({"correct": [1], "closes_at": at(90)}))
            .voted("c=1")
            .with(4_321, &json!({"quiz": {"correct": [1], "right": 1_440, "share": 0.333}})),
        ranked("results-irv", Method::Irv, 1),
        ranked("results-stv", Method::Stv, 2),
        ranked("results-condorcet", Method::Condorcet, 1),
        ranked("results-borda", Method::Borda, 1),
        state("results-tie", json!({"kind": "ranked"})).voted("r1=1").ranked_by(&[(vec![0, 1], 5), (vec![1, 0], 5)]),
        state("results-lot", json!({"kind": "ranked"})).voted("r1=1").ranked_by(&[
            (vec![0], 5),
            (vec![1], 3),
            (vec![2], 3),
        ]),
        state("results-series", json!({"series": true, "closes_at": at(3_600)}))
            .voted("c=1")
            .counted(640)
            .with_series(),
        state("results-being-counted", json!({"kind": "ranked"}))
            .voted("r0=1")
            .with(0, &json!({"unavailable": "not_assembled"})),
        state("results-incomplete", json!({"kind": "ranked"}))
            .voted("r0=1")
            .with(9_000_000, &json!({"unavailable": "too_many_rankings"})),
    ]
}
