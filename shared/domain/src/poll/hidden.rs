//! Answers that a poll's tenant hides: their ballots count, and no result shows what they say.
//!
//! The list is an item of its own, and RULES says which revision of it stands. So what assembles or shows results notices
//! a change by what it reads anyway.

#[cfg(any(test, feature = "text"))]
use serde::Deserialize;
use serde::Serialize;

#[cfg(any(test, feature = "text"))]
use super::{Kind, Poll};
use super::{PollSpec, Rules};
use crate::{ballot::Answer, error::Error, lease::CONFIG_LEASE_MS, time::Timestamp};
#[cfg(any(test, feature = "text"))]
use crate::{
    ballot::{ANSWER_CHARS_MAX, WRITE_IN_CHARS_MAX},
    field_error::FieldError,
};

/// The most answers that a poll hides.
pub const HIDDEN_ANSWERS_MAX: usize = 1_000;
/// The most bytes that they have together. An item of DynamoDB has 400 KB at most.
pub const HIDDEN_BYTES_MAX: usize = 300 * 1024;
/// For how long results may be shown that were assembled before the list changed, in milliseconds. With the clocks' skew,
/// a second in the process that shows them and one in a cache, a change is in effect within 9 s.
const OLD_RESULTS_MS: u64 = CONFIG_LEASE_MS;

/// The answers that a poll hides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HiddenAnswers {
    /// The poll's revision that wrote them. 0 if none ever did.
    pub revision: u64,
    /// The answers, each in a spelling of its own choice: readers hide all spellings of it.
    pub answers: Vec<Answer>,
}

/// What a poll's rules say of the answers that it hides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Hiding {
    /// The poll's revision that wrote the list.
    pub revision: u64,
    /// How many answers it has.
    pub answers: usize,
    /// When it was decided.
    pub since: Timestamp,
}

impl Rules {
    /// The revision of the answers that it hides. 0 if it never hid any.
    pub fn hidden_revision(&self) -> u64 {
        self.hiding.as_ref().map_or(0, |hiding| hiding.revision)
    }

    /// Whether results that were made with this revision of the hidden answers may not be shown any more.
    pub fn outdates(&self, hidden_revision: u64, now: Timestamp) -> bool {
        let is_old =
            |hiding: &Hiding| hidden_revision < hiding.revision && hiding.since.plus_millis(OLD_RESULTS_MS) <= now;
        self.hiding.as_ref().is_some_and(is_old)
    }
}

/// The body of `PUT /v1/polls/{poll_id}/hidden-answers` as sent.
#[cfg(any(test, feature = "text"))]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HideAnswers {
    answers: Vec<String>,
}

#[cfg(any(test, feature = "text"))]
impl HideAnswers {
    /// The answers as votes have them, each once, whatever its spelling. Reports everything that is wrong at once.
    pub fn validate(self) -> Result<Vec<Answer>, Vec<FieldError>> {
        let sent = self.answers;
        if sent.len() > HIDDEN_ANSWERS_MAX {
            return Err(vec![FieldError::new("/answers", format!("must have at most {HIDDEN_ANSWERS_MAX} answers"))]);
        }
        let (mut errors, mut groups, mut answers) = (Vec::new(), std::collections::BTreeSet::new(), Vec::new());
        for (place, raw) in sent.iter().enumerate() {
            match Answer::parse(raw, ANSWER_CHARS_MAX) {
                Ok(answer) if groups.insert(landslide_text::folded(answer.as_str())) => answers.push(answer),
                Ok(_) => {}
                Err(error) => errors.push(FieldError::new(format!("/answers/{place}"), error)),
            }
        }
        if answers.iter().map(|answer| answer.as_str().len()).sum::<usize>() > HIDDEN_BYTES_MAX {
            errors.push(FieldError::new("/answers", format!("must have at most {HIDDEN_BYTES_MAX} bytes together")));
        }
        if errors.is_empty() { Ok(answers) } else { Err(errors) }
    }
}

/// Fails if nobody writes anything in such polls.
pub fn must_have_answers(spec: &PollSpec) -> Result<(), Error> {
    if spec.has_answers() { Ok(()) } else { Err(Error::NoAnswers) }
}

/// The poll's next revision, which hides these answers instead of those so far.
#[cfg(any(test, feature = "text"))]
pub fn hide(poll: &Poll, answers: &[Answer], now: Timestamp) -> Result<Poll, Error> {
    let spec = &poll.rules.settings.spec;
    must_have_answers(spec)?;
    let chars_max = if spec.kind == Kind::Text { ANSWER_CHARS_MAX } else { WRITE_IN_CHARS_MAX };
    if answers.iter().any(|answer| answer.as_str().chars().nth(chars_max).is_some()) {
        let detail = format!("has an answer of more than {chars_max} characters, and no vote in this poll has such");
        return Err(Error::InvalidFields(vec![FieldError::new("/answers", detail)]));
    }
    let mut hidden = poll.clone();
    hidden.rules.settings.revision += 1;
    let revision = hidden.rules.settings.revision;
    hidden.rules.hiding = Some(Hiding { revision, answers: answers.len(), since: now });
    Ok(hidden)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{at, poll_asked_for};

    fn sent(answers: Value) -> Result<Vec<String>, Vec<String>> {
        let asked: HideAnswers = serde_json::from_value(json!({"answers": answers})).unwrap();
        let texts = |answers: Vec<Answer>| answers.iter().map(|answer| answer.as_str().to_owned()).collect();
        let blamed = |error: FieldError| format!("{} {}", error.pointer, error.detail);
        asked.validate().map(texts).map_err(|errors| errors.into_iter().map(blamed).collect())
    }

    #[test]
    fn answers_are_as_votes_have_them_and_each_once_in_its_first_spelling() {
        let found = sent(json!(["  Cafe\u{301}  noir", "BAD", "bad", "\u{ff22}ad", "good"]));
        assert_eq!(found.unwrap(), ["Caf\u{e9} noir", "BAD", "good"]);
        assert_eq!(sent(json!([])).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_no_vote_could_say_is_named_by_its_place() {
        let errors = sent(json!(["good", " ", "x".repeat(ANSWER_CHARS_MAX + 1), "two\nlines"])).unwrap_err();
        assert_eq!(
            errors,
            ["/answers/1 is blank", "/answers/2 has more than 140 characters", "/answers/3 has a line break"]
        );
    }

    #[test]
    fn there_are_a_thousand_answers_of_three_hundred_kilobytes_at_most() {
        let numbered = |many: usize| json!((0..many).map(|number| format!("answer {number}")).collect::<Vec<_>>());
        assert_eq!(sent(numbered(HIDDEN_ANSWERS_MAX)).unwrap().len(), HIDDEN_ANSWERS_MAX);
        assert_eq!(sent(numbered(HIDDEN_ANSWERS_MAX + 1)).unwrap_err(), ["/answers must have at most 1000 answers"]);
        // Each with 512 bytes.
        let long = |many: usize| {
            json!((0..many).map(|number| format!("{number:04}{}", "\u{1f600}".repeat(127))).collect::<Vec<_>>())
        };
        assert_eq!(sent(long(600)).unwrap().len(), 600);
        assert_eq!(sent(long(601)).unwrap_err(), ["/answers must have at most 307200 bytes together"]);
    }

    fn poll(settings: Value) -> Poll {
        let mut body = json!({"question": "Q"});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        poll_asked_for(body, at(0)).unwrap()
    }

    #[test]
    fn the_list_is_replaced_by_the_polls_next_revision() {
        let answers = [Answer::stored("bad").unwrap()];
        let first = hide(&poll(json!({"kind": "text"})), &answers, at(5)).unwrap();
        assert_eq!(first.rules.hiding, Some(Hiding { revision: 2, answers: 1, since: at(5) }));
        assert_eq!((first.rules.settings.revision, first.rules.options_revision), (2, 1));
        let second = hide(&first, &[], at(6)).unwrap();
        assert_eq!(second.rules.hiding, Some(Hiding { revision: 3, answers: 0, since: at(6) }));
    }

    #[test]
    fn a_poll_hides_answers_where_voters_write_some() {
        let options = json!(["a", "b"]);
        for (settings, has_answers) in [
            (json!({"kind": "text"}), true),
            (json!({"options": options, "write_in": true}), true),
            (json!({"options": options}), false),
            (json!({"options": options, "kind": "ranked"}), false),
        ] {
            let outcome = hide(&poll(settings.clone()), &[], at(1));
            assert_eq!(outcome.err(), (!has_answers).then_some(Error::NoAnswers), "{settings}");
        }
    }

    #[test]
    fn what_is_too_long_for_a_write_in_is_refused_in_a_poll_that_takes_them() {
        let answer = |chars: usize| [Answer::stored(&"x".repeat(chars)).unwrap()];
        let write_ins = poll(json!({"options": ["a", "b"], "write_in": true}));
        assert!(hide(&write_ins, &answer(WRITE_IN_CHARS_MAX), at(1)).is_ok());
        let refused = hide(&write_ins, &answer(WRITE_IN_CHARS_MAX + 1), at(1));
        assert!(matches!(refused, Err(Error::InvalidFields(_))), "{refused:?}");
        let texts = poll(json!({"kind": "text"}));
        assert!(hide(&texts, &answer(ANSWER_CHARS_MAX), at(1)).is_ok());
    }

    #[test]
    fn results_of_an_older_list_are_shown_for_five_seconds_more() {
        let poll = poll(json!({"kind": "text"}));
        assert!(!poll.rules.outdates(0, at(99)));
        let hidden = hide(&poll, &[], at(10)).unwrap().rules;
        assert_eq!([14, 15, 99].map(|now| hidden.outdates(1, at(now))), [false, true, true]);
        assert_eq!([2, 3].map(|revision| hidden.outdates(revision, at(99))), [false, false]);
    }
}
