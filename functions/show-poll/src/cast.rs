//! Takes a form: casts, changes or withdraws a vote, and leads to the page again.

use landslide_domain::{
    error::Error,
    ids::PollId,
    poll::{Devices, Identity},
    time::Timestamp,
    vote::Revisions,
};
use landslide_page::{Answer, Entry, Mistake, Notice, Trouble};
use landslide_service::votes::Wish;

use crate::{App, CONFLICT, Failure, devices::Device, poll_id, visit::Visit};

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
        if !self.public_url.sent_form(visit.request.header("sec-fetch-site"), visit.request.header("origin")) {
            return Err(Failure::Trouble(Trouble::Foreign));
        }
        let poll_id = poll_id(visit)?;
        let poll = self.polls.poll(&poll_id, now).await?;
        let spec = &poll.rules.settings.spec;
        let of_browser = self.device(visit).ok_or(Failure::Trouble(Trouble::NoCookies))?;
        let entry = visit.entry().map_err(|_| Failure::Trouble(Trouble::Unreadable))?;
        let voter = match &entry.voter {
            Some(token) if spec.identity == Identity::Device => self.voter(token, of_browser, &poll_id).await?,
            _ => of_browser,
        };
        let wish = match entry.ballot(spec) {
            _ if entry.is_withdrawal => Wish::Retract,
            Ok(sent) => Wish::Cast(sent, self.origin.country(&visit.request)),
            Err(mistake) => {
                let outcome = Outcome::refused(entry.clone(), mistake);
                return self.page(visit, &poll, Some(&voter), outcome, now).await;
            }
        };
        let shown = entry.revision.map(Revisions::Shown);
        let outcome = match self.votes.submit(&poll_id, &voter.caller, shown, &wish).await {
            Ok(_) | Err(Error::NoVote) => {
                let again = Answer::see_other(format!("{poll_id}?lang={}", visit.language.tag()));
                return Ok(again.with_kept_token(voter.token, spec.devices == Devices::Shared));
            }
            Err(Error::InvalidBallot(_)) => Outcome::refused(entry.clone(), Mistake::NotTaken),
            Err(Error::AlreadyVoted | Error::VoteChangeNotAllowed) => Outcome::late(Notice::AlreadyVoted),
            Err(Error::RevisionMismatch) => Outcome::late(Notice::ChangedElsewhere),
            Err(Error::PollNotOpen | Error::PollPaused | Error::PollClosed | Error::AccountRequired) => {
                Outcome::late(Notice::NotCounted)
            }
            Err(error) => return Err(error.into()),
        };
        self.page(visit, &poll, Some(&voter), outcome, now).await
    }

    /// Whose form it is: its own page's voter's. Of two first pages that are loaded side by side, the cookie is the later
    /// one's, and a form that is sent again must count for the voter that it counted for before. But where the cookie's voter
    /// has voted, it is that one's: a browser has one vote.
    async fn voter<'a>(&self, token: &'a str, of_browser: Device<'a>, poll_id: &PollId) -> Result<Device<'a>, Error> {
        let Some(of_page) = self.devices.device(token).filter(|_| token != of_browser.token) else {
            return Ok(of_browser);
        };
        let has_voted = self.votes.stored_vote(poll_id, &of_browser.caller).await?.is_some();
        Ok(if has_voted { of_browser } else { of_page })
    }
}
