//! What a poll makes of a vote that is sent.

use std::collections::BTreeMap;

use super::{Dimension, Kind, PollSpec, Rules, Source};
use crate::{
    ballot::{
        ANSWER_CHARS_MAX, Answer, Ballot, Choices, Content, Ranking, Ratings, Segments, SentBallot, SentContent,
        UNKNOWN, WRITE_IN_CHARS_MAX, options,
    },
    caller::Caller,
    country::Country,
    field_error::FieldError,
    time::Timestamp,
};

impl Rules {
    /// Checks the ballot that a voter sent against this poll, and adds what it is counted by besides. `country` is where
    /// it came from, if that is known.
    pub fn ballot(
        &self,
        sent: &SentBallot,
        caller: &Caller,
        country: Option<Country>,
        cast_at: Timestamp,
    ) -> Result<Ballot, FieldError> {
        let content = self.content(&sent.content)?;
        let segments = self.settings.spec.segments_of(&sent.segments, caller, country)?;
        Ok(Ballot::new(content, segments, self.settings.slot_of(cast_at)))
    }

    fn content(&self, sent: &SentContent) -> Result<Content, FieldError> {
        let spec = &self.settings.spec;
        let (options, max) = (self.options, spec.max_choices);
        match (spec.kind, sent) {
            (Kind::Single | Kind::Multiple, SentContent::Choices(ids, other)) => self.choices(ids, other.as_deref()),
            (Kind::Ranked, SentContent::Ranking(ids)) => Ranking::parse(ids, options, max).map(Content::Ranking),
            (Kind::Rating, SentContent::Ratings(sent)) => {
                let pairs: Vec<_> = sent.iter().map(|rating| (rating.option, rating.value)).collect();
                let scale = spec.scale.ok_or_else(|| FieldError::new("/ratings", "belong to a poll with a scale"))?;
                Ratings::parse(&pairs, options, scale).map(Content::Ratings)
            }
            (Kind::Text, SentContent::Text(text)) => written(text, ANSWER_CHARS_MAX, "/text").map(Content::Text),
            (kind, _) => {
                Err(FieldError::new("", format!("is no vote of this poll: its votes have `{}`", field_of(kind))))
            }
        }
    }

    fn choices(&self, ids: &[u64], other: Option<&str>) -> Result<Content, FieldError> {
        let spec = &self.settings.spec;
        let Some(other) = other else {
            let choices = Choices::parse(ids, self.options, spec.max_choices)?;
            enough(ids.len(), spec)?;
            return Ok(if spec.correct.is_some() { Content::Quiz(choices) } else { Content::Choices(choices) });
        };
        if !spec.write_in {
            return Err(FieldError::new("/other", "is there, and the poll takes no other options than its own"));
        }
        let other = written(other, WRITE_IN_CHARS_MAX, "/other")?;
        let listed_max = spec.max_choices - 1;
        if ids.len() > usize::from(listed_max) {
            let detail = format!(
                "names {} besides the one in `other`, and the poll takes at most {} in all",
                options(ids.len()),
                spec.max_choices
            );
            return Err(FieldError::new("/choices", detail));
        }
        let choices = if ids.is_empty() { None } else { Some(Choices::parse(ids, self.options, listed_max)?) };
        enough(ids.len() + 1, spec)?;
        Ok(Content::WriteIn(choices, other))
    }
}

/// Fails if a vote names fewer options than it must.
fn enough(named: usize, spec: &PollSpec) -> Result<(), FieldError> {
    let min = spec.min_choices;
    if named >= usize::from(min) {
        return Ok(());
    }
    Err(FieldError::new("/choices", format!("names {}, and the poll takes at least {min}", options(named))))
}

/// The field that a vote in a poll of this kind has.
fn field_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Single | Kind::Multiple => "choices",
        Kind::Ranked => "ranking",
        Kind::Rating => "ratings",
        Kind::Text => "text",
    }
}

fn written(raw: &str, chars_max: usize, pointer: &str) -> Result<Answer, FieldError> {
    Answer::parse(raw, chars_max).map_err(|error| FieldError::new(pointer, error))
}

impl PollSpec {
    /// The voter's values: those that were sent, those of the token's claims, and the country. One that is none of the
    /// dimension's is unknown.
    fn segments_of(
        &self,
        sent: &BTreeMap<String, String>,
        caller: &Caller,
        country: Option<Country>,
    ) -> Result<Segments, FieldError> {
        let is_said = |dimension: &Dimension, name: &str| dimension.is_said() && dimension.name == name;
        if let Some(name) = sent.keys().find(|name| !self.segments.iter().any(|dimension| is_said(dimension, name))) {
            return Err(FieldError::new(format!("/segments/{name}"), "is no segment that a vote of this poll says"));
        }
        let place = |dimension: &Dimension| {
            let value = match &dimension.from {
                Source::Vote => sent.get(&dimension.name).map(String::as_str),
                Source::Claim(claim) => caller.claim(claim),
                Source::Country => country.as_ref().map(Country::as_str),
            };
            value.map_or(UNKNOWN, |value| dimension.place_of(&landslide_text::nfc(value)))
        };
        let places: Vec<u8> = self.segments.iter().map(place).collect();
        Ok(Segments::of_places(&places).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::poll_asked_for;

    #[test]
    fn one_option_too_few_or_too_many_is_named_in_the_singular() {
        for (kind, min, max, other, detail) in [
            ("multiple", 2, 2, None, "names 1 option, and the poll takes at least 2"),
            (
                "single",
                1,
                1,
                Some("c"),
                "names 1 option besides the one in `other`, and the poll takes at most 1 in all",
            ),
        ] {
            let settings = json!({
                "question": "Q", "options": ["a", "b"], "kind": kind, "write_in": true, "min_choices": min, "max_choices": max,
            });
            let rules = poll_asked_for(settings, Timestamp::EPOCH).unwrap().rules;
            let sent = SentContent::Choices(vec![0], other.map(str::to_owned));
            assert_eq!(rules.content(&sent), Err(FieldError::new("/choices", detail)));
        }
    }
}
