//! Voters: they vote, repeat the vote, change their minds, retract the vote, race themselves, come late, and retry when
//! no answer comes. What they are told is compared with the ledger.

use std::rc::Rc;

use futures_util::future::join_all;
use landslide_domain::{
    ballot::{
        Answer, Ballot, Choices, Content, Ranking, Rating, Ratings, Segments, SentBallot, SentContent, SentRating,
    },
    caller::{Caller, TokenKind},
    claims::Claims,
    error::Error,
    lane::Partitions,
    poll::{Dimension, Kind, Poll, PollSpec, Rules, Source, VoteChange},
    time::Timestamp,
    vote::Revisions,
};
use landslide_service::votes::{StandingVote, Wish};

use crate::{
    actors::owners,
    cloud::Cloud,
    events::{Event, VoterTold},
    facts::Voter,
    faults::Fault,
};

/// How many voters of polls whose counts are made final lie in the first partition, and how many names are tried for each.
const FIRST_VOTERS: usize = 2;
const NAMES_MAX: u32 = 4_096;
/// How often a voter tries again.
const TRIES_MAX: u64 = 6;
/// The most wishes of a voter whose vote can't change. All but the first test little.
const FIXED_WISHES_MAX: u64 = 2;
/// The longest pause before the next try, in milliseconds.
const RETRY_PAUSE_MS: u64 = 4_000;
/// The longest pause between two wishes, in milliseconds.
const WISH_PAUSE_MS: u64 = 10_000;
/// How near to its closing or opening some of a poll's voters come, in milliseconds.
const RUSH_MS: u64 = 3_000;

/// How many values a claim has among voters. Not all of them are a dimension's.
const CLAIM_VALUES: u64 = 4;

/// One who votes in one poll.
pub struct Person {
    cloud: Rc<Cloud>,
    poll: Rc<Poll>,
    caller: Caller,
    voter: Voter,
}

impl Person {
    /// The n-th voter of a poll.
    pub fn new(cloud: &Rc<Cloud>, poll: &Rc<Poll>, number: usize) -> Self {
        let mut caller = Caller {
            issuer: "landslide".to_owned(),
            subject: format!("device {number}"),
            kind: TokenKind::Device,
            expires_at: Timestamp::EPOCH.plus_millis(u64::MAX),
            claims: Claims::default(),
        };
        if cloud.world.scenario.finalises && number < FIRST_VOTERS && poll.rules.partitions == Partitions::Few {
            move_to_the_first_partition(&mut caller, &poll.rules);
        }
        let key = u128::from_be_bytes(poll.rules.voter(&caller).bytes());
        let voter = Voter { poll: poll.rules.settings.poll_id.to_string(), key };
        Self { cloud: cloud.clone(), poll: poll.clone(), caller, voter }
    }

    /// Comes at some time, and has some wishes.
    pub async fn live(self) {
        let world = &self.cloud.world;
        world.executor.sleep(self.arrival_ms()).await;
        let wishes_max = if self.is_fixed() { FIXED_WISHES_MAX } else { u64::MAX };
        let wishes = 1 + world.draw(wishes_max.min(world.scenario.wishes_max as u64));
        let mut last = self.some_ballot();
        self.ask(Some(&last), None).await;
        for _ in 1..wishes {
            world.executor.sleep(world.draw(WISH_PAUSE_MS)).await;
            match world.draw(6) {
                0 => self.ask(Some(&last), None).await,
                1 => self.ask(None, None).await,
                2 => {
                    last = self.some_ballot();
                    self.ask(Some(&last), None).await;
                }
                // Over a revision that may stand no more: a tab that was left open, or a page that showed no vote.
                3 => {
                    last = self.some_ballot();
                    let revision = world.draw(4);
                    join_all((0..1 + world.draw(2)).map(|_| self.ask(Some(&last), Some(revision)))).await;
                }
                4 => {
                    last = self.some_ballot();
                    join_all((0..2 + world.draw(3)).map(|_| self.ask(Some(&last), None))).await;
                }
                _ => {
                    let several: Vec<_> = (0..2 + world.draw(3)).map(|_| self.some_ballot()).collect();
                    join_all(several.iter().map(|ballot| self.ask(Some(ballot), None))).await;
                }
            }
        }
    }

    /// When the voter comes: any time, or just when the poll opens or closes.
    fn arrival_ms(&self) -> u64 {
        let world = &self.cloud.world;
        let settings = &self.poll.rules.settings;
        let rush = match world.draw(6) {
            0 => settings.spec.closes_at,
            1 => settings.spec.opens_at,
            _ => None,
        };
        let Some(rush) = rush else { return world.draw(world.scenario.span_ms) };
        let from = rush.as_millis().saturating_sub(RUSH_MS).saturating_sub(world.executor.now_ms());
        from + world.draw(2 * RUSH_MS)
    }

    fn is_fixed(&self) -> bool {
        self.poll.rules.settings.spec.vote_change == VoteChange::Never
    }

    fn spec(&self) -> &PollSpec {
        &self.poll.rules.settings.spec
    }

    /// Whatever a voter of the poll may say. The slot, and what claims say, are the poll's to add.
    fn some_ballot(&self) -> Ballot {
        Ballot::new(self.some_content(), self.some_segments(), None)
    }

    fn some_content(&self) -> Content {
        let spec = self.spec();
        match spec.kind {
            Kind::Single | Kind::Multiple if spec.write_in && self.cloud.world.once_in(2) => self.some_write_in(),
            Kind::Single | Kind::Multiple if spec.correct.is_some() => Content::Quiz(self.some_choices()),
            Kind::Single | Kind::Multiple => Content::Choices(self.some_choices()),
            Kind::Ranked => Content::Ranking(self.some_ranking()),
            Kind::Rating => Content::Ratings(self.some_ratings()),
            Kind::Text => Content::Text(self.some_answer()),
        }
    }

    fn some_choices(&self) -> Choices {
        let world = &self.cloud.world;
        let options = u64::from(self.poll.rules.options);
        let mut bits = 1u128 << world.draw(options);
        if self.spec().kind == Kind::Multiple {
            bits |= u128::from(world.draw(1 << options));
        }
        Choices::from_bits(bits).expect("choices of the poll")
    }

    /// An option that the voter writes, perhaps beside one that is listed.
    fn some_write_in(&self) -> Content {
        let listed = self.spec().max_choices > 1 && self.cloud.world.once_in(2);
        let option = u64::from(self.poll.rules.options).min(2);
        let listed = listed.then(|| Choices::of_ids(&[self.cloud.world.draw(option)]).expect("an option"));
        Content::WriteIn(listed, self.some_answer())
    }

    /// What many others say as well, or anything.
    fn some_thought(&self) -> u64 {
        let world = &self.cloud.world;
        match world.scenario.favourites {
            0 => world.draw(u64::MAX),
            // Some are said more often.
            favourites => world.draw(favourites).min(world.draw(favourites)),
        }
    }

    fn some_ranking(&self) -> Ranking {
        let mut random = fastrand::Rng::with_seed(self.some_thought());
        let mut ids: Vec<u64> = (0..u64::from(self.poll.rules.options)).collect();
        random.shuffle(&mut ids);
        ids.truncate(random.usize(1..=usize::from(self.spec().max_choices)));
        Ranking::of_ids(&ids).expect("a ranking of the poll")
    }

    fn some_ratings(&self) -> Ratings {
        let mut random = fastrand::Rng::with_seed(self.some_thought());
        let scale = self.spec().scale.expect("a scale");
        let sure = random.u8(..self.poll.rules.options);
        let mut pairs = Vec::new();
        for option in 0..self.poll.rules.options {
            if option == sure || random.bool() {
                pairs.extend([i64::from(option), i64::from(random.i8(scale.min..=scale.max))]);
            }
        }
        Ratings::stored(&pairs).expect("ratings of the poll")
    }

    fn some_answer(&self) -> Answer {
        let thought = self.some_thought();
        let text = if thought.is_multiple_of(3) { format!("\u{e9} {thought:x}") } else { format!("{thought:x}") };
        Answer::stored(&text).expect("an answer")
    }

    /// A value of the claim by which polls count; 0: none. Each request may come with another token.
    fn some_claim(&self) -> u8 {
        let has_any = self.spec().segments.iter().any(|dimension| dimension.from != Source::Vote);
        if has_any { self.cloud.world.draw(CLAIM_VALUES + 1) as u8 } else { 0 }
    }

    fn caller_with(&self, value: u8) -> Caller {
        let claim = (value > 0).then(|| (owners::CLAIM.to_owned(), owners::value(value)));
        Caller { claims: claim.into_iter().collect(), ..self.caller.clone() }
    }

    /// A ballot as it is stored where the voter's token has this value.
    fn with_claim(&self, ballot: &Ballot, value: u8) -> Ballot {
        let Ballot::Full(full) = ballot else { return ballot.clone() };
        let place = |(dimension, place): (&Dimension, &u8)| match dimension.from {
            Source::Vote => *place,
            Source::Claim(_) if usize::from(value) <= dimension.values.len() => value,
            Source::Claim(_) | Source::Country => 0,
        };
        let places: Vec<u8> = self.spec().segments.iter().zip(full.segments.as_slice()).map(place).collect();
        Ballot::new(full.content.clone(), Segments::of_places(&places).expect("places in dimensions"), None)
    }

    /// A place in each dimension that the voter says; now and then none.
    fn some_segments(&self) -> Segments {
        let world = &self.cloud.world;
        let place = |dimension: &Dimension| match dimension.from {
            Source::Vote => world.draw_index(dimension.values.len() + 1) as u8,
            Source::Claim(_) | Source::Country => 0,
        };
        let places: Vec<u8> = self.spec().segments.iter().map(place).collect();
        Segments::of_places(&places).expect("places in dimensions")
    }

    /// Asks for a ballot to stand until an answer comes or patience is over. If `ballot` is `None`, asks for the vote
    /// to be retracted. If `over` names a revision, only that revision may be replaced; if it is 0,
    /// there must be no vote.
    async fn ask(&self, ballot: Option<&Ballot>, over: Option<u64>) {
        let world = &self.cloud.world;
        let tries = 1 + world.draw(TRIES_MAX);
        let value = self.some_claim();
        let asked = ballot.map(|ballot| self.with_claim(ballot, value));
        let caller = self.caller_with(value);
        for _ in 0..tries {
            let began = world.executor.now_ms();
            let before = world.ledger().standing(&self.voter);
            let (id, caller) = (self.poll.rules.settings.poll_id.clone(), caller.clone());
            let only_over = over.map(|revision| match revision {
                0 => Revisions::Shown(0),
                _ => Revisions::Of(vec![revision.to_string()]),
            });
            let wish = ballot.map_or(Wish::Retract, |ballot| Wish::Cast(self.sent(ballot), None));
            let request = self
                .cloud
                .request(&self.cloud.votes, async move |votes| votes.submit(&id, &caller, only_over, &wish).await);
            let answer = request.await;
            world.tell("voter", || format!("{:032x} asks for {ballot:?}: {answer:?}", self.voter.key));
            let is_over = match &answer {
                Some(Err(Error::Unavailable(_))) | None => false,
                Some(answer) => {
                    let time = (began, world.executor.now_ms());
                    let (voter, answer) = (&self.voter, answer.as_ref());
                    world.observe(&Event::VoterTold(VoterTold {
                        voter,
                        asked: asked.clone(),
                        over,
                        time,
                        before,
                        answer,
                    }));
                    if let Ok(standing) = answer
                        && world.once_in(8)
                    {
                        self.see_own_vote(standing).await;
                    }
                    !matches!(answer, Err(Error::PollPaused))
                }
            };
            if is_over && !world.faults.strikes(Fault::ResponseLost) {
                return;
            }
            world.executor.sleep(world.draw(RETRY_PAUSE_MS)).await;
        }
    }

    /// Looks at their own vote, who was just told that it stands.
    async fn see_own_vote(&self, told: &StandingVote) {
        let world = &self.cloud.world;
        let (id, caller) = (self.poll.rules.settings.poll_id.clone(), self.caller.clone());
        let shown = self.cloud.request(&self.cloud.votes, async move |votes| votes.stored_vote(&id, &caller).await);
        if let Some(Ok(shown)) = shown.await {
            let shown = shown.map(|standing| standing.vote);
            world.observe(&Event::OwnVoteShown { voter: &self.voter, told, shown });
        }
    }

    fn sent(&self, ballot: &Ballot) -> SentBallot {
        let ids = |choices: &Choices| choices.iter().map(u64::from).collect::<Vec<_>>();
        let (content, segments) = match ballot {
            Ballot::Choices(choices) => (Content::Choices(*choices), Segments::default()),
            Ballot::Full(full) => (full.content.clone(), full.segments),
        };
        let content = match &content {
            Content::Choices(choices) | Content::Quiz(choices) => SentContent::Choices(ids(choices), None),
            Content::WriteIn(choices, other) => {
                SentContent::Choices(choices.as_ref().map(ids).unwrap_or_default(), Some(other.as_str().to_owned()))
            }
            Content::Ranking(ranking) => SentContent::Ranking(ranking.iter().map(u64::from).collect()),
            Content::Ratings(ratings) => {
                let sent =
                    |rating: Rating| SentRating { option: u64::from(rating.option), value: i64::from(rating.value) };
                SentContent::Ratings(ratings.iter().map(sent).collect())
            }
            Content::Text(text) => SentContent::Text(text.as_str().to_owned()),
        };
        let value = |(dimension, place): (&Dimension, &u8)| {
            Some((dimension.name.clone(), dimension.value_at(*place)?.to_owned()))
        };
        SentBallot {
            content,
            segments: self.spec().segments.iter().zip(segments.as_slice()).filter_map(value).collect(),
        }
    }
}

/// Gives a voter a name whose votes lie in the poll's first partition: by these a job guesses how many votes there are.
fn move_to_the_first_partition(caller: &mut Caller, rules: &Rules) {
    let Some(first) = rules.partitions.all().next() else { return };
    let name = caller.subject.clone();
    for try_number in 0..NAMES_MAX {
        caller.subject = format!("{name} ({try_number})");
        if rules.partitions.of(&rules.voter(caller)) == first {
            return;
        }
    }
}
