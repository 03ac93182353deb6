//! The viewers' side: people who watch a poll's results through a CDN, request by request, in virtual time. When to ask is
//! decided by the real code: the header by the domain, everything else by the polite client of `landslide_watcher`.

use std::{collections::BTreeMap, thread};

use landslide_domain::{
    poll::Settings,
    results::{
        poll_after::{Watched, poll_after_seconds},
        reading::{CURRENT_MS, Counted, Reading, Reuse, Version},
    },
    time::Timestamp,
};
use landslide_sim::summary::group_thousands;
use landslide_watcher::{Answer, Document, Next, Version as WatchedVersion, Watcher};

use crate::{
    cdn::{Cache, Response},
    measures::Lags,
    parameters::Ballots,
    prices::{Prices, Units},
    sizes,
};

/// Caches that viewers ask; each asks the shield. CloudFront has some 600 locations and 13 regional caches between them and
/// a shield, which are left out: what they save is not in the figures.
const EDGES: usize = 100;
/// Warm processes of get-results: a second one comes whenever two requests meet.
const PROCESSES: usize = 2;
/// One way, in milliseconds: viewer to edge, edge to shield, shield to function. Assumed.
const VIEWER_MS: u64 = 20;
const EDGE_MS: u64 = 40;
const SHIELD_MS: u64 = 20;
/// What a function takes with a document that is current, and to read a newer one, in milliseconds. Assumed; see `request_ms`.
const PROCESS_MS: u64 = 2;
const READ_MS: u64 = 8;
/// From a vote until it is in the counts, in milliseconds: half of all votes in `steady` are faster.
const LAG_MS: u64 = 700;
/// Votes of one flush, of eight lanes at the peak.
const FLUSH_VOTES: u64 = 430;
/// When everything is under way, in milliseconds. What is before that is not in the figures.
const WARM_MS: u64 = 20_000;
/// When the poll was opened, so that nothing is new.
const OPENED_MS: u64 = 3_600_000;

/// Bytes of a response with its headers, and of a 304, in a poll of four options: 816 and 551 on a local cloud without votes,
/// 60 more with large numbers, and some 250 of CloudFront's own headers.
const RESULTS_BYTES: f64 = 1_100.0;
const UNCHANGED_BYTES: f64 = 800.0;
/// Memory of get-results in GB and what a request is billed, in seconds.
const PROCESS_GB: f64 = 0.25;
const BILLED_S: f64 = 0.008;
/// Read units of a document: RULES, OPTIONS, and a COUNT for each of eight lanes, strongly consistent.
const READ_UNITS: f64 = 10.0;

/// The most requests a second that the origin gets, on average over a minute and in any second.
const ORIGIN_MEAN_MAX: f64 = 2.0;
const ORIGIN_MOST_MAX: u64 = 10;
/// What CloudFront takes of one distribution, unless AWS raises it.
const CDN_MAX: u64 = 250_000;

/// People who watch, and what happens meanwhile.
pub struct Crowd {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    viewers: u32,
    /// The poll's setting.
    expected: Option<u64>,
    votes_per_second: u64,
    /// All come within this time.
    come_ms: u64,
    /// How long it is watched.
    lasts_ms: u64,
    /// When the poll closes.
    closes_ms: Option<u64>,
    /// When all caches forget what they have.
    restarts_ms: Option<u64>,
    /// Whether it has to keep within the limits.
    is_demanded: bool,
}

const MINUTE: Crowd = Crowd {
    name: "",
    about: "",
    viewers: 1_000_000,
    expected: Some(1_000_000),
    votes_per_second: 60_000,
    come_ms: 10_000,
    lasts_ms: 80_000,
    closes_ms: None,
    restarts_ms: None,
    is_demanded: true,
};

/// All of them.
pub const CROWDS: &[Crowd] = &[
    Crowd { name: "million", about: "1,000,000 viewers, as the owner has said, and 60,000 votes/s", ..MINUTE },
    Crowd {
        name: "thousand",
        about: "1,125 viewers whom nobody expected, so some 1,000 requests a second, and 60,000 votes/s",
        viewers: 1_125,
        expected: None,
        ..MINUTE
    },
    Crowd {
        name: "quiet",
        about: "100,000 viewers, and nobody votes",
        viewers: 100_000,
        expected: None,
        votes_per_second: 0,
        ..MINUTE
    },
    Crowd {
        name: "closing",
        about: "100,000 viewers of a poll in which nobody votes, who all ask when it closes",
        viewers: 100_000,
        expected: None,
        votes_per_second: 0,
        closes_ms: Some(50_000),
        ..MINUTE
    },
    Crowd { name: "rush", about: "as million, and all come within the same second", come_ms: 1_000, ..MINUTE },
    Crowd {
        name: "restart",
        about: "as million, and all caches of the CDN are empty after 50 s",
        restarts_ms: Some(50_000),
        ..MINUTE
    },
    Crowd {
        name: "unsaid",
        about: "300,000 viewers whom nobody expected, and 60,000 votes/s",
        viewers: 300_000,
        expected: None,
        is_demanded: false,
        ..MINUTE
    },
];

/// A second of a run.
#[derive(Clone, Default)]
pub struct Second {
    /// Requests that the CDN got.
    pub requests: u64,
    /// Requests that the origin got.
    pub origin: u64,
    /// Of 100 viewers, half see counts that are at most this old at the end of the second, in milliseconds.
    pub p50_ms: u64,
    /// And 99.
    pub p99_ms: u64,
}

/// The results of a run.
pub struct Watching {
    /// Who watched.
    pub crowd: &'static Crowd,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// How old counts were on screens once everything was under way.
    ages: Lags,
    /// What was told last, in seconds.
    told: u64,
    totals: Totals,
}

/// What was counted once everything was under way.
#[derive(Clone, Copy, Default)]
struct Totals {
    requests: u64,
    unchanged: u64,
    shield: u64,
    origin: u64,
    readings: u64,
}

/// Runs all, as many at once as there are cores.
pub fn run_all() -> Vec<Watching> {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let groups = CROWDS.chunks(CROWDS.len().div_ceil(cores));
    thread::scope(|scope| {
        let run = |crowds: &'static [Crowd]| move || crowds.iter().map(run).collect::<Vec<_>>();
        let running: Vec<_> = groups.map(|crowds| scope.spawn(run(crowds))).collect();
        running.into_iter().flat_map(|group| group.join().expect("a run")).collect()
    })
}

enum Event {
    /// A request of an edge reaches the shield.
    ShieldAsked(usize),
    /// Its answer reaches the edge.
    EdgeGot(usize, Response),
    /// A request reaches the origin.
    OriginAsked,
    /// Its answer reaches the shield.
    ShieldGot(Response),
}

/// One viewer.
struct Viewer {
    watcher: Watcher<u32>,
    edge: usize,
}

struct Run {
    crowd: &'static Crowd,
    settings: Settings,
    viewers: Vec<Viewer>,
    /// When the counts were read that each viewer sees, in milliseconds.
    read_ms: Vec<u32>,
    /// By millisecond: whose requests reach an edge.
    asked: Vec<Vec<u32>>,
    events: BTreeMap<u64, Vec<Event>>,
    edges: Vec<Cache<u32>>,
    shield: Cache<usize>,
    processes: [Option<(Reading, Option<Counted>)>; PROCESSES],
    seconds: Vec<Second>,
    ages: Lags,
    totals: Totals,
    told: u64,
    random: fastrand::Rng,
}

fn at(ms: u64) -> Timestamp {
    Timestamp::EPOCH.plus_millis(OPENED_MS + ms)
}

fn run(crowd: &'static Crowd) -> Watching {
    let mut run = Run::new(crowd);
    for now in 0..crowd.lasts_ms {
        run.step(now);
    }
    let Run { seconds, ages, told, totals, .. } = run;
    Watching { crowd, seconds, ages, told, totals }
}

impl Run {
    fn new(crowd: &'static Crowd) -> Self {
        let mut settings = sizes::rules(Ballots::Choices, 60_000, 1).settings;
        (settings.created_at, settings.spec.opens_at) = (Timestamp::EPOCH, None);
        (settings.spec.viewers, settings.spec.closes_at) = (crowd.expected, crowd.closes_ms.map(at));
        let mut random = fastrand::Rng::with_seed(1);
        let mut asked = vec![Vec::new(); crowd.lasts_ms as usize];
        let viewer = |number: u32| Viewer { watcher: Watcher::new(number.into()), edge: random.usize(..EDGES) };
        let viewers = (0..crowd.viewers).map(viewer).collect();
        for number in 0..crowd.viewers {
            asked[random.usize(..crowd.come_ms as usize)].push(number);
        }
        Self {
            crowd,
            settings,
            viewers,
            read_ms: vec![u32::MAX; crowd.viewers as usize],
            asked,
            events: BTreeMap::new(),
            edges: (0..EDGES).map(|_| Cache::default()).collect(),
            shield: Cache::default(),
            processes: [None; PROCESSES],
            seconds: vec![Second::default(); crowd.lasts_ms.div_ceil(1_000) as usize],
            ages: Lags::default(),
            totals: Totals::default(),
            told: 0,
            random,
        }
    }

    fn step(&mut self, now: u64) {
        if self.crowd.restarts_ms == Some(now) {
            self.edges.iter_mut().for_each(Cache::restart);
            self.shield.restart();
        }
        for event in self.events.remove(&now).unwrap_or_default() {
            self.happen(event, now);
        }
        for viewer in std::mem::take(&mut self.asked[now as usize]) {
            self.edge_asked(viewer, now);
        }
        if (now + 1).is_multiple_of(1_000) {
            self.look(now + 1);
        }
    }

    fn is_warm(now: u64) -> bool {
        now >= WARM_MS
    }

    fn edge_asked(&mut self, viewer: u32, now: u64) {
        self.seconds[(now / 1_000) as usize].requests += 1;
        self.totals.requests += u64::from(Self::is_warm(now));
        let edge = self.viewers[viewer as usize].edge;
        let handled = self.edges[edge].ask(viewer, now);
        if handled.asks {
            self.later(now + EDGE_MS, Event::ShieldAsked(edge));
        }
        if let Some(response) = handled.answer {
            self.answer(viewer, &response, now);
        }
    }

    fn happen(&mut self, event: Event, now: u64) {
        match event {
            Event::ShieldAsked(edge) => {
                self.totals.shield += u64::from(Self::is_warm(now));
                let handled = self.shield.ask(edge, now);
                if handled.asks {
                    self.later(now + SHIELD_MS, Event::OriginAsked);
                }
                if let Some(response) = handled.answer {
                    self.later(now + EDGE_MS, Event::EdgeGot(edge, response));
                }
            }
            Event::OriginAsked => {
                let (response, took_ms) = self.origin(now);
                self.later(now + took_ms + SHIELD_MS, Event::ShieldGot(response));
            }
            Event::ShieldGot(response) => {
                for edge in self.shield.got(response, now) {
                    self.later(now + EDGE_MS, Event::EdgeGot(edge, response));
                }
            }
            Event::EdgeGot(edge, response) => {
                for viewer in self.edges[edge].got(response, now) {
                    self.answer(viewer, &response, now);
                }
            }
        }
    }

    /// As get-results answers, by one of its processes.
    fn origin(&mut self, now: u64) -> (Response, u64) {
        self.seconds[(now / 1_000) as usize].origin += 1;
        self.totals.origin += u64::from(Self::is_warm(now));
        let process = self.random.usize(..PROCESSES);
        let before = self.processes[process];
        let current = before.filter(|(reading, _)| at(now).millis_since(reading.at) < CURRENT_MS);
        let took_ms = if current.is_some() { PROCESS_MS } else { READ_MS };
        let (reading, counted) = current.unwrap_or_else(|| {
            self.totals.readings += u64::from(Self::is_warm(now));
            let reading = self.reading(now);
            (reading, before.and_then(|(before, _)| reading.since(&before)))
        });
        self.processes[process] = Some((reading, counted));
        let answered = at(now + took_ms);
        let watched = Watched { settings: &self.settings, is_final: false, as_of: reading.as_of, counted };
        let reuse = Reuse {
            max_age_seconds: reading.max_age_seconds(answered),
            poll_after_seconds: poll_after_seconds(&watched, answered),
        };
        (Response { reading, reuse, age_s: 0 }, took_ms)
    }

    fn reading(&self, now: u64) -> Reading {
        let counted_to = at(now.min(self.crowd.closes_ms.unwrap_or(now))).as_millis() - LAG_MS;
        let ballots = counted_to * self.crowd.votes_per_second / 1_000;
        let version = Version { poll: 1, counts: ballots / FLUSH_VOTES };
        let as_of = (ballots > 0).then(|| Timestamp::EPOCH.plus_millis(counted_to));
        Reading { at: at(now), version, ballots: ballots as i64, as_of, is_final: false }
    }

    /// A response leaves an edge for a viewer, who asks again some time later.
    fn answer(&mut self, number: u32, response: &Response, now: u64) {
        let Viewer { watcher, .. } = &mut self.viewers[number as usize];
        let Version { poll, counts } = response.reading.version;
        let told = response.reuse.poll_after_seconds;
        self.told = told;
        let read_ms = response.reading.at.millis_since(at(0)) as u32;
        // The status is in the document, too.
        let etag = format!("{counts}-{:?}", self.settings.status(response.reading.at));
        let answer = if watcher.etag() == Some(&etag) {
            self.totals.unchanged += u64::from(Self::is_warm(now));
            Answer::Unchanged(Some(told))
        } else {
            let version = WatchedVersion { poll, counts };
            Answer::Results(Document { etag, version, is_final: false, results: read_ms }, Some(told))
        };
        let is_same = matches!(answer, Answer::Unchanged(_));
        let next = watcher.take(answer);
        let shown = watcher.shown().copied().expect("something is shown");
        // What is unchanged is as new as its response.
        let shown = if is_same { shown.max(read_ms) } else { shown };
        let seen = &mut self.read_ms[number as usize];
        *seen = if *seen == u32::MAX { shown } else { shown.max(*seen) };
        if let Next::Wait(pause) = next {
            let again = now + VIEWER_MS + pause.as_millis() as u64 + VIEWER_MS;
            if let Some(asked) = self.asked.get_mut(again as usize) {
                asked.push(number);
            }
        }
    }

    fn later(&mut self, at_ms: u64, event: Event) {
        self.events.entry(at_ms).or_default().push(event);
    }

    /// Looks at all screens.
    fn look(&mut self, now: u64) {
        let mut ages = Lags::default();
        for read_ms in self.read_ms.iter().filter(|read_ms| **read_ms != u32::MAX) {
            let age_ms = now - u64::from(*read_ms);
            ages.add(age_ms, 1);
            if Self::is_warm(now) {
                self.ages.add(age_ms, 1);
            }
        }
        let second = &mut self.seconds[(now / 1_000 - 1) as usize];
        (second.p50_ms, second.p99_ms) = (ages.quantile_ms(0.5), ages.quantile_ms(0.99));
    }
}

impl Watching {
    fn minutes(&self) -> f64 {
        (self.crowd.lasts_ms - WARM_MS) as f64 / 60_000.0
    }

    fn origin_mean(&self) -> f64 {
        self.totals.origin as f64 / (self.minutes() * 60.0)
    }

    fn most(&self, of: fn(&Second) -> u64) -> u64 {
        self.seconds.iter().map(of).max().unwrap_or_default()
    }

    /// What polling takes.
    fn polling(&self) -> Vec<Units> {
        let Totals { requests, unchanged, shield, origin, readings } = self.totals;
        let bytes = (requests - unchanged) as f64 * RESULTS_BYTES + unchanged as f64 * UNCHANGED_BYTES;
        vec![
            ("cloudfront_https_request", (requests + shield) as f64),
            ("cloudfront_gb", bytes / 1e9),
            ("api_rest_request", origin as f64),
            ("lambda_request", origin as f64),
            ("lambda_arm64_gb_second", origin as f64 * BILLED_S * PROCESS_GB),
            ("dynamodb_read_unit", readings as f64 * READ_UNITS),
        ]
    }

    /// What the same news would take by push: a message for each that was polled and is new, and the connections.
    fn push(&self) -> Vec<Units> {
        let messages = (self.totals.requests - self.totals.unchanged) as f64;
        let minutes = f64::from(self.crowd.viewers) * self.minutes();
        vec![
            ("websocket_message", messages),
            ("websocket_connection_minute", minutes),
            ("internet_gb", messages * RESULTS_BYTES / 1e9),
        ]
    }

    /// Dollars for a million viewers for a minute.
    fn million_viewer_minutes(&self, units: &[Units], prices: &Prices) -> f64 {
        prices.cost(units) * 1e6 / (f64::from(self.crowd.viewers) * self.minutes())
    }

    /// Whether it kept within the limits; the reasons if not.
    fn verdict(&self) -> Vec<String> {
        let (mean, most) = (self.origin_mean(), self.most(|second| second.origin));
        // How many come is not in a client's hands; how soon they ask again is.
        let once_there = self.seconds.iter().skip(self.crowd.come_ms.div_ceil(1_000) as usize);
        let requests = once_there.map(|second| second.requests).max().unwrap_or_default();
        let mut reasons = Vec::new();
        if mean > ORIGIN_MEAN_MAX {
            reasons.push(format!("{mean:.2} requests a second at the origin, over {ORIGIN_MEAN_MAX}"));
        }
        if most > ORIGIN_MOST_MAX {
            reasons.push(format!("{most} requests at the origin in a second, over {ORIGIN_MOST_MAX}"));
        }
        if requests > CDN_MAX {
            reasons.push(format!("{requests} requests in a second, over the {CDN_MAX} of a distribution"));
        }
        reasons
    }

    /// Whether it is as it has to be.
    pub fn is_well(&self) -> bool {
        !self.crowd.is_demanded || self.verdict().is_empty()
    }
}

impl std::fmt::Display for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = match (self.verdict(), self.crowd.is_demanded) {
            (reasons, _) if reasons.is_empty() => "within all limits".to_owned(),
            (reasons, true) => format!("NOT AS IT HAS TO BE: {}", reasons.join("; ")),
            (reasons, false) => format!("over limits, as is shown here: {}", reasons.join("; ")),
        };
        write!(f, "{}: {}: {verdict}", self.crowd.name, self.crowd.about)
    }
}

/// All as a table in Markdown.
pub fn table(all: &[Watching], prices: &Prices) -> String {
    let mut lines = vec![
        "| watching | viewers | told, s | requests/s: mean, most | at the origin: mean, most | counts on screens are old p50 / p99, s | $ a million viewer-minutes by polling | the same by push |".to_owned(),
        "| --- | --: | --: | --: | --: | --: | --: | --: |".to_owned(),
    ];
    for one in all {
        let seconds = one.minutes() * 60.0;
        let old = |share| one.ages.quantile_ms(share) as f64 / 1_000.0;
        let dollars = |units: &[Units]| one.million_viewer_minutes(units, prices);
        lines.push(format!(
            "| `{}` | {} | {} | {}, {} | {:.2}, {} | {:.1} / {:.1} | {:.2} | {:.2} |",
            one.crowd.name,
            group_thousands(one.crowd.viewers.into()),
            one.told,
            group_thousands((one.totals.requests as f64 / seconds).round() as u64),
            group_thousands(one.most(|second| second.requests)),
            one.origin_mean(),
            one.most(|second| second.origin),
            old(0.5),
            old(0.99),
            dollars(&one.polling()),
            dollars(&one.push()),
        ));
    }
    lines.join("\n")
}
