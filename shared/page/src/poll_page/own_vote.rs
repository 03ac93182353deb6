//! The reader's own vote in words.

use std::collections::BTreeSet;

use landslide_domain::{
    ballot::{Ballot, Content},
    poll::Poll,
};
use maud::{Markup, html};

use crate::words::Words;

/// The options that a vote names.
pub(super) fn options(ballot: &Ballot) -> BTreeSet<u8> {
    let mut ids = BTreeSet::new();
    match ballot {
        Ballot::Choices(choices) => ids.extend(choices.iter()),
        Ballot::Full(full) => match &full.content {
            Content::Ranking(_) | Content::Ratings(_) => {}
            content => content.for_each_counted(|id| ids.extend([id])),
        },
    }
    ids
}

/// What the vote says.
pub(super) fn html(words: &Words, poll: &Poll, ballot: &Ballot) -> Markup {
    let label = |id: u8| html! { bdi { (poll.options.get(usize::from(id)).map(String::as_str).unwrap_or_default()) } };
    let parts: Vec<Markup> = match ballot {
        Ballot::Choices(choices) => choices.iter().map(label).collect(),
        Ballot::Full(full) => match &full.content {
            Content::Choices(choices) | Content::Quiz(choices) => choices.iter().map(label).collect(),
            Content::WriteIn(choices, other) => {
                let listed = choices.iter().flat_map(|choices| choices.iter()).map(label);
                listed.chain([html! { bdi { (other.as_str()) } }]).collect()
            }
            Content::Ranking(ranking) => {
                (1..).zip(ranking.iter()).map(|(place, id)| html! { (words.number(place)) ". " (label(id)) }).collect()
            }
            Content::Ratings(ratings) => {
                let rating = |value: i8| words.integer(value.into());
                ratings.iter().map(|it| html! { (label(it.option)) ": " (rating(it.value)) }).collect()
            }
            Content::Text(text) => vec![html! { bdi { (text.as_str()) } }],
        },
    };
    html! {
        p { (words.say.your_vote) ": " @for (place, part) in parts.iter().enumerate() { @if place > 0 { ", " } (part) } }
    }
}
