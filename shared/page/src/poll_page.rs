//! A poll's page: which parts it has follows from where the poll and the reader's vote stand.

mod ballot;
mod own_vote;
mod sign_in;
mod stage;

use landslide_domain::{
    ballot::Ballot,
    poll::{Devices, Identity, Kind, OwnVote, Poll, PollSpec, ResultsVisibility, Status, VoteChange},
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
    /// The ballot of the next voter, on a device that many share.
    Next,
}

impl View {
    /// The view of a query's `view`. What is unknown is the usual one.
    pub fn of_query(view: Option<&str>) -> Self {
        match view {
            Some("ballot") => Self::Ballot,
            Some("results") => Self::Results,
            Some("stage") => Self::Stage,
            Some("next") => Self::Next,
            _ => Self::Usual,
        }
    }

    /// What links keep of it.
    fn query(self) -> &'static str {
        match self {
            Self::Ballot => "&view=ballot",
            Self::Results => "&view=results",
            Self::Usual | Self::Stage | Self::Next => "",
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
    /// Sent a form from a page that showed another vote than the one that stands.
    ChangedElsewhere,
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
}

/// What the page's forms say of their voter and the vote that they change.
#[derive(Clone, Copy, Debug)]
pub struct OfVoter<'a> {
    /// The token of the browser's device, so that a form counts for the same voter however often it is sent; or what tells
    /// the account that has signed in from others.
    pub mark: &'a str,
    /// The revision of the vote that the page shows. 0 if there is none.
    pub revision: u32,
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
    /// Who votes with it. `None` if nobody can.
    pub voter: Option<OfVoter<'a>>,
    /// The reader's vote that stands.
    pub vote: Option<&'a Ballot>,
    /// The results. `None` if the reader may not see them, or not yet.
    pub results: Option<Shown<'a>>,
    /// What is asked for.
    pub view: View,
    /// What has just been done.
    pub notice: Option<Notice>,
    /// What was sent and can't be cast as it is.
    pub refused: Option<(Entry, Mistake)>,
    /// Whether it is shown within another site's page, where a browser keeps our cookies from us.
    pub is_framed: bool,
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
            _ if self.awaits_next() => (Part::None, self.next_please(words)),
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
            query: self.view.query(),
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

    fn has_voted(&self) -> bool {
        self.vote.is_some()
    }

    /// The reader's vote, where the page may say what it is. On a device that many share, the next one would read it.
    fn own(&self) -> Option<&Ballot> {
        let is_shown = self.spec().own_vote == OwnVote::Show && self.spec().devices == Devices::Own;
        self.vote.filter(|_| is_shown)
    }

    /// Whether the one who has just voted leaves the device to the next one.
    fn awaits_next(&self) -> bool {
        let is_plain = self.notice.is_none() && self.refused.is_none() && !self.is_framed;
        let is_asked = matches!(self.view, View::Usual | View::Ballot);
        self.spec().devices == Devices::Shared
            && self.has_voted()
            && self.status() == Status::Open
            && is_plain
            && is_asked
    }

    fn may_change(&self) -> bool {
        self.spec().vote_change == VoteChange::UntilClose && self.status() == Status::Open && self.admits()
    }

    /// Whether it shows the ballot, and so no results.
    pub fn shows_ballot(&self) -> bool {
        if self.view == View::Stage || self.is_framed {
            return false;
        }
        let is_first = !self.has_voted() && self.view != View::Results;
        let is_change = self.has_voted() && self.may_change() && self.view == View::Ballot;
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
            @if !self.spec().listed { meta name="robots" content="noindex"; }
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
            @if self.shows_results_after_signing_in() { (self.providers(words)) }
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
            Status::Open if !self.admits() && !self.is_framed => self.sign_in(words),
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
                Some(Notice::ChangedElsewhere) => div.note.warn role="status" { (said(say.changed_elsewhere)) },
                Some(Notice::Withdrawn) => p.note role="status" { (say.withdrawn) },
                _ if self.has_voted() => div.note role="status" { (said(say.recorded)) },
                _ => {}
            }
        }
    }

    /// Whether signing in would show the results, as the poll takes no votes now and has some of voters' eyes only.
    fn shows_results_after_signing_in(&self) -> bool {
        let is_hidden = self.results.is_none() && self.spec().results == ResultsVisibility::AfterVote;
        is_hidden && !self.admits() && !self.is_framed && matches!(self.status(), Status::Closed | Status::Paused)
    }

    fn own_vote(&self, words: &Words) -> Markup {
        html! { @if let Some(ballot) = self.own() { (own_vote::html(words, self.poll, ballot)) } }
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
            None if self.spec().results == ResultsVisibility::AfterClose && self.status() == Status::Open => {
                self.awaited(words, hidden)
            }
            None => html! { p.quiet { (hidden) } },
            Some(Shown { fragment, poll_after_seconds }) => {
                let live =
                    (!fragment.is_final()).then(|| format!("{}?lang={}", self.address.live, words.language.tag()));
                html! {
                    section aria-labelledby="r" data-live=[live] data-after=(poll_after_seconds) {
                        h2 #r { (say.results) }
                        (fragment.html(words, &self.own().map(own_vote::options).unwrap_or_default()))
                    }
                    p #told .sr role="status" {}
                }
            }
        }
    }

    /// Results that are shown when the poll closes. The script asks for them then, once.
    fn awaited(&self, words: &Words, hidden: &str) -> Markup {
        let left = self.spec().closes_at.map(|closes_at| closes_at.millis_since(self.now));
        let live = left.map(|_| format!("{}/results?lang={}", self.id(), words.language.tag()));
        html! {
            section data-live=[live] data-left=[left] data-after="2" {
                div data-version="0 0" { p.quiet { (hidden) } }
            }
            p #told .sr role="status" {}
        }
    }

    /// What tells a form's voter, and the vote that it is to change.
    fn of_voter(&self) -> Markup {
        html! {
            @if let Some(OfVoter { mark, revision }) = self.voter {
                input type="hidden" name="as" value=(mark);
                input type="hidden" name="rev" value=(revision);
            }
        }
    }

    fn actions(&self, words: &Words) -> Markup {
        let say = words.say;
        html! {
            @if self.status() == Status::Open && (self.admits() || self.is_framed) {
                @if self.is_framed {
                    div.actions {
                        a.button href=(self.relative(words, "")) target="_blank" rel="noopener" { (say.vote_in_new_tab) }
                    }
                } @else if !self.has_voted() {
                    div.actions { a.button href=(self.relative(words, "")) { (say.back_to_ballot) } }
                } @else if self.may_change() {
                    form.actions method="post" {
                        (self.of_voter())
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
            a.button.main data-next="5" href=(self.relative(words, "&view=next")) { (words.say.next_please) }
        }
    }
}

#[cfg(test)]
mod tests;
