//! The ballot: one form, whose fields depend on the poll's kind. It works without a script.

use landslide_domain::{
    ballot::{ANSWER_CHARS_MAX, RANKS_MAX, Scale, WRITE_IN_CHARS_MAX},
    poll::{Kind, ResultsVisibility},
};
use maud::{Markup, html};

use super::{Notice, PollPage};
use crate::{
    document::minute,
    entry::{Entry, Mistake},
    words::{Words, put},
};

// The end tag of an `option` may be left out (HTML, section 4.10.10), and is: lists are most of some ballots.

/// On a scale with at most this many levels they lie beside each other, on others in a list.
const LEVELS_ABREAST_MAX: usize = 5;
/// With more levels of all options together than this, they are in lists too, as the page would be too long.
const LEVELS_OF_ALL_ABREAST_MAX: usize = 25;

impl PollPage<'_> {
    /// The page with the ballot.
    pub(super) fn ballot(&self, words: &Words) -> Markup {
        let say = words.say;
        let of_vote = || self.own().map(Entry::of_ballot);
        let (entry, mistake) = match &self.refused {
            Some((entry, mistake)) => (entry.clone(), Some(*mistake)),
            None => (of_vote().unwrap_or_default(), None),
        };
        let sends = if self.has_voted() { say.save_change } else { say.vote };
        let then = self.relative(words, "");
        html! {
            (self.question())
            @if self.notice == Some(Notice::Withdrawn) { p.note role="status" { (say.withdrawn) } }
            @if let Some(mistake) = mistake { (self.mistake(words, mistake)) }
            p #how .quiet { (self.how(words)) (self.time_left(words)) }
            form method="post" data-sending=(say.sending) data-trying=(say.still_trying) data-then=(then) {
                (self.of_voter())
                (self.fields(words, &entry))
                (self.segments(words, &entry))
                p #say .note role="status" {}
                button.main { (sends) }
            }
            @if !self.has_voted() && self.spec().results == ResultsVisibility::Always {
                div.actions { a href=(self.relative(words, "&view=results")) { (say.see_results) } }
            }
            (self.signed_in(words))
        }
    }

    fn mistake(&self, words: &Words, mistake: Mistake) -> Markup {
        let say = words.say;
        let what = match mistake {
            Mistake::NoneChosen => say.none_chosen.to_owned(),
            Mistake::TooFew(min) => words.count(&say.pick_at_least, min.into()),
            Mistake::TooMany(max) => words.count(&say.pick_up_to, max.into()),
            Mistake::BothChosen => say.both_chosen.to_owned(),
            Mistake::SamePlace => say.same_place.to_owned(),
            Mistake::NoneRanked => say.none_ranked.to_owned(),
            Mistake::NoneRated => say.none_rated.to_owned(),
            Mistake::Blank => say.blank.to_owned(),
            Mistake::TextTooLong(max) => words.count(&say.text_too_long, max as u64),
            Mistake::UnusualText => say.unusual_text.to_owned(),
            Mistake::NotTaken => say.not_taken.to_owned(),
        };
        html! { div.note.warn role="alert" { p { (say.check) } b { (what) } } }
    }

    /// How to fill in the ballot.
    fn how(&self, words: &Words) -> Markup {
        let (say, spec) = (words.say, self.spec());
        let (min, max) = (spec.min_choices, spec.max_choices);
        match spec.kind {
            Kind::Single => html! { (say.pick_one) },
            Kind::Multiple if min == max => html! { (words.count(&say.pick_exactly, max.into())) },
            Kind::Multiple if min == 1 => html! { (words.count(&say.pick_up_to, max.into())) },
            Kind::Multiple => {
                let to = words.number(max.into());
                put(&say.pick_between.replace("{min}", &words.number(min.into())), "max", to)
            }
            Kind::Ranked => html! { (words.count(&say.rank_up_to, self.ranks().into())) },
            Kind::Rating => {
                let Scale { min, max } = self.scale();
                put(&say.rate_between.replace("{min}", &words.integer(min.into())), "max", words.integer(max.into()))
            }
            Kind::Text => html! { (words.count(&say.answer_within, ANSWER_CHARS_MAX as u64)) },
        }
    }

    /// Until when one can vote. The script counts down by the server's clock.
    fn time_left(&self, words: &Words) -> Markup {
        let say = words.say;
        html! {
            @if let Some(closes_at) = self.spec().closes_at {
                " "
                span data-left=(closes_at.millis_since(self.now)) data-in=(say.closes_in) data-over=(say.closed) {
                    (put(say.closes, "time", minute(closes_at)))
                }
            }
        }
    }

    fn ranks(&self) -> u8 {
        self.spec().max_choices.min(RANKS_MAX as u8)
    }

    fn scale(&self) -> Scale {
        self.spec().scale.unwrap_or(Scale { min: 1, max: 5 })
    }

    fn fields(&self, words: &Words, entry: &Entry) -> Markup {
        html! {
            fieldset aria-labelledby="q" aria-describedby="how" {
                @match self.spec().kind {
                    Kind::Single | Kind::Multiple => (self.choices(words, entry)),
                    Kind::Ranked => (self.ranking(words, entry)),
                    Kind::Rating => (self.ratings(words, entry)),
                    Kind::Text => input type="text" name="text" aria-labelledby="q" required maxlength=(ANSWER_CHARS_MAX)
                        value=(entry.text) dir="auto" autocomplete="off";,
                }
            }
        }
    }

    fn labels(&self) -> impl Iterator<Item = (u8, &String)> {
        (0..).zip(&self.poll.options)
    }

    fn choices(&self, words: &Words, entry: &Entry) -> Markup {
        let is_single = self.spec().kind == Kind::Single;
        let kind = if is_single { "radio" } else { "checkbox" };
        html! {
            @for (id, label) in self.labels() {
                label {
                    input type=(kind) name="c" value=(id) checked[entry.chosen.contains(&id)] required[is_single];
                    bdi { (label) }
                }
            }
            @if self.spec().write_in { (write_in(words, entry, is_single)) }
        }
    }

    fn ranking(&self, words: &Words, entry: &Entry) -> Markup {
        let place = |id: u8| entry.places.get(&id).copied();
        html! {
            @for (id, label) in self.labels() {
                label {
                    bdi { (label) }
                    select name={ "r" (id) } {
                        option value=""; "–"
                        @for rank in 1..=self.ranks() {
                            (numbered(words, rank.into(), place(id) == Some(rank)))
                        }
                    }
                }
            }
        }
    }

    fn ratings(&self, words: &Words, entry: &Entry) -> Markup {
        let scale = self.scale();
        let value = |id: u8| entry.ratings.get(&id).copied();
        let levels = scale.levels();
        let is_abreast = levels <= LEVELS_ABREAST_MAX && levels * self.poll.options.len() <= LEVELS_OF_ALL_ABREAST_MAX;
        html! {
            @for (id, label) in self.labels() {
                @if !is_abreast {
                    label {
                        bdi { (label) }
                        select name={ "v" (id) } {
                            option value=""; (words.say.unrated)
                            @for level in scale.iter() {
                                (numbered(words, level.into(), value(id) == Some(level)))
                            }
                        }
                    }
                } @else {
                    div role="radiogroup" aria-labelledby={ "o" (id) } {
                        bdi #{ "o" (id) } { (label) }
                        div.levels {
                            label {
                                input type="radio" name={ "v" (id) } value="" aria-label=(words.say.unrated)
                                    checked[value(id).is_none()];
                                "–"
                            }
                            @for level in scale.iter() {
                                label {
                                    input type="radio" name={ "v" (id) } value=(level) checked[value(id) == Some(level)];
                                    (words.integer(level.into()))
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What voters say of themselves. It is asked as a list of the dimension's values.
    fn segments(&self, words: &Words, entry: &Entry) -> Markup {
        let say = words.say;
        let dimensions = || (0u8..).zip(&self.spec().segments).filter(|(_, dimension)| dimension.is_said());
        let is_said = |dimension: u8, place: u8| entry.segments.get(&dimension) == Some(&place);
        html! {
            @if dimensions().next().is_some() {
                fieldset {
                    legend { (say.about_you) }
                    @for (number, dimension) in dimensions() {
                        label {
                            bdi { (dimension.name) }
                            select name={ "s" (number) } {
                                option value=""; (say.not_said)
                                @for (place, value) in (1u8..).zip(&dimension.values) {
                                    option value=(place) dir="auto" selected[is_said(number, place)]; (value)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A number in a list. Where it is written in other digits than the form sends, the form's are its value.
fn numbered(words: &Words, number: i64, is_selected: bool) -> Markup {
    let shown = words.integer(number);
    let sent = number.to_string();
    html! { option value=[(shown != sent).then_some(sent)] selected[is_selected]; (shown) }
}

/// An option of the voter's own.
fn write_in(words: &Words, entry: &Entry, is_single: bool) -> Markup {
    let say = words.say;
    let text = |name: &str| {
        html! {
            input type="text" name="other" maxlength=(WRITE_IN_CHARS_MAX) value=(entry.other) dir="auto"
                aria-label=(name) autocomplete="off";
        }
    };
    html! {
        div {
            @if is_single {
                label.other { input type="radio" name="c" value="other" checked[entry.chose_other]; (say.something_else) }
                (text(say.your_answer))
            } @else {
                span.other { (say.something_else) }
                (text(say.something_else))
            }
        }
    }
}
