//! Results as HTML, from the document that the API shows. So what a reader may see, and every number, is decided there.

mod ranking;
mod series;

use std::{borrow::Cow, collections::BTreeSet};

use landslide_domain::{
    poll::{Kind, PollSpec},
    time::Timestamp,
};
use maud::{Markup, html};
use serde::Deserialize;

use self::{ranking::Tally, series::Series};
use crate::{
    document::second,
    language::Language,
    words::{Words, put},
};

/// The most options that are shown. More would make the page too long to load and to read.
const OPTIONS_SHOWN_MAX: usize = 40;
/// The most answers that are shown.
const ANSWERS_SHOWN_MAX: usize = 20;
/// Why parts are missing that are there in a moment.
const BEING_COUNTED: [&str; 2] = ["not_assembled", "answers_outdated"];

/// A document that is no results, or not in the form that the API has.
#[derive(Debug)]
pub struct Unreadable(serde_json::Error);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "results can't be shown on a page: {}", self.0)
    }
}

/// The part of a page that shows results. The script renews it while the page is open.
pub struct Fragment<'a> {
    document: Document<'a>,
    series: Option<Series>,
    /// Whether votes may have several options.
    has_several: bool,
}

#[derive(Deserialize)]
struct Document<'a> {
    ballots: u64,
    #[serde(borrow)]
    options: Vec<OptionResult<'a>>,
    as_of: Option<Timestamp>,
    #[serde(rename = "final", default)]
    is_final: bool,
    version: Version,
    #[serde(default)]
    tally: Option<Tally>,
    #[serde(default, borrow)]
    answers: Option<Answers<'a>>,
    #[serde(default, borrow)]
    write_ins: Option<Answers<'a>>,
    #[serde(default)]
    quiz: Option<Quiz>,
    #[serde(default, borrow)]
    unavailable: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Version {
    poll: u64,
    counts: u64,
}

#[derive(Deserialize)]
struct OptionResult<'a> {
    id: u8,
    #[serde(borrow)]
    label: Cow<'a, str>,
    votes: u64,
    #[serde(default)]
    rating: Option<Rating>,
}

#[derive(Deserialize)]
struct Rating {
    ratings: u64,
    counts: Vec<Level>,
    mean: Option<f64>,
    #[serde(default)]
    net_promoter_score: Option<f64>,
}

#[derive(Deserialize)]
struct Level {
    value: i8,
}

#[derive(Deserialize)]
struct Answers<'a> {
    #[serde(borrow)]
    top: Vec<Answer<'a>>,
    further: u64,
    hidden: u64,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    count: u64,
}

#[derive(Deserialize)]
struct Quiz {
    correct: BTreeSet<u8>,
    right: u64,
}

impl<'a> Fragment<'a> {
    /// Reads the document with a poll's results, and that of its series if it has one.
    pub fn read(spec: &PollSpec, document: &'a str, series: Option<&str>) -> Result<Self, Unreadable> {
        let document = serde_json::from_str(document).map_err(Unreadable)?;
        let series = series.map(serde_json::from_str).transpose().map_err(Unreadable)?;
        Ok(Self { document, series, has_several: spec.kind == Kind::Multiple && spec.max_choices > 1 })
    }

    /// The fragment alone, as the script asks for it.
    pub fn render(&self, language: Language) -> String {
        self.html(&Words::of(language), &BTreeSet::new()).into_string()
    }

    /// Whether these results never change any more.
    pub(crate) fn is_final(&self) -> bool {
        self.document.is_final
    }

    /// `own` are the options that the reader's vote names. They are marked, and never added to a number.
    pub(crate) fn html(&self, words: &Words, own: &BTreeSet<u8>) -> Markup {
        let Document { version, tally, answers, write_ins, .. } = &self.document;
        let labels: Vec<&str> = self.document.options.iter().map(|option| option.label.as_ref()).collect();
        html! {
            div data-version={ (version.poll) " " (version.counts) } {
                (self.summary(words))
                @if let Some(reason) = &self.document.unavailable {
                    p.note { (if BEING_COUNTED.contains(&reason.as_ref()) { words.say.being_counted } else { words.say.incomplete }) }
                }
                @if let Some(tally) = tally { (tally.outcome(words, &labels)) }
                @if tally.is_some() { p.quiet { (words.say.first_choices) } }
                (self.bars(words, own))
                @if let Some(quiz) = &self.document.quiz {
                    p { (words.count(&words.say.right_votes, quiz.right)) " (" (self.percent(words, quiz.right)) ")" }
                }
                @for answers in [answers, write_ins].into_iter().flatten() { (self.answers(words, answers)) }
                @if let Some(meaning) = self.meaning(words) { p.quiet { (meaning) } }
                @if let Some(tally) = tally { (tally.course(words, &labels)) }
                @if let Some(series) = &self.series { (series.html(words)) }
            }
        }
    }

    fn summary(&self, words: &Words) -> Markup {
        let Document { ballots, as_of, is_final, .. } = &self.document;
        let say = words.say;
        html! {
            p {
                b.count { @if *ballots == 0 { (say.no_votes) } @else { (words.count(&say.ballots, *ballots)) } }
                " "
                @if *is_final { (say.is_final) }
                @else if let Some(as_of) = as_of { span.quiet { (put(say.as_of, "time", second(*as_of))) } }
            }
        }
    }

    /// What the percentages mean, if there are any.
    fn meaning(&self, words: &Words) -> Option<&'static str> {
        let is_rated = self.document.options.iter().any(|option| option.rating.is_some());
        let meaning = if self.has_several { words.say.several_options } else { words.say.share_of_votes };
        (self.document.ballots > 0 && !is_rated).then_some(meaning)
    }

    fn percent(&self, words: &Words, votes: u64) -> String {
        words.percent(votes, self.document.ballots)
    }

    fn bars(&self, words: &Words, own: &BTreeSet<u8>) -> Markup {
        let mut options: Vec<_> = self.document.options.iter().collect();
        let more = options.len().saturating_sub(OPTIONS_SHOWN_MAX);
        if more > 0 {
            options.sort_by_key(|option| std::cmp::Reverse(option.votes));
            options.truncate(OPTIONS_SHOWN_MAX);
        }
        let is_right =
            |option: &OptionResult<'_>| self.document.quiz.as_ref().is_some_and(|it| it.correct.contains(&option.id));
        html! {
            @if !options.is_empty() {
                ul.bars {
                    @for option in options {
                        li id={ "o" (option.id) } {
                            bdi { (option.label) } " "
                            @if own.contains(&option.id) { em.mark.own { (words.say.your_choice) } " " }
                            @if is_right(option) { em.mark { (words.say.right_answer) } " " }
                            (self.figures(words, option))
                        }
                    }
                }
            }
            @if more > 0 { p.quiet { (words.count(&words.say.more_options, more as u64)) } }
        }
    }

    /// An option's numbers and its bar.
    fn figures(&self, words: &Words, option: &OptionResult<'_>) -> Markup {
        match &option.rating {
            Some(rating) => rating.figures(words),
            None => self.share(words, option.votes),
        }
    }

    fn share(&self, words: &Words, votes: u64) -> Markup {
        html! {
            span { b { (words.number(votes)) } " " (self.percent(words, votes)) }
            (bar(votes as f64 / self.document.ballots.max(1) as f64))
        }
    }

    fn answers(&self, words: &Words, answers: &Answers<'_>) -> Markup {
        let (shown, rest) = answers.top.split_at(answers.top.len().min(ANSWERS_SHOWN_MAX));
        let further = answers.further + rest.iter().map(|answer| answer.count).sum::<u64>();
        html! {
            @if !shown.is_empty() {
                ul.bars {
                    @for answer in shown {
                        li { bdi { (answer.text) } " " (self.share(words, answer.count)) }
                    }
                }
            }
            @if further > 0 { p.quiet { (words.count(&words.say.further_votes, further)) } }
            @if answers.hidden > 0 { p.quiet { (words.count(&words.say.hidden_votes, answers.hidden)) } }
        }
    }
}

impl Rating {
    fn figures(&self, words: &Words) -> Markup {
        let levels = self.counts.first().zip(self.counts.last());
        html! {
            span {
                @if let Some(mean) = self.mean { (words.say.average.replace("{n}", &tenths(words, mean))) ", " }
                (words.count(&words.say.ratings, self.ratings))
                @if let Some(score) = self.net_promoter_score {
                    ", " (words.say.promoter_score.replace("{n}", &tenths(words, score)))
                }
            }
            @if let (Some(mean), Some((least, most))) = (self.mean, levels) {
                (bar((mean - f64::from(least.value)) / (f64::from(most.value) - f64::from(least.value))))
            }
        }
    }
}

/// A share from 0 to 1 as a bar. What it says is in the number beside it.
fn bar(share: f64) -> Markup {
    let percent = format!("{:.1}%", (share * 100.0).clamp(0.0, 100.0));
    html! { svg.bar aria-hidden="true" { rect width=(percent) height="100%" {} } }
}

fn tenths(words: &Words, number: f64) -> String {
    words.tenths((number * 10.0).round() as i64)
}
