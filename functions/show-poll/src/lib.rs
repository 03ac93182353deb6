//! `GET /p/{poll_id}`: the page that people vote on. `POST /p/{poll_id}`: takes its form. `…/results` and `…/live`: the
//! part of the page with the results, for anyone and for the reader.

mod cast;
mod devices;
mod links;
mod sessions;
mod visit;
mod voter;

use lambda_http::{Error as LambdaError, Request, Response};
use landslide_aws::{clock, config};
use landslide_domain::{
    caller::Caller,
    error::Error,
    ids::PollId,
    poll::{Devices as DevicesOf, Identity, Poll, Status},
    results::reading::Reuse,
    time::Timestamp,
    viewer::Viewer,
};
use landslide_edge::{Failures, Origin};
use landslide_page::{
    Address, Answer, Fragment, Freshness, Notice, OfVoter, PollPage, PublicUrl, Shown, Trouble, View,
};
use landslide_service::{
    polls::CurrentPolls,
    results::{AssemblyQueue, CurrentResults, ResultsDocument, SeriesQuery},
    votes::Votes,
};

use self::{
    cast::Outcome,
    visit::{Visit, Wanted},
    voter::{Reader, Voter},
};
pub use self::{devices::Devices, links::ViewLinks, sessions::Sessions};

/// The status of a page that is shown as it should be, and of one that shows what stands in the place of what was sent.
const OK: u16 = 200;
const CONFLICT: u16 = 409;

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
    /// Who may see hidden results.
    pub links: ViewLinks,
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

impl App {
    /// What the environment configures.
    pub async fn from_env() -> Result<Self, LambdaError> {
        let results = CurrentResults::from_env(AssemblyQueue::from_env()?);
        let (polls, votes) = (CurrentPolls::from_env(), Votes::from_env());
        let (devices, sessions, links) = (Devices::from_env(), Sessions::from_env(), ViewLinks::from_env());
        let (polls, votes, results, devices, sessions, links, origin) =
            tokio::join!(polls, votes, results, devices, sessions, links, Origin::from_env());
        Ok(Self::new(polls?, votes?, results?, devices?, sessions?, links?, public_url()?).behind(origin?))
    }

    /// Over these services.
    pub fn new(
        polls: CurrentPolls,
        votes: Votes,
        results: CurrentResults<AssemblyQueue>,
        devices: Devices,
        sessions: Sessions,
        links: ViewLinks,
        public_url: PublicUrl,
    ) -> Self {
        let (origin, failures) = (Origin::default(), Failures::default());
        Self { polls, votes, results: results.broken_down(), devices, sessions, links, origin, public_url, failures }
    }

    /// Behind a CDN that proves itself.
    pub fn behind(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Answers a request, as the gateway takes it.
    pub async fn respond(&self, request: Request) -> Result<Response<String>, LambdaError> {
        let Answer { status, headers, body } = self.answer(request).await;
        landslide_lambda_http::response(status, headers, body)
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
        let poll_id = poll_id(visit)?;
        // A link leaves the address bar, and what is kept of addresses, at once.
        if let Some(link) = visit.request.query("link").filter(|link| self.links.made(link)) {
            let there = format!("{poll_id}?lang={}&view=stage", visit.language.tag());
            return Ok(Answer::see_other(there).with_view_link(poll_id.as_str(), link));
        }
        let poll = self.polls.poll(&poll_id, now).await?;
        let spec = &poll.rules.settings.spec;
        let is_next = visit.view == View::Next && spec.devices == DevicesOf::Shared;
        let known = if is_next || visit.is_framed() { None } else { self.voter(visit, &poll, now) };
        let takes_votes = poll.rules.status(now) == Status::Open && spec.identity == Identity::Device;
        let reader = match known {
            Some(voter) => Reader::Voter(voter),
            None if takes_votes && visit.view != View::Stage && visit.may_keep_cookies() => {
                Reader::New(self.devices.issue(now)?)
            }
            None => Reader::Nobody,
        };
        let answer = self.page(visit, &poll, &reader, Outcome::default(), now).await?;
        Ok(match &reader {
            Reader::New(token) => answer.with_new_token(spec.devices, poll_id.as_str(), token),
            Reader::Nobody | Reader::Voter(_) => answer,
        })
    }

    /// The part of the page with the results.
    async fn results(&self, visit: &Visit, now: Timestamp) -> Result<Answer, Failure> {
        let is_own = visit.wanted == Wanted::OwnResults;
        let poll_id = poll_id(visit)?;
        let poll = self.polls.poll(&poll_id, now).await?;
        let voter = if is_own { self.voter(visit, &poll, now) } else { None };
        let caller = voter.as_ref().map(|voter| &voter.caller);
        let viewer = if is_own { self.viewer(visit, &poll, caller, now).await? } else { None };
        let document = self.results.document(&poll_id, viewer.as_ref(), now).await?;
        let Reuse { max_age_seconds, poll_after_seconds } = document.reuse(clock::now());
        let series = series(&poll, &document);
        let html = fragment(&poll, &document, series.as_deref())?.render(visit.language);
        if is_own {
            return Ok(Answer::own_results(html, visit.language, poll_after_seconds));
        }
        let freshness = Freshness { tag: &document.tag, max_age_seconds, poll_after_seconds };
        let is_current = visit.request.has_current(freshness.etag(visit.language).trim_matches('"'));
        Ok(Answer::results(html, visit.language, is_current, &freshness))
    }

    /// The device, if the browser keeps our cookie; in a poll of accounts, the account that has signed in.
    fn voter(&self, visit: &Visit, poll: &Poll, now: Timestamp) -> Option<Voter> {
        match poll.rules.settings.spec.identity {
            Identity::Device => visit.token(&poll.rules.settings).and_then(|token| self.devices.voter(token)),
            Identity::Account => self.sessions.voter(visit.cookies(), now),
        }
    }

    /// As whom a reader sees the results: by a link if they are hidden and the browser has one, else as a voter.
    async fn viewer(
        &self,
        visit: &Visit,
        poll: &Poll,
        caller: Option<&Caller>,
        now: Timestamp,
    ) -> Result<Option<Viewer>, Error> {
        let poll_id = &poll.rules.settings.poll_id;
        if !poll.rules.results_are_public(now)
            && let Some(link) = visit.view_link(poll_id)
            && self.links.show(link, poll_id, now).await?
        {
            return Ok(Some(Viewer::Link(poll_id.clone())));
        }
        Ok(caller.map(|caller| Viewer::Voter(caller.clone(), None)))
    }

    /// A poll's page for a reader.
    async fn page(
        &self,
        visit: &Visit,
        poll: &Poll,
        reader: &Reader,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Answer, Failure> {
        let (poll_id, spec) = (&poll.rules.settings.poll_id, &poll.rules.settings.spec);
        let stored = match reader.caller() {
            Some(caller) => self.votes.stored_vote(poll_id, caller).await?.map(|standing| standing.vote),
            None => None,
        };
        let vote = stored.as_ref().and_then(|vote| vote.ballot.as_ref());
        let withdrawn = stored.as_ref().filter(|_| vote.is_none()).map(|_| Notice::Withdrawn);
        let live = if poll.rules.results_are_public(now) { "results" } else { "live" };
        let (public, live) = (self.public_url.of_poll(poll_id.as_str()), format!("{poll_id}/{live}"));
        let shown = outcome.shown().or(stored.as_ref().map(|vote| vote.revision)).unwrap_or_default();
        let (document, series);
        let mut page = PollPage {
            poll,
            voter: reader.mark().map(|mark| OfVoter { mark, revision: shown }),
            vote,
            results: None,
            view: if outcome.status == Some(CONFLICT) { View::Results } else { visit.view },
            notice: outcome.notice.or(withdrawn),
            refused: outcome.refused,
            is_framed: visit.is_framed(),
            accounts: self.sessions.shown(reader.caller()),
            address: Address { public: &public, live: &live },
            now,
        };
        if !page.shows_ballot() && poll.rules.status(now) != Status::Scheduled {
            let viewer = self.viewer(visit, poll, reader.caller(), now).await?;
            document = match self.results.document(poll_id, viewer.as_ref(), now).await {
                Ok(document) => Some(document),
                Err(Error::ResultsHidden) => None,
                Err(error) => return Err(error.into()),
            };
            if let Some(document) = &document {
                let poll_after_seconds = document.reuse(now).poll_after_seconds;
                series = self::series(poll, document);
                page.results =
                    Some(Shown { fragment: fragment(poll, document, series.as_deref())?, poll_after_seconds });
            }
        }
        let html = page.render(visit.language);
        Ok(Answer::page(outcome.status.unwrap_or(OK), html, visit.language).framed_by(&spec.embed))
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

/// The path's poll. An id that is none is not found.
fn poll_id(visit: &Visit) -> Result<PollId, Error> {
    visit.request.poll_id().map_err(|_| Error::NoSuchPoll)
}

fn public_url() -> Result<PublicUrl, LambdaError> {
    let url = PublicUrl::configured(&config::text("PUBLIC_URL")?, &config::text("PAGES_API_ID")?);
    url.map_err(|error| format!("PUBLIC_URL: {error}").into())
}

fn fragment<'a>(poll: &Poll, document: &'a ResultsDocument, series: Option<&str>) -> Result<Fragment<'a>, Error> {
    let fragment = Fragment::read(&poll.rules.settings.spec, &document.text, series);
    fragment.map_err(|error| Error::Internal(error.to_string()))
}

/// The votes by time, of a poll that has them. Until they are put together, there are none.
fn series(poll: &Poll, document: &ResultsDocument) -> Option<String> {
    let is_asked = poll.rules.settings.spec.series;
    is_asked.then(|| document.by_time(&SeriesQuery::default()).ok()).flatten().map(|(text, _)| text)
}

#[cfg(test)]
mod tests;
