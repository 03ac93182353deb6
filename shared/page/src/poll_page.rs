//! A poll's page: which parts it has follows from where the poll and the reader's vote stand.

mod ballot;
mod own_vote;
mod sign_in;
mod stage;

use landslide_domain::{
    ballot::Ballot,
    poll::{Identity, Kind, Poll, PollSpec, ResultsVisibility, Status, VoteChange},
    time::Timestamp,
};
use maud::{Markup, html};

use crate::{
    assets::Part,
    document::{Document, minute},
    entry::{Entry, Mistake},
    language::Language,
    results::Fragment,
    words::{Words, put},
};

/// The most characters of the description that other sites show of a link to the page.
const DESCRIPTION_CHARS_MAX: usize = 160;

/// What a reader asks to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// The ballot before one has voted, the results after.
    #[default]
    Usual,
    /// The ballot, to change a vote.
    Ballot,
    /// The results, without having voted.
    Results,
    /// The results for a wall, without controls.
    Stage,
}

impl View {
    /// The view of a query's `view`. What is unknown is the usual one.
    pub fn of_query(view: Option<&str>) -> Self {
        match view {
            Some("ballot") => Self::Ballot,
            Some("results") => Self::Results,
            Some("stage") => Self::Stage,
            _ => Self::Usual,
        }
    }
}

/// What the reader has just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Withdrawn the vote.
    Withdrawn,
    /// Voted otherwise than before, in a poll whose votes never change.
    AlreadyVoted,
    /// Voted when the poll took no votes.
    NotCounted,
    /// Voted on a device that others use next.
    NextPlease,
}

/// A poll's results, for a reader who may see them.
pub struct Shown<'a> {
    /// The results.
    pub fragment: Fragment<'a>,
    /// After how many seconds the page asks for newer ones.
    pub poll_after_seconds: u64,
}

/// Where the page is.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The absolute address, for links from elsewhere.
    pub public: &'a str,
    /// Where the script finds the results, relative to the page.
    pub live: &'a str,
    /// Whether search engines may list it.
    pub is_listed: bool,
}

/// Who signs in, in a poll of accounts.
#[derive(Clone, Debug, Default)]
pub struct Accounts<'a> {
    /// The names of the providers where one can, in the order of their places.
    pub providers: Vec<&'a str>,
    /// The name of the provider with which the reader is signed in.
    pub signed_in_with: Option<&'a str>,
}

/// A poll's page.
pub struct PollPage<'a> {
    /// The poll.
    pub poll: &'a Poll,
    /// Whether the reader has a vote that stands.
    pub has_voted: bool,
    /// That vote, unless it is to be kept from the page.
    pub vote: Option<&'a Ballot>,
    /// The results. `None` if the reader may not see them, or not yet.
    pub results: Option<Shown<'a>>,
    /// What is asked for.
    pub view: View,
    /// What has just been done.
    pub notice: Option<Notice>,
    /// What was sent and can't be cast as it is.
    pub refused: Option<(Entry, Mistake)>,
    /// Who signs in.
    pub accounts: Accounts<'a>,
    /// Where the page is.
    pub address: Address<'a>,
    /// The server's clock.
    pub now: Timestamp,
}

impl PollPage<'_> {
    /// Its HTML.
    pub fn render(&self, language: Language) -> String {
        self.render_with(&Words::of(language))
    }

    pub(crate) fn render_with(&self, words: &Words) -> String {
        let (part, main) = match self.view {
            _ if self.notice == Some(Notice::NextPlease) => (Part::None, self.next_please(words)),
            View::Stage => (Part::Stage, self.stage(words)),
            _ if self.shows_ballot() && self.spec().kind == Kind::Ranked => (Part::Ranking, self.ballot(words)),
            _ if self.shows_ballot() => (Part::Ballot, self.ballot(words)),
            _ => (Part::Results, self.standing(words)),
        };
        let document = Document {
            words,
            title: &self.spec().question,
            meta: self.meta(),
            part,
            is_stage: self.view == View::Stage,
            cookie_note: self.cookie_note(words),
            main,
        };
        document.render()
    }

    fn spec(&self) -> &PollSpec {
        &self.poll.rules.settings.spec
    }

    fn id(&self) -> &str {
        self.poll.rules.settings.poll_id.as_str()
    }

    fn status(&self) -> Status {
        self.poll.rules.status(self.now)
    }

    /// The page's own address, relative to itself, with what else the query says.
    fn relative(&self, words: &Words, query: &str) -> String {
        format!("{}?lang={}{query}", self.id(), words.language.tag())
    }

    /// Whether the reader's device can vote here, or the account that is signed in.
    fn admits(&self) -> bool {
        self.spec().identity == Identity::Device || self.accounts.signed_in_with.is_some()
    }

    fn may_change(&self) -> bool {
        self.spec().vote_change == VoteChange::UntilClose && self.status() == Status::Open && self.admits()
    }

    /// Whether it shows the ballot, and so no results.
    pub fn shows_ballot(&self) -> bool {
        if self.view == View::Stage {
            return false;
        }
        let is_first = !self.has_voted && self.view != View::Results;
        let is_change = self.has_voted && self.may_change() && self.view == View::Ballot;
        self.status() == Status::Open && self.admits() && (is_first || is_change || self.refused.is_some())
    }

    fn cookie_note(&self, words: &Words) -> &'static str {
        match self.spec().identity {
            Identity::Device => words.say.cookie_note,
            Identity::Account => words.say.account_cookie_note,
        }
    }

    /// What search engines and other sites read of the page.
    fn meta(&self) -> Markup {
        let options = self.poll.options.join(" · ");
        let description: String = options.chars().take(DESCRIPTION_CHARS_MAX).collect();
        html! {
            @if !self.address.is_listed { meta name="robots" content="noindex"; }
            meta property="og:title" content=(self.spec().question);
            meta property="og:url" content=(self.address.public);
            @if !description.is_empty() { meta property="og:description" content=(description); }
        }
    }

    fn question(&self) -> Markup {
        html! { h1 #q { bdi { (self.spec().question) } } }
    }

    /// The page of one who may not vote now, or has.
    fn standing(&self, words: &Words) -> Markup {
        html! {
            (self.question())
            (self.where_it_stands(words))
            (self.where_the_vote_stands(words))
            @if self.status() == Status::Scheduled { (self.options()) }
            (self.results(words))
            (self.actions(words))
            (self.signed_in(words))
        }
    }

    fn where_it_stands(&self, words: &Words) -> Markup {
        let (say, spec) = (words.say, self.spec());
        let timed = |sentence, at: Option<Timestamp>| html! { @if let Some(at) = at { " " (put(sentence, "time", minute(at))) } };
        match self.status() {
            Status::Scheduled => html! { p.note { (say.not_open) (timed(say.opens, spec.opens_at)) } },
            Status::Paused => html! { p.note.warn { (say.paused) } },
            Status::Closed => html! { p.quiet { (say.closed) (timed(say.closed_at, spec.closes_at)) } },
            Status::Open if !self.admits() => self.sign_in(words),
            Status::Open => html! { @if spec.closes_at.is_some() { p.quiet { (timed(say.closes, spec.closes_at)) } } },
        }
    }

    fn where_the_vote_stands(&self, words: &Words) -> Markup {
        let say = words.say;
        let said = |sentence: &str| html! { p { (sentence) } (self.own_vote(words)) };
        html! {
            @match self.notice {
                Some(Notice::AlreadyVoted) => div.note.warn role="status" { (said(say.already_voted)) },
                Some(Notice::NotCounted) => div.note.warn role="status" { (said(say.not_counted)) },
                Some(Notice::Withdrawn) => p.note role="status" { (say.withdrawn) },
                _ if self.has_voted => div.note role="status" { (said(say.recorded)) },
                _ => {}
            }
        }
    }

    fn own_vote(&self, words: &Words) -> Markup {
        html! { @if let Some(ballot) = self.vote { (own_vote::html(words, self.poll, ballot)) } }
    }

    /// The labels of a poll that nobody can vote in yet.
    fn options(&self) -> Markup {
        html! { ul { @for label in &self.poll.options { li { bdi { (label) } } } } }
    }

    fn results(&self, words: &Words) -> Markup {
        let say = words.say;
        let hidden = match self.spec().results {
            _ if self.status() == Status::Scheduled => return html! {},
            ResultsVisibility::AfterVote => say.hidden_until_vote,
            ResultsVisibility::AfterClose => say.hidden_until_close,
            ResultsVisibility::Always | ResultsVisibility::Owner => say.hidden,
        };
        match &self.results {
            None => html! { p.quiet { (hidden) } },
            Some(Shown { fragment, poll_after_seconds }) => {
                let live =
                    (!fragment.is_final()).then(|| format!("{}?lang={}", self.address.live, words.language.tag()));
                html! {
                    section aria-labelledby="r" data-live=[live] data-after=(poll_after_seconds) {
                        h2 #r { (say.results) }
                        (fragment.html(words, &self.vote.map(own_vote::options).unwrap_or_default()))
                    }
                    p #told .sr role="status" {}
                }
            }
        }
    }

    fn actions(&self, words: &Words) -> Markup {
        let say = words.say;
        html! {
            @if self.status() == Status::Open && self.admits() {
                @if !self.has_voted {
                    div.actions { a.button href=(self.relative(words, "")) { (say.back_to_ballot) } }
                } @else if self.may_change() {
                    form.actions method="post" {
                        a.button href=(self.relative(words, "&view=ballot")) { (say.change_vote) }
                        button.second name="do" value="withdraw" { (say.withdraw) }
                    }
                }
            }
        }
    }

    /// What is shown for five seconds on a device that others use next.
    fn next_please(&self, words: &Words) -> Markup {
        html! {
            (self.question())
            div.note role="status" { p { (words.say.recorded) } }
            a.button.main data-next="5" href=(self.id()) { (words.say.next_please) }
        }
    }
}

#[cfg(test)]
mod tests;
