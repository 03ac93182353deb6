//! Takes a form: casts, changes or withdraws a vote, and leads to the page again.

use landslide_domain::{
    error::Error,
    poll::{Devices, Identity, Poll},
    time::Timestamp,
    vote::Revisions,
};
use landslide_page::{Answer, Entry, Mistake, Notice, Trouble};
use landslide_service::votes::Wish;

use crate::{
    App, CONFLICT, Failure, poll_id,
    visit::Visit,
    voter::{Reader, Voter},
};

/// The status of a page whose ballot can't be cast as it is filled in.
const UNPROCESSABLE: u16 = 422;

/// What a form has led to, other than a vote.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) status: Option<u16>,
    pub(crate) notice: Option<Notice>,
    pub(crate) refused: Option<(Entry, Mistake)>,
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

    /// The revision of the vote that the voter saw before the form that is shown again.
    pub(crate) fn shown(&self) -> Option<u32> {
        self.refused.as_ref().and_then(|(entry, _)| entry.revision)
    }
}

impl App {
    /// Takes a form, and leads to the page again.
    pub(crate) async fn cast(&self, visit: &Visit, now: Timestamp) -> Result<Answer, Failure> {
        self.must_be_our_form(visit)?;
        let poll_id = poll_id(visit)?;
        let poll = self.polls.poll(&poll_id, now).await?;
        let spec = &poll.rules.settings.spec;
        let of_browser = self.voter(visit, &poll, now).ok_or(Failure::Trouble(who_is_missing(spec.identity)))?;
        let entry = visit.entry().map_err(|_| Failure::Trouble(Trouble::Unreadable))?;
        let voter = match (entry.voter.as_ref().filter(|mark| **mark != of_browser.mark), spec.identity) {
            (None, _) => None,
            (Some(token), Identity::Device) => self.of_page(token, &poll).await?,
            (Some(_), Identity::Account) => return Err(Failure::Trouble(Trouble::OtherAccount)),
        };
        let is_of_browser = voter.is_none();
        let voter = voter.unwrap_or(of_browser);
        let mark = voter.mark.clone();
        // The browser becomes who its form is of.
        let kept = |answer: Answer| match spec.identity {
            Identity::Device => answer.with_kept_token(spec.devices, poll_id.as_str(), &mark),
            Identity::Account => answer,
        };
        let wish = match entry.ballot(spec) {
            _ if entry.is_withdrawal => Wish::Retract,
            Ok(sent) => Wish::Cast(sent, self.origin.country(&visit.request)),
            Err(mistake) => {
                let outcome = Outcome::refused(entry, mistake);
                return self.page(visit, &poll, &Reader::Voter(voter), outcome, now).await;
            }
        };
        let shown = entry.revision.map(Revisions::Shown);
        let outcome = match self.votes.submit(&poll_id, &voter.caller, shown, &wish).await {
            Ok(_) | Err(Error::NoVote) => {
                let again = Answer::see_other(format!("{poll_id}?lang={}", visit.language.tag()));
                return Ok(kept(again));
            }
            Err(Error::InvalidBallot(_)) => Outcome::refused(entry, Mistake::NotTaken),
            Err(Error::AlreadyVoted | Error::VoteChangeNotAllowed) => Outcome::late(Notice::AlreadyVoted),
            Err(Error::RevisionMismatch) => Outcome::late(Notice::ChangedElsewhere),
            Err(Error::PollNotOpen | Error::PollPaused | Error::PollClosed | Error::AccountRequired) => {
                Outcome::late(Notice::NotCounted)
            }
            Err(error) => return Err(error.into()),
        };
        let answer = self.page(visit, &poll, &Reader::Voter(voter), outcome, now).await?;
        Ok(if is_of_browser { answer } else { kept(answer) })
    }

    /// The page's voter, if a form is to count for them and not for whom the browser is by now. Of two first pages that are
    /// loaded side by side the cookie is the later one's; a form that is sent again must count for the voter for whom it
    /// has counted. On a device that many share, each form is its own page's voter's.
    async fn of_page(&self, token: &str, poll: &Poll) -> Result<Option<Voter>, Error> {
        let Some(of_page) = self.devices.voter(token) else { return Ok(None) };
        let settings = &poll.rules.settings;
        let counts = settings.spec.devices == Devices::Shared
            || self.votes.stored_vote(&settings.poll_id, &of_page.caller).await?.is_some();
        Ok(Some(of_page).filter(|_| counts))
    }

    /// Has the browser forget the account, and leads to the page again.
    pub(crate) fn sign_out(&self, visit: &Visit) -> Result<Answer, Failure> {
        self.must_be_our_form(visit)?;
        Ok(Answer::see_other(format!("{}?lang={}", poll_id(visit)?, visit.language.tag())).signed_out())
    }

    fn must_be_our_form(&self, visit: &Visit) -> Result<(), Failure> {
        let (fetch_site, origin) = (visit.request.header("sec-fetch-site"), visit.request.header("origin"));
        if self.public_url.sent_form(fetch_site, origin) { Ok(()) } else { Err(Failure::Trouble(Trouble::Foreign)) }
    }
}

/// What is wrong with a vote of nobody.
fn who_is_missing(identity: Identity) -> Trouble {
    match identity {
        Identity::Device => Trouble::NoCookies,
        Identity::Account => Trouble::SignedOut,
    }
}
