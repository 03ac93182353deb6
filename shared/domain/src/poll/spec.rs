//! What an owner may set in a poll. Each setting is declared once, in the table below; creating, editing, storing and
//! showing polls follow from it.

use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value::Error as WordError},
};

use super::dimension::Dimension;
use crate::{ballot::Scale, caller::TokenKind, method::Method, time::Timestamp};

/// The fewest ballots in a segment's row that others than the poll's tenant see, if its owner sets no other number.
pub const MIN_CELL_DEFAULT: u8 = 5;

/// What a voter says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Exactly one option.
    #[default]
    Single,
    /// One to `max_choices` options.
    Multiple,
    /// One to `max_choices` options, best first.
    Ranked,
    /// A value for one or more options.
    Rating,
    /// An answer in the voter's words.
    Text,
}

/// The right options of a quiz. They stay out of logs, and out of the public's sight until the poll is closed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correct(pub Vec<u64>);

impl std::fmt::Debug for Correct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Correct(..)")
    }
}

/// Which token a voter must show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// An account token.
    Account,
    /// A device token, or an account token.
    #[default]
    Device,
}

impl Identity {
    /// Whether this kind of token may vote.
    pub fn admits(self, token: TokenKind) -> bool {
        match (self, token) {
            (Identity::Account, TokenKind::Device) => false,
            (Identity::Account, TokenKind::Account) | (Identity::Device, _) => true,
        }
    }
}

/// Whether a vote may be changed or retracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteChange {
    /// Never.
    #[default]
    Never,
    /// Until the poll closes.
    UntilClose,
}

/// Who may see the results, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultsVisibility {
    /// Anyone at any time.
    #[default]
    Always,
    /// Callers who have voted.
    AfterVote,
    /// Anyone once the poll is closed.
    AfterClose,
    /// The poll's owner.
    Owner,
}

/// Whether the page repeats to voters what they voted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnVote {
    /// It shows the vote.
    #[default]
    Show,
    /// It says that there is one, and not what it says.
    Hide,
}

/// Whose the browsers are in which the page is voted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Devices {
    /// Each is one voter's.
    #[default]
    Own,
    /// Many vote with the same one, one after the other.
    Shared,
}

/// How long a setting may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changeable {
    /// It never changes.
    Never,
    /// Until 9 s before the poll opens.
    UntilOpen,
    /// While the poll is open too, under its own rule.
    WhileOpen,
}

/// A setting as a table item holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Text, or the word for an enum's variant.
    Text(String),
    /// A whole number. For a time, its milliseconds.
    Number(u64),
}

/// The name of a stored setting that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadableSetting(pub &'static str);

/// The type that a setting has.
trait Setting: Sized + PartialEq {
    /// The value for an item. If `None`, the item has no such attribute.
    fn stored(&self) -> Option<Stored>;
    /// Parses what an item holds. Returns `None` if it is not valid.
    fn read(stored: Option<Stored>) -> Option<Self>;

    /// Whether it is at the default at which items and hashes lack it.
    fn is_absent(&self, absent_at: Option<Self>) -> bool {
        absent_at.as_ref() == Some(self)
    }

    /// Like `stored`; `None` also at that default.
    fn stored_unless(&self, absent_at: Option<Self>) -> Option<Stored> {
        if self.is_absent(absent_at) { None } else { self.stored() }
    }

    /// Like `read`; an item without the attribute has that default.
    fn read_or(stored: Option<Stored>, absent_at: Option<Self>) -> Option<Self> {
        match (stored, absent_at) {
            (None, Some(default)) => Some(default),
            (stored, _) => Self::read(stored),
        }
    }
}

macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

macro_rules! poll_settings {
    (
        $(#[$text_doc:meta])* $text:ident: $text_type:ty, sent as $text_sent:ty, changes $text_changes:ident;
        labels;
        $(
            $(#[$doc:meta])* $name:ident: $type:ty, sent as $sent:ty, changes $changes:ident
            $(, absent at $default:expr)?;
        )*
    ) => {
        /// All settings that a poll's owner chooses.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        pub struct PollSpec {
            $(#[$text_doc])* pub $text: $text_type,
            $($(#[$doc])* pub $name: $type,)*
        }

        /// Settings and labels as sent: the types are right, nothing else is checked. If `None`, the field is absent.
        #[cfg(any(test, feature = "text"))]
        #[derive(Clone, Debug, Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct SentSettings {
            #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            pub(super) $text: Option<$text_sent>,
            #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            pub(super) options: Option<Vec<String>>,
            $(
                #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
                pub(super) $name: Option<$sent>,
            )*
        }

        impl PollSpec {
            /// The names of all settings, in the API and in the table.
            pub const NAMES: &[&str] = &[stringify!($text), $(stringify!($name)),*];

            /// All settings by name, as an item holds them. If `None`, the item has no such attribute.
            pub fn stored(&self) -> impl Iterator<Item = (&'static str, Option<Stored>)> {
                let all = [
                    (stringify!($text), self.$text.stored()),
                    $((stringify!($name), self.$name.stored_unless(optional!($($default)?)))),*
                ];
                all.into_iter()
            }

            /// Parses the settings that an item holds, by name.
            pub fn read<E: From<UnreadableSetting>>(
                item: impl Fn(&'static str) -> Result<Option<Stored>, E>,
            ) -> Result<Self, E> {
                Ok(Self {
                    $text: Setting::read(item(stringify!($text))?).ok_or(UnreadableSetting(stringify!($text)))?,
                    $(
                        $name: Setting::read_or(item(stringify!($name))?, optional!($($default)?))
                            .ok_or(UnreadableSetting(stringify!($name)))?,
                    )*
                })
            }

            /// How long the settings that differ between both may change.
            pub fn differences(&self, other: &Self) -> impl Iterator<Item = Changeable> {
                let all = [
                    (self.$text != other.$text, Changeable::$text_changes),
                    $((self.$name != other.$name, Changeable::$changes)),*
                ];
                all.into_iter().filter_map(|(differs, changes)| differs.then_some(changes))
            }
        }

        #[cfg(any(test, feature = "text"))]
        #[allow(clippy::useless_conversion, reason = "most settings are kept as they are sent")]
        impl PollSpec {
            /// The settings as a request would send them, without labels.
            pub(super) fn as_sent(&self) -> SentSettings {
                SentSettings {
                    $text: Some(self.$text.clone().into()),
                    options: None,
                    $($name: Some(self.$name.clone().into()),)*
                }
            }

            /// Writes settings and labels into the hashed JSON object, in the table's order.
            pub(super) fn write<M: serde::ser::SerializeMap>(&self, labels: &[String], map: &mut M) -> Result<(), M::Error> {
                map.serialize_entry(stringify!($text), &self.$text)?;
                map.serialize_entry("options", labels)?;
                $(
                    if !self.$name.is_absent(optional!($($default)?)) {
                        map.serialize_entry(stringify!($name), &self.$name)?;
                    }
                )*
                Ok(())
            }
        }

        #[cfg(any(test, feature = "text"))]
        impl SentSettings {
            /// What is sent, completed with `others`.
            pub(super) fn or(self, others: Self) -> Self {
                Self {
                    $text: self.$text.or(others.$text),
                    options: self.options.or(others.options),
                    $($name: self.$name.or(others.$name),)*
                }
            }

            /// Whether a setting that never changes is sent with another value than in `others`.
            pub(super) fn changes_what_never_does(&self, others: &Self) -> bool {
                let mut all = [
                    (Changeable::$text_changes, self.$text.is_some() && self.$text != others.$text),
                    $((Changeable::$changes, self.$name.is_some() && self.$name != others.$name)),*
                ]
                .into_iter();
                all.any(|(changes, differs)| differs && changes == Changeable::Never)
            }
        }
    };
}

// The order is that of responses and of the hashed JSON. `NewPoll::hash` covers all settings and labels, to recognise a
// repeated request. A setting that stored polls lack ends with `, absent at` and its default: an item without it has the
// default, and at the default it is neither stored nor hashed. So polls of before are read, and a repeat across that
// deployment is no conflict.
poll_settings! {
    /// What is asked.
    question: String, sent as String, changes UntilOpen;
    labels;
    /// What a voter says.
    kind: Kind, sent as Kind, changes Never;
    /// The most options a vote may name.
    max_choices: u8, sent as u64, changes UntilOpen;
    /// The fewest options a vote names.
    min_choices: u8, sent as u64, changes UntilOpen, absent at 1;
    /// Whether a vote may name an option that the voter writes.
    write_in: bool, sent as bool, changes UntilOpen, absent at false;
    /// The levels of ratings. `None` in a poll without ratings.
    scale: Option<Scale>, sent as Option<Scale>, changes UntilOpen, absent at None;
    /// The right options, which make the poll a quiz.
    #[serde(skip)]
    correct: Option<Correct>, sent as Option<Correct>, changes UntilOpen, absent at None;
    /// How many options win. In a poll that is not ranked, 1.
    seats: u8, sent as u64, changes UntilOpen, absent at 1;
    /// By which method rankings decide. `None` in a poll that is not ranked.
    method: Option<Method>, sent as Option<Method>, changes UntilOpen, absent at None;
    /// The dimensions that its votes are broken down by.
    segments: Vec<Dimension>, sent as Vec<Dimension>, changes UntilOpen, absent at Vec::new();
    /// The fewest ballots in a segment's row that others than the poll's tenant see.
    min_cell: u8, sent as u64, changes UntilOpen, absent at MIN_CELL_DEFAULT;
    /// Whether its votes are counted by time too.
    series: bool, sent as bool, changes UntilOpen, absent at false;
    /// When the poll starts to take votes. If `None`, when it is created.
    opens_at: Option<Timestamp>, sent as Option<Timestamp>, changes UntilOpen;
    /// When the poll stops taking votes. If `None`, it stays open.
    closes_at: Option<Timestamp>, sent as Option<Timestamp>, changes WhileOpen;
    /// Which token a voter must show.
    identity: Identity, sent as Identity, changes Never;
    /// Whether votes may change.
    vote_change: VoteChange, sent as VoteChange, changes UntilOpen;
    /// Who may see the results.
    results: ResultsVisibility, sent as ResultsVisibility, changes UntilOpen;
    /// The peak that the poll is built for, in votes a second.
    peak_votes_per_second: u32, sent as u64, changes WhileOpen;
    /// How many people its owner expects to watch. `None` if that is not said.
    viewers: Option<u64>, sent as Option<u64>, changes WhileOpen, absent at None;
    /// Whether the page repeats to voters what they voted.
    own_vote: OwnVote, sent as OwnVote, changes WhileOpen, absent at OwnVote::Show;
    /// Whose the browsers are in which the page is voted on.
    devices: Devices, sent as Devices, changes WhileOpen, absent at Devices::Own;
    /// The origins whose pages may frame the page (RFC 6454, section 6.2).
    embed: Vec<String>, sent as Vec<String>, changes WhileOpen, absent at Vec::new();
    /// Whether search engines may list the page.
    listed: bool, sent as bool, changes WhileOpen, absent at false;
}

/// A field that may be absent but, unless its type allows it, not null.
#[cfg(any(test, feature = "text"))]
fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Setting for String {
    fn stored(&self) -> Option<Stored> {
        Some(Stored::Text(self.clone()))
    }

    fn read(stored: Option<Stored>) -> Option<Self> {
        match stored {
            Some(Stored::Text(text)) => Some(text),
            Some(Stored::Number(_)) | None => None,
        }
    }
}

impl Setting for u64 {
    fn stored(&self) -> Option<Stored> {
        Some(Stored::Number(*self))
    }

    fn read(stored: Option<Stored>) -> Option<Self> {
        match stored {
            Some(Stored::Number(number)) => Some(number),
            Some(Stored::Text(_)) | None => None,
        }
    }
}

impl Setting for u32 {
    fn stored(&self) -> Option<Stored> {
        u64::from(*self).stored()
    }

    fn read(stored: Option<Stored>) -> Option<Self> {
        <u64 as Setting>::read(stored)?.try_into().ok()
    }
}

impl Setting for u8 {
    fn stored(&self) -> Option<Stored> {
        u32::from(*self).stored()
    }

    fn read(stored: Option<Stored>) -> Option<Self> {
        <u32 as Setting>::read(stored)?.try_into().ok()
    }
}

impl Setting for Option<Timestamp> {
    fn stored(&self) -> Option<Stored> {
        self.map(|at| Stored::Number(at.as_millis()))
    }

    fn read(stored: Option<Stored>) -> Option<Self> {
        match stored {
            Some(Stored::Number(millis)) => Timestamp::from_millis(millis).map(Some),
            Some(Stored::Text(_)) => None,
            None => Some(None),
        }
    }
}

/// Settings that may be missing, stored as what they hold.
macro_rules! stored_if_any {
    ($($type:ty),*) => {
        $(impl Setting for Option<$type> {
            fn stored(&self) -> Option<Stored> {
                self.as_ref().and_then(Setting::stored)
            }

            fn read(stored: Option<Stored>) -> Option<Self> {
                match stored {
                    Some(stored) => <$type as Setting>::read(Some(stored)).map(Some),
                    None => Some(None),
                }
            }
        })*
    };
}
stored_if_any!(Method, Scale, Correct, u64);

/// Settings with an inner form are stored as the API's JSON.
macro_rules! stored_as_json {
    ($($type:ty),*) => {
        $(impl Setting for $type {
            fn stored(&self) -> Option<Stored> {
                serde_json::to_string(self).ok().map(Stored::Text)
            }

            fn read(stored: Option<Stored>) -> Option<Self> {
                serde_json::from_str(&<String as Setting>::read(stored)?).ok()
            }
        })*
    };
}
stored_as_json!(bool, Scale, Correct, Vec<Dimension>, Vec<String>);

/// Enums are stored as the API's words for their variants.
macro_rules! stored_as_words {
    ($($enum:ty),*) => {
        $(impl Setting for $enum {
            fn stored(&self) -> Option<Stored> {
                serde_json::to_value(self).ok()?.as_str().map(|word| Stored::Text(word.to_owned()))
            }

            fn read(stored: Option<Stored>) -> Option<Self> {
                let word = <String as Setting>::read(stored)?;
                let word: serde::de::value::StrDeserializer<'_, WordError> = word.as_str().into_deserializer();
                Self::deserialize(word).ok()
            }
        })*
    };
}
stored_as_words!(Kind, Method, Identity, VoteChange, ResultsVisibility, OwnVote, Devices);

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::HashMap};

    use serde_json::json;

    use super::*;
    use crate::testing::{at, poll_asked_for};

    fn spec_of(body: serde_json::Value) -> PollSpec {
        poll_asked_for(body, at(0)).unwrap().rules.settings.spec
    }

    /// A poll with all that may be absent, set.
    fn spec() -> PollSpec {
        spec_of(
            json!({"question": "Q", "options": ["a", "b"], "kind": "multiple", "opens_at": at(8), "closes_at": at(9),
            "results": "owner"}),
        )
    }

    fn item_of(spec: &PollSpec) -> HashMap<&'static str, Stored> {
        spec.stored().filter_map(|(name, stored)| Some((name, stored?))).collect()
    }

    fn read(item: &HashMap<&'static str, Stored>) -> Result<PollSpec, UnreadableSetting> {
        PollSpec::read(|name| Ok::<_, UnreadableSetting>(item.get(name).cloned()))
    }

    #[test]
    fn settings_are_read_as_they_were_stored() {
        let item = item_of(&spec());
        assert_eq!(item["results"], Stored::Text("owner".to_owned()));
        assert_eq!(item["closes_at"], Stored::Number(at(9).as_millis()));
        assert_eq!(read(&item), Ok(spec()));
        assert!(!item_of(&spec_of(json!({"question": "Q", "options": ["a", "b"]}))).contains_key("opens_at"));
    }

    /// What every stored poll has. A later setting is none of these: the first polls don't have it.
    const ALWAYS: [&str; 7] =
        ["question", "kind", "max_choices", "identity", "vote_change", "results", "peak_votes_per_second"];

    #[test]
    fn a_setting_that_every_poll_has_is_named_where_it_is_missing_and_any_other_may_be() {
        for name in PollSpec::NAMES {
            let mut item = item_of(&spec());
            item.remove(name);
            match ALWAYS.contains(name) {
                true => assert_eq!(read(&item), Err(UnreadableSetting(name))),
                false => assert!(read(&item).is_ok(), "no poll from before there was {name} can be read"),
            }
        }
    }

    #[test]
    fn a_setting_of_another_type_is_named() {
        for (name, wrong) in [("max_choices", Stored::Number(256)), ("kind", Stored::Text("marked".to_owned()))] {
            let mut item = item_of(&spec());
            item.insert(name, wrong);
            assert_eq!(read(&item), Err(UnreadableSetting(name)));
        }
        let item = RefCell::new(Vec::new());
        assert_eq!(
            PollSpec::read(|name| Err::<_, UnreadableSetting>({
                item.borrow_mut().push(name);
                UnreadableSetting(name)
            })),
            Err(UnreadableSetting("question"))
        );
        assert_eq!(item.into_inner(), ["question"]);
    }

    /// Settings of which two are younger than stored polls.
    mod young {
        use serde::{Serializer, ser::SerializeMap};

        use super::*;

        poll_settings! {
            /// What is asked.
            question: String, sent as String, changes UntilOpen;
            labels;
            /// As old as all polls.
            kind: Kind, sent as Kind, changes Never;
            /// Younger, with a default of its type.
            vote_change: VoteChange, sent as VoteChange, changes UntilOpen, absent at VoteChange::default();
            /// Younger, with a default of its own.
            quorum: u32, sent as u64, changes WhileOpen, absent at 1_000;
        }

        fn spec(vote_change: VoteChange, quorum: u32) -> PollSpec {
            PollSpec { question: "Q".to_owned(), kind: Kind::Single, vote_change, quorum }
        }

        fn read(item: &[(&'static str, Stored)]) -> Result<PollSpec, UnreadableSetting> {
            PollSpec::read(|name| {
                Ok::<_, UnreadableSetting>(
                    item.iter().find(|(known, _)| *known == name).map(|(_, stored)| stored.clone()),
                )
            })
        }

        fn item_of(spec: &PollSpec) -> Vec<(&'static str, Stored)> {
            spec.stored().filter_map(|(name, stored)| Some((name, stored?))).collect()
        }

        /// The JSON that is hashed.
        fn hashed(spec: &PollSpec) -> String {
            struct Hashed<'a>(&'a PollSpec);
            impl Serialize for Hashed<'_> {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    let mut map = serializer.serialize_map(None)?;
                    self.0.write(&[], &mut map)?;
                    map.end()
                }
            }
            serde_json::to_string(&Hashed(spec)).unwrap()
        }

        #[test]
        fn at_its_default_it_is_neither_stored_nor_hashed_and_read_back() {
            let default = spec(VoteChange::Never, 1_000);
            let item = item_of(&default);
            assert_eq!(item.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["question", "kind"]);
            assert_eq!(read(&item), Ok(default.clone()));
            assert!(default.stored().map(|(name, _)| name).eq(PollSpec::NAMES.iter().copied()), "an edit removes it");
            assert_eq!(hashed(&default), r#"{"question":"Q","options":[],"kind":"single"}"#);
        }

        #[test]
        fn at_any_other_value_it_is_stored_and_hashed() {
            let set = spec(VoteChange::UntilClose, 0);
            assert_eq!(read(&item_of(&set)), Ok(set.clone()));
            let json = r#"{"question":"Q","options":[],"kind":"single","vote_change":"until_close","quorum":0}"#;
            assert_eq!(hashed(&set), json);
        }

        #[test]
        fn it_is_named_where_it_is_of_another_type() {
            let mut item = item_of(&spec(VoteChange::Never, 1_000));
            item.push(("quorum", Stored::Text("many".to_owned())));
            assert_eq!(read(&item), Err(UnreadableSetting("quorum")));
        }

        #[test]
        fn it_is_sent_shown_and_changed_as_any_other() {
            let (before, after) = (spec(VoteChange::Never, 1_000), spec(VoteChange::Never, 2_000));
            assert_eq!(before.differences(&after).collect::<Vec<_>>(), [Changeable::WhileOpen]);
            assert_eq!(serde_json::to_value(&before).unwrap()["quorum"], 1_000, "its readers see the default");
            let sent: SentSettings = serde_json::from_str(r#"{"quorum": 2000}"#).unwrap();
            assert!(!sent.clone().changes_what_never_does(&before.as_sent()));
            assert_eq!(sent.or(before.as_sent()).quorum, Some(2_000));
        }
    }
}
