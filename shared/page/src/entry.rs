//! What a voter enters into the form of a poll: read from a request, shown in the form again, and turned into the ballot
//! that the JSON API takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use landslide_domain::{
    ballot::{ANSWER_CHARS_MAX, Answer, Ballot, Content, SentBallot, SentContent, SentRating, WRITE_IN_CHARS_MAX},
    poll::{Kind, PollSpec},
};
use landslide_text::TextError;

/// The most fields in a form: more than a ballot with all options, dimensions and texts has.
const FIELDS_MAX: usize = 256;

/// What a form's fields hold. Nothing is checked against the poll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Whether the vote is to be withdrawn.
    pub is_withdrawal: bool,
    /// What tells the voter whose page the form was on.
    pub voter: Option<String>,
    /// The revision of the vote that this page showed. 0 if it showed none.
    pub revision: Option<u32>,
    /// Option ids that are chosen.
    pub(crate) chosen: BTreeSet<u8>,
    /// Whether the option that the voter writes is chosen, where one option is.
    pub(crate) chose_other: bool,
    /// The option that the voter writes.
    pub(crate) other: String,
    /// Places by option id.
    pub(crate) places: BTreeMap<u8, u8>,
    /// Ratings by option id.
    pub(crate) ratings: BTreeMap<u8, i8>,
    /// The answer.
    pub(crate) text: String,
    /// By the places of dimensions, the places of their values from 1 on.
    pub(crate) segments: BTreeMap<u8, u8>,
}

/// A body that no form of ours sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Why a ballot can't be cast as it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// No option is chosen.
    NoneChosen,
    /// Fewer options are chosen than the poll takes.
    TooFew(u8),
    /// More options are chosen than the poll takes.
    TooMany(u8),
    /// An option is chosen, and another one is written.
    BothChosen,
    /// Two options have the same place.
    SamePlace,
    /// No option has a place.
    NoneRanked,
    /// No option is rated.
    NoneRated,
    /// There is no text.
    Blank,
    /// The text has more characters than this.
    TextTooLong(usize),
    /// The text has characters that are not taken.
    UnusualText,
    /// The poll refuses it for another reason: the form is of an earlier revision, or none of ours.
    NotTaken,
}

impl Entry {
    /// Reads a form (`application/x-www-form-urlencoded`).
    pub fn of_form(body: &[u8]) -> Result<Self, Malformed> {
        let mut entry = Self::default();
        let fields = form_urlencoded::parse(body);
        if fields.clone().nth(FIELDS_MAX).is_some() {
            return Err(Malformed);
        }
        let mut names = BTreeSet::new();
        for (name, value) in fields {
            let is_new = names.insert(name.clone());
            if !is_new && name != "c" {
                return Err(Malformed);
            }
            entry.add(&name, &value)?;
        }
        Ok(entry)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        match (name, value) {
            ("do", "withdraw") => self.is_withdrawal = true,
            ("as", token) => self.voter = Some(token.to_owned()),
            ("rev", revision) => self.revision = Some(number(revision)?),
            ("c", "other") => self.chose_other = true,
            ("c", id) => drop(self.chosen.insert(number(id)?)),
            ("other", text) => text.clone_into(&mut self.other),
            ("text", text) => text.clone_into(&mut self.text),
            _ => self.add_numbered(name, value)?,
        }
        Ok(())
    }

    /// A field whose name ends with a number. An empty value says nothing.
    fn add_numbered(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        let (kind, id) = name.split_at_checked(1).ok_or(Malformed)?;
        let id = number(id)?;
        match (kind, value) {
            ("r" | "v" | "s", "") => {}
            ("r", place) => drop(self.places.insert(id, number(place)?)),
            ("v", rating) => drop(self.ratings.insert(id, rating.parse().map_err(|_| Malformed)?)),
            ("s", place) => drop(self.segments.insert(id, number(place)?)),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// What the form holds when a voter is about to change this ballot.
    pub(crate) fn of_ballot(ballot: &Ballot) -> Self {
        let mut entry = Self::default();
        let content = match ballot {
            Ballot::Choices(choices) => Content::Choices(*choices),
            Ballot::Full(full) => {
                let places = (0..).zip(full.segments.as_slice()).filter(|(_, place)| **place > 0);
                entry.segments = places.map(|(dimension, place)| (dimension, *place)).collect();
                full.content.clone()
            }
        };
        match content {
            Content::Choices(choices) | Content::Quiz(choices) => entry.chosen = choices.iter().collect(),
            Content::WriteIn(choices, other) => {
                entry.chosen = choices.map(|choices| choices.iter().collect()).unwrap_or_default();
                entry.chose_other = true;
                entry.other = other.as_str().to_owned();
            }
            Content::Ranking(ranking) => entry.places = ranking.iter().zip(1..).collect(),
            Content::Ratings(ratings) => {
                entry.ratings = ratings.iter().map(|rating| (rating.option, rating.value)).collect();
            }
            Content::Text(text) => entry.text = text.as_str().to_owned(),
        }
        entry
    }

    /// The ballot that it makes in a poll. What only the domain knows, it finds out when it is cast.
    pub fn ballot(&self, spec: &PollSpec) -> Result<SentBallot, Mistake> {
        let content = match spec.kind {
            Kind::Single | Kind::Multiple => self.choices(spec)?,
            Kind::Ranked => self.ranking(spec.max_choices)?,
            Kind::Rating => self.rated()?,
            Kind::Text => SentContent::Text(written(&self.text, ANSWER_CHARS_MAX)?),
        };
        Ok(SentBallot { content, segments: self.said(spec)? })
    }

    fn choices(&self, spec: &PollSpec) -> Result<SentContent, Mistake> {
        let writes = spec.write_in && (self.chose_other || !self.other.trim().is_empty());
        let other = if writes { Some(written(&self.other, WRITE_IN_CHARS_MAX)?) } else { None };
        let chosen = self.chosen.len() + usize::from(writes);
        if chosen == 0 {
            return Err(Mistake::NoneChosen);
        }
        if spec.kind == Kind::Single && chosen > 1 {
            return Err(Mistake::BothChosen);
        }
        if chosen < spec.min_choices.into() {
            return Err(Mistake::TooFew(spec.min_choices));
        }
        if chosen > spec.max_choices.into() {
            return Err(Mistake::TooMany(spec.max_choices));
        }
        Ok(SentContent::Choices(self.chosen.iter().copied().map(u64::from).collect(), other))
    }

    /// The order of the places counts: 1 and 3 is as good as 1 and 2.
    fn ranking(&self, max: u8) -> Result<SentContent, Mistake> {
        let by_place: BTreeMap<u8, u8> = self.places.iter().map(|(id, place)| (*place, *id)).collect();
        if by_place.is_empty() {
            return Err(Mistake::NoneRanked);
        }
        if by_place.len() < self.places.len() {
            return Err(Mistake::SamePlace);
        }
        if by_place.len() > max.into() {
            return Err(Mistake::TooMany(max));
        }
        Ok(SentContent::Ranking(by_place.into_values().map(u64::from).collect()))
    }

    fn rated(&self) -> Result<SentContent, Mistake> {
        if self.ratings.is_empty() {
            return Err(Mistake::NoneRated);
        }
        let rating = |(option, value): (&u8, &i8)| SentRating { option: (*option).into(), value: (*value).into() };
        Ok(SentContent::Ratings(self.ratings.iter().map(rating).collect()))
    }

    fn said(&self, spec: &PollSpec) -> Result<BTreeMap<String, String>, Mistake> {
        let value = |(dimension, place): (&u8, &u8)| {
            let dimension = spec.segments.get(usize::from(*dimension)).filter(|dimension| dimension.is_said())?;
            Some((dimension.name.clone(), dimension.value_at(*place)?.to_owned()))
        };
        self.segments.iter().map(|entry| value(entry).ok_or(Mistake::NotTaken)).collect()
    }
}

fn number<N: FromStr>(text: &str) -> Result<N, Malformed> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(Malformed)
}

/// The text as it was sent, if it will be taken.
fn written(text: &str, chars_max: usize) -> Result<String, Mistake> {
    match Answer::parse(text, chars_max) {
        Ok(_) => Ok(text.to_owned()),
        Err(TextError::Blank) => Err(Mistake::Blank),
        Err(TextError::TooLong(max)) => Err(Mistake::TextTooLong(max)),
        Err(_) => Err(Mistake::UnusualText),
    }
}

#[cfg(test)]
mod tests {
    use landslide_domain::{
        poll::Poll,
        testing::{account, at, poll_asked_for},
    };
    use serde_json::{Value, json};

    use super::*;

    fn poll(settings: Value) -> Poll {
        let mut body = json!({"question": "Q", "options": ["a", "b", "c", "d"]});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        if body["kind"] == "text" {
            body.as_object_mut().unwrap().remove("options");
        }
        poll_asked_for(body, at(0)).unwrap()
    }

    fn sent(settings: Value, form: &str) -> Result<SentBallot, Mistake> {
        Entry::of_form(form.as_bytes()).unwrap().ballot(&poll(settings).rules.settings.spec)
    }

    /// A form makes the ballot that this body of the API makes.
    fn assert_is(settings: Value, form: &str, body: Value) {
        assert_eq!(sent(settings, form), Ok(serde_json::from_value(body).unwrap()), "{form}");
    }

    #[test]
    fn a_form_makes_the_ballot_that_the_api_takes() {
        let single = json!({"write_in": true});
        assert_is(single.clone(), "c=2&other=", json!({"choices": [2]}));
        assert_is(single.clone(), "c=other&other=Caf%C3%A9+au+lait", json!({"choices": [], "other": "Café au lait"}));
        assert_is(single, "other=x", json!({"choices": [], "other": "x"}));
        let multiple = json!({"kind": "multiple", "write_in": true});
        assert_is(multiple.clone(), "c=3&c=0&c=3", json!({"choices": [0, 3]}));
        assert_is(multiple, "c=3&other=x", json!({"choices": [3], "other": "x"}));
        assert_is(json!({"kind": "ranked"}), "r0=3&r1=&r2=1", json!({"ranking": [2, 0]}));
        let ratings = json!({"ratings": [{"option": 0, "value": -2}, {"option": 3, "value": 1}]});
        let scale = json!({"kind": "rating", "scale": {"min": -2, "max": 2}, "closes_at": at(60)});
        assert_is(scale, "v0=-2&v1=&v3=1", ratings);
        assert_is(json!({"kind": "text"}), "text=%F0%9F%8D%95+pizza", json!({"text": "🍕 pizza"}));
        let region = json!({"name": "region", "values": ["North", "South"], "from": "vote"});
        let team = json!({"name": "team", "values": ["a", "b"], "from": "claim:team"});
        let body = json!({"choices": [1], "segments": {"region": "South"}});
        assert_is(json!({"segments": [team, region]}), "c=1&s1=2", body);
    }

    #[test]
    fn a_mistake_says_what_is_wrong() {
        let from_two = json!({"kind": "multiple", "min_choices": 2, "max_choices": 3});
        let writes = json!({"write_in": true});
        let long = format!("text={}", "x".repeat(141));
        for (settings, form, mistake) in [
            (json!({}), "", Mistake::NoneChosen),
            (json!({}), "other=x", Mistake::NoneChosen),
            (json!({}), "c=0&c=1", Mistake::BothChosen),
            (writes.clone(), "c=0&other=x", Mistake::BothChosen),
            (writes.clone(), "c=other&other=+", Mistake::Blank),
            (writes, "other=%E2%80%AEx", Mistake::UnusualText),
            (from_two.clone(), "c=0", Mistake::TooFew(2)),
            (from_two, "c=0&c=1&c=2&c=3", Mistake::TooMany(3)),
            (json!({"kind": "ranked"}), "r0=&r1=", Mistake::NoneRanked),
            (json!({"kind": "ranked"}), "r0=1&r1=1", Mistake::SamePlace),
            (json!({"kind": "ranked", "max_choices": 1}), "r0=1&r1=2", Mistake::TooMany(1)),
            (json!({"kind": "rating", "closes_at": at(60)}), "v0=", Mistake::NoneRated),
            (json!({"kind": "text"}), "text=", Mistake::Blank),
            (json!({"kind": "text"}), &long, Mistake::TextTooLong(140)),
            (json!({"kind": "text"}), "text=a%00b", Mistake::UnusualText),
            (json!({"kind": "text"}), "text=a%FFb", Mistake::UnusualText),
            (json!({}), "c=0&s0=1", Mistake::NotTaken),
        ] {
            assert_eq!(sent(settings, form), Err(mistake), "{form}");
        }
    }

    #[test]
    fn what_no_form_of_ours_sends_is_malformed() {
        let many = "c=0&".repeat(FIELDS_MAX + 1);
        for form in [
            "c=",
            "c=x",
            "c=256",
            "c=+1",
            "c=-1",
            "r0=0x1",
            "r=1",
            "rx=1",
            "v0=1.5",
            "r0=1&r0=2",
            "x0=1",
            "rev=",
            "rev=-1",
            "rev=4294967296",
            "é=1",
            "do=x",
            &many,
        ] {
            assert_eq!(Entry::of_form(form.as_bytes()), Err(Malformed), "{form}");
        }
        assert!(Entry::of_form(b"do=withdraw").unwrap().is_withdrawal);
        let of_page = Entry::of_form(b"as=a.b.c&rev=7&c=1").unwrap();
        assert_eq!((of_page.voter.as_deref(), of_page.revision), (Some("a.b.c"), Some(7)));
    }

    #[test]
    fn a_ballot_that_is_shown_for_a_change_makes_itself_again() {
        let region = json!({"name": "region", "values": ["North", "South"], "from": "vote"});
        for (settings, form) in [
            (json!({"write_in": true}), "c=2"),
            (json!({"write_in": true, "segments": [region]}), "other=x&s0=2"),
            (json!({"kind": "multiple", "correct": [1]}), "c=2&c=0"),
            (json!({"kind": "ranked"}), "r0=2&r2=1&r3=3"),
            (json!({"kind": "rating", "closes_at": at(60)}), "v1=4"),
            (json!({"kind": "text"}), "text=x"),
        ] {
            let rules = poll(settings.clone()).rules;
            let sent = sent(settings, form).unwrap();
            let ballot = rules.ballot(&sent, &account("ann"), None, at(0)).unwrap();
            assert_eq!(Entry::of_ballot(&ballot).ballot(&rules.settings.spec), Ok(sent), "{form}");
        }
    }
}
