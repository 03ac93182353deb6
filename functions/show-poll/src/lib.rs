//! `GET /p/{poll_id}`: the page that people vote on. `POST /p/{poll_id}`: takes its form. `…/results` and `…/live`: the
//! part of the page with the results, for anyone and for the reader.

mod devices;
mod sessions;
mod visit;

use lambda_http::{Error as LambdaError, Request, Response, http::response::Builder};
use landslide_aws::{clock, config};
use landslide_domain::{
    ballot::Ballot,
    caller::{Caller, TokenKind},
    error::Error,
    ids::PollId,
    poll::{Identity, Poll, Status},
    results::reading::Reuse,
    time::Timestamp,
    viewer::Viewer,
};
use landslide_edge::{Failures, Origin};
use landslide_page::{
    Address, Answer, Entry, Fragment, Freshness, Mistake, Notice, PollPage, PublicUrl, Shown, Trouble, View,
};
use landslide_service::{
    polls::CurrentPolls,
    results::{AssemblyQueue, CurrentResults},
    votes::{Votes, Wish},
};

use self::visit::{Visit, Wanted};
pub use self::{devices::Devices, sessions::Sessions};

/// The status of a page that is shown as it should be, of one whose ballot can't be cast, and of one that is too late.
const OK: u16 = 200;
const CONFLICT: u16 = 409;
const UNPROCESSABLE: u16 = 422;

/// What pages are made from.
pub struct App {
    /// The polls.
    pub polls: CurrentPolls,
    /// The votes.
    pub votes: Votes,
    /// The results.
    pub results: CurrentResults<AssemblyQueue>,
    /// Who votes.
    pub devices: Devices,
    /// Who votes in polls of accounts.
    pub sessions: Sessions,
    /// By which the country of a vote is believed.
    pub origin: Origin,
    /// Where pages are.
    pub public_url: PublicUrl,
    failures: Failures,
}

/// Why there is no page of a poll.
enum Failure {
    /// What the use case reports.
    UseCase(Error),
    /// What the page itself says.
    Trouble(Trouble),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::UseCase(error)
    }
}

/// What a form has led to, other than a vote.
#[derive(Default)]
struct Outcome {
    status: Option<u16>,
    notice: Option<Notice>,
    refused: Option<(Entry, Mistake)>,
}

impl App {
    /// What the environment configures.
    pub async fn from_env() -> Result<Self, LambdaError> {
        let results = CurrentResults::from_env(AssemblyQueue::from_env()?);
        let (polls, votes) = (CurrentPolls::from_env(), Votes::from_env());
        let (devices, sessions) = (Devices::from_env(), Sessions::from_env());
        let (polls, votes, results, devices, sessions, origin) =
            tokio::join!(polls, votes, results, devices, sessions, Origin::from_env());
        Ok(Self::new(polls?, votes?, results?, devices?, sessions?, public_url()?).behind(origin?))
    }

    /// Over these services.
    pub fn new(
        polls: CurrentPolls,
        votes: Votes,
        results: CurrentResults<AssemblyQueue>,
        devices: Devices,
        sessions: Sessions,
        public_url: PublicUrl,
    ) -> Self {
        let (origin, failures) = (Origin::default(), Failures::default());
        Self { polls, votes, results, devices, sessions, origin, public_url, failures }
    }

    /// Behind a CDN that proves itself.
    pub fn behind(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Answers a request, as the gateway takes it.
    pub async fn respond(&self, request: Request) -> Result<Response<String>, LambdaError> {
        let answer = self.answer(request).await;
        let head = Response::builder().status(answer.status);
        let head = answer.headers.into_iter().fold(head, |head: Builder, (name, value)| head.header(name, value));
        Ok(head.body(answer.body)?)
    }

    /// Answers a request within the time that Lambda leaves it. It never fails: what goes wrong is a page too.
    pub async fn answer(&self, request: Request) -> Answer {
        let visit = Visit::of(landslide_lambda_http::read(request));
        let outcome = tokio::time::timeout(visit.request.time_left(), self.serve(&visit, clock::now())).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::Unavailable("it took too long".to_owned()).into()));
        outcome.unwrap_or_else(|failure| self.explained(&visit, &failure))
    }

    async fn serve(&self, visit: &Visit, now: Timestamp) -> Result<Answer, Failure> {
        match visit.wanted {
            Wanted::Page => self.show(visit, now).await,
            Wanted::Vote => self.cast(visit, now).await,
            Wanted::SignOut => self.sign_out(visit),
            Wanted::OwnResults | Wanted::Results => self.results(visit, now).await,
        }
    }

    /// The page. A browser that is new gets its token with a poll that takes its vote, so that a voter is there before
    /// the vote: whatever is sent twice, or gets no answer, is of one voter.
    async fn show(&self, visit: &Visit, now: Timestamp) -> Result<Answer, Failure> {
        let poll = self.polls.poll(&poll_id(visit)?, now).await?;
        let caller = self.caller(visit, &poll, now);
        let answer = self.page(visit, &poll, caller.as_ref(), Outcome::default(), now).await?;
        let takes_votes =
            poll.rules.status(now) == Status::Open && poll.rules.settings.spec.identity == Identity::Device;
        if caller.is_none() && takes_votes && visit.is_seen() {
            return Ok(answer.with_new_token(&self.devices.issue(now)?));
        }
        Ok(answer)
    }

    /// Takes a form, and leads to the page again.
    async fn cast(&self, visit: &Visit, now: Timestamp) -> Result<Answer, Failure> {
        self.must_be_our_form(visit)?;
        let poll_id = poll_id(visit)?;
        let poll = self.polls.poll(&poll_id, now).await?;
        let caller = self.caller(visit, &poll, now).ok_or(Failure::Trouble(who_is_missing(&poll)))?;
        let entry = visit.entry().map_err(|_| Failure::Trouble(Trouble::Unreadable))?;
        let wish = match entry.ballot(&poll.rules.settings.spec) {
            _ if entry.is_withdrawal => Wish::Retract,
            Ok(sent) => Wish::Cast(sent, self.origin.country(&visit.request)),
            Err(mistake) => return self.page(visit, &poll, Some(&caller), Outcome::refused(entry, mistake), now).await,
        };
        let outcome = match self.votes.submit(&poll_id, &caller, None, &wish).await {
            Ok(_) | Err(Error::NoVote) => {
                let again = Answer::see_other(format!("{poll_id}?lang={}", visit.language.tag()));
                return Ok(match caller.kind {
                    TokenKind::Device => again.with_kept_token(visit.token().unwrap_or_default()),
                    TokenKind::Account => again,
                });
            }
            Err(Error::InvalidBallot(_)) => Outcome::refused(entry, Mistake::NotTaken),
            Err(Error::AlreadyVoted | Error::VoteChangeNotAllowed) => Outcome::late(Notice::AlreadyVoted),
            Err(Error::PollNotOpen | Error::PollPaused | Error::PollClosed | Error::AccountRequired) => {
                Outcome::late(Notice::NotCounted)
            }
            Err(error) => return Err(error.into()),
        };
        self.page(visit, &poll, Some(&caller), outcome, now).await
    }

    /// Has the browser forget the account, and leads to the page again.
    fn sign_out(&self, visit: &Visit) -> Result<Answer, Failure> {
        self.must_be_our_form(visit)?;
        Ok(Answer::see_other(format!("{}?lang={}", poll_id(visit)?, visit.language.tag())).signed_out())
    }

    fn must_be_our_form(&self, visit: &Visit) -> Result<(), Failure> {
        let (fetch_site, origin) = (visit.request.header("sec-fetch-site"), visit.request.header("origin"));
        if self.public_url.sent_form(fetch_site, origin) { Ok(()) } else { Err(Failure::Trouble(Trouble::Foreign)) }
    }

    /// The part of the page with the results.
    async fn results(&self, visit: &Visit, now: Timestamp) -> Result<Answer, Failure> {
        let is_own = visit.wanted == Wanted::OwnResults;
        let poll_id = poll_id(visit)?;
        let poll = self.polls.poll(&poll_id, now).await?;
        let caller = if is_own { self.caller(visit, &poll, now) } else { None };
        let viewer = caller.map(|caller| Viewer::Voter(caller, None));
        let document = self.results.document(&poll_id, viewer.as_ref(), now).await?;
        let Reuse { max_age_seconds, poll_after_seconds } = document.reuse(clock::now());
        let html = fragment(&poll, &document.text)?.render(visit.language);
        if is_own {
            return Ok(Answer::own_results(html, visit.language, poll_after_seconds));
        }
        let freshness = Freshness { tag: &document.tag, max_age_seconds, poll_after_seconds };
        let is_current = visit.request.has_current(freshness.etag(visit.language).trim_matches('"'));
        Ok(Answer::results(html, visit.language, is_current, &freshness))
    }

    /// The device, if the browser keeps our cookie; in a poll of accounts, the account that has signed in.
    fn caller(&self, visit: &Visit, poll: &Poll, now: Timestamp) -> Option<Caller> {
        match poll.rules.settings.spec.identity {
            Identity::Device => visit.token().and_then(|token| self.devices.caller(token)),
            Identity::Account => self.sessions.caller(visit.cookies(), now),
        }
    }

    /// A poll's page for a reader.
    async fn page(
        &self,
        visit: &Visit,
        poll: &Poll,
        caller: Option<&Caller>,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Answer, Failure> {
        let poll_id = &poll.rules.settings.poll_id;
        let stored = match caller {
            Some(caller) => self.votes.stored_vote(poll_id, caller).await?,
            None => None,
        };
        let vote: Option<&Ballot> = stored.as_ref().and_then(|standing| standing.vote.ballot.as_ref());
        let withdrawn = stored.as_ref().filter(|_| vote.is_none()).map(|_| Notice::Withdrawn);
        let live = if poll.rules.results_are_public(now) { "results" } else { "live" };
        let (public, live) = (self.public_url.of_poll(poll_id.as_str()), format!("{poll_id}/{live}"));
        let document;
        let mut page = PollPage {
            poll,
            has_voted: vote.is_some(),
            vote,
            results: None,
            view: if outcome.status == Some(CONFLICT) { View::Results } else { visit.view },
            notice: outcome.notice.or(withdrawn),
            refused: outcome.refused,
            accounts: self.sessions.shown(caller),
            address: Address { public: &public, live: &live, is_listed: false },
            now,
        };
        if !page.shows_ballot() && poll.rules.status(now) != Status::Scheduled {
            let viewer = caller.map(|caller| Viewer::Voter(caller.clone(), None));
            document = match self.results.document(poll_id, viewer.as_ref(), now).await {
                Ok(document) => Some(document),
                Err(Error::ResultsHidden) => None,
                Err(error) => return Err(error.into()),
            };
            if let Some(document) = &document {
                let poll_after_seconds = document.reuse(now).poll_after_seconds;
                page.results = Some(Shown { fragment: fragment(poll, &document.text)?, poll_after_seconds });
            }
        }
        let html = page.render(visit.language);
        Ok(Answer::page(outcome.status.unwrap_or(OK), html, visit.language))
    }

    /// The page that says what went wrong. A fault of ours is logged with its cause, one a minute and kind.
    fn explained(&self, visit: &Visit, failure: &Failure) -> Answer {
        let (trouble, fault) = match failure {
            Failure::Trouble(trouble) => (*trouble, None),
            Failure::UseCase(Error::NoSuchPoll | Error::ResultsHidden) => (Trouble::NotFound, None),
            Failure::UseCase(Error::Unavailable(cause)) => (Trouble::Unavailable, Some(("unavailable", cause.clone()))),
            Failure::UseCase(Error::Internal(cause)) => (Trouble::Broken, Some(("internal", cause.clone()))),
            Failure::UseCase(error) => (Trouble::Broken, Some(("internal", format!("{error:?}")))),
        };
        if let Some((code, cause)) = fault {
            self.failures.log(visit.request.id(), code, &cause);
        }
        let is_whole = matches!(visit.wanted, Wanted::Page | Wanted::Vote | Wanted::SignOut);
        let poll = poll_id(visit).ok().filter(|_| trouble != Trouble::NotFound && is_whole);
        Answer::trouble(trouble, visit.language, poll.as_ref().map(|id| id.as_str()))
    }
}

impl Outcome {
    /// The ballot can't be cast as it is entered.
    fn refused(entry: Entry, mistake: Mistake) -> Self {
        Self { status: Some(UNPROCESSABLE), notice: None, refused: Some((entry, mistake)) }
    }

    /// The poll does not take it any more, or not yet, or not from this voter.
    fn late(notice: Notice) -> Self {
        Self { status: Some(CONFLICT), notice: Some(notice), refused: None }
    }
}

/// What is wrong with a vote of nobody.
fn who_is_missing(poll: &Poll) -> Trouble {
    match poll.rules.settings.spec.identity {
        Identity::Device => Trouble::NoCookies,
        Identity::Account => Trouble::SignedOut,
    }
}

/// The path's poll. An id that is none is not found.
fn poll_id(visit: &Visit) -> Result<PollId, Error> {
    visit.request.poll_id().map_err(|_| Error::NoSuchPoll)
}

fn public_url() -> Result<PublicUrl, LambdaError> {
    let url = PublicUrl::configured(&config::text("PUBLIC_URL")?, &config::text("PAGES_API_ID")?);
    url.map_err(|error| format!("PUBLIC_URL: {error}").into())
}

fn fragment<'a>(poll: &Poll, document: &'a str) -> Result<Fragment<'a>, Error> {
    Fragment::read(&poll.rules.settings.spec, document, None).map_err(|error| Error::Internal(error.to_string()))
}

#[cfg(test)]
mod tests;
