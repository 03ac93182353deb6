//! Which settings a poll of its kind may have. Each check returns what is stored, or adds what is wrong to the errors.

use std::collections::HashSet;

use landslide_text::{likeness, normalise};

use super::{
    Devices, Dimension, Identity, Kind, Rules, Source,
    dimension::NAME_CHARS_MAX,
    spec::{Correct, SentSettings},
};
use crate::{
    ballot::{Choices, DIMENSIONS_MAX, LEVELS_MAX, OPTIONS_MAX, RANKS_MAX, RATING_MAX, Scale, VALUES_MAX},
    claims::ClaimName,
    country::Country,
    field_error::FieldError,
    lane::{LANE_VOTES_PER_SECOND, LANES_MAX},
    method::Method,
};

/// The fewest options in a poll.
pub const OPTIONS_MIN: usize = 2;
/// The most characters in a question.
pub const QUESTION_CHARS_MAX: usize = 500;
/// The most characters in a label.
pub const LABEL_CHARS_MAX: usize = 200;
/// The highest peak a poll may announce, in votes a second.
pub const PEAK_VOTES_PER_SECOND_MAX: u32 = 250_000;
/// The most origins that may frame a poll's page.
const EMBED_MAX: usize = 10;
/// The most viewers a poll may announce.
pub const VIEWERS_MAX: u64 = 1_000_000_000;
/// The most options that can win a ranked poll.
pub const SEATS_MAX: usize = 20;
/// The peak if none is announced, in votes a second.
pub const PEAK_VOTES_PER_SECOND_DEFAULT: u32 = 1_000;
/// The most cells of a poll: what its segments, its series and its ratings are counted in.
pub const CELLS_MAX: usize = 20_000;
/// The most characters in a dimension's value.
const VALUE_CHARS_MAX: usize = 50;
/// The most ballots that a row of a segment may be required to have.
const MIN_CELL_MAX: u8 = 100;
/// The scale of ratings if none is sent.
const SCALE_DEFAULT: Scale = Scale { min: 1, max: 5 };
/// The reason given for a label that people can't tell from another.
const REPEATED: &str = "repeats an earlier label, or looks like it";

type Errors = Vec<FieldError>;

fn error(errors: &mut Errors, pointer: &str, detail: impl std::fmt::Display) {
    errors.push(FieldError::new(pointer, detail));
}

/// The question as it will be stored; empty if it has an error.
pub(super) fn question(raw: &str, errors: &mut Errors) -> String {
    let question = normalise(raw, QUESTION_CHARS_MAX);
    question.map_err(|fault| error(errors, "/question", fault)).unwrap_or_default()
}

/// The labels as they will be stored; empty if any has an error, or looks like an earlier one.
pub(super) fn options(raw: &[String], errors: &mut Errors) -> Vec<String> {
    if !(OPTIONS_MIN..=OPTIONS_MAX).contains(&raw.len()) {
        error(errors, "/options", number_of_labels());
        return Vec::new();
    }
    labels(raw, "/options", LABEL_CHARS_MAX, errors)
}

fn number_of_labels() -> String {
    format!("must have {OPTIONS_MIN} to {OPTIONS_MAX} labels")
}

/// Whether a poll of this kind has labels or not. There are none where any has an error already.
pub(super) fn options_of_kind(kind: Kind, labels: &[String], errors: &mut Errors) {
    if kind == Kind::Text {
        if !labels.is_empty() {
            error(errors, "/options", "must be absent in a poll of kind text");
        }
    } else if labels.is_empty() && !errors.iter().any(|error| error.pointer.starts_with("/options")) {
        error(errors, "/options", number_of_labels());
    }
}

/// Texts that people can tell apart; none if any has an error.
fn labels(raw: &[String], pointer: &str, chars_max: usize, errors: &mut Errors) -> Vec<String> {
    let mut labels = Vec::with_capacity(raw.len());
    let faults_before = errors.len();
    let mut known = HashSet::new();
    for (place, raw_label) in raw.iter().enumerate() {
        match normalise(raw_label, chars_max) {
            Ok(label) if known.insert(likeness(&label)) => labels.push(label),
            Ok(_) => error(errors, &format!("{pointer}/{place}"), REPEATED),
            Err(fault) => error(errors, &format!("{pointer}/{place}"), fault),
        }
    }
    if errors.len() == faults_before { labels } else { Vec::new() }
}

/// Checks what depends on the kind, and on other settings. `sent` has valid texts; `options` is 0 where the options have
/// an error already.
pub(super) fn of_kind(sent: &SentSettings, kind: Kind, options: usize, errors: &mut Errors) -> OfKind {
    let max_choices = max_choices(kind, sent.max_choices, options, errors);
    let seats = seats(kind, sent.seats, options, errors);
    let correct = correct(kind, sent.correct.clone().flatten(), options, errors);
    let write_in = sent.write_in.unwrap_or_default();
    if write_in && (!kind.has_choices() || correct.is_some()) {
        error(errors, "/write_in", "must be false, or absent, unless the kind is single or multiple without `correct`");
    }
    OfKind {
        max_choices,
        min_choices: min_choices(kind, sent.min_choices, max_choices, errors),
        write_in,
        scale: scale(kind, sent.scale.flatten(), errors),
        correct,
        seats,
        method: method(kind, sent.method.flatten(), seats, errors),
    }
}

/// The settings that depend on the kind.
pub(super) struct OfKind {
    pub(super) max_choices: u8,
    pub(super) min_choices: u8,
    pub(super) write_in: bool,
    pub(super) scale: Option<Scale>,
    pub(super) correct: Option<Correct>,
    pub(super) seats: u8,
    pub(super) method: Option<Method>,
}

fn max_choices(kind: Kind, given: Option<u64>, options: usize, errors: &mut Errors) -> u8 {
    let max = match kind {
        Kind::Single | Kind::Rating | Kind::Text => 1,
        // The options already have an error.
        _ if options == 0 => return 1,
        Kind::Multiple => options.min(OPTIONS_MAX),
        Kind::Ranked => options.min(RANKS_MAX),
    };
    let given = given.unwrap_or(max as u64);
    match u8::try_from(given) {
        Ok(valid) if valid >= 1 && usize::from(valid) <= max => valid,
        _ => {
            let detail = match kind {
                Kind::Single | Kind::Rating | Kind::Text => {
                    format!("must be 1, or absent, in a poll of kind {}", kind.name())
                }
                Kind::Multiple => format!("must be from 1 to the number of options, {max}"),
                Kind::Ranked => format!("must be from 1 to the number of options, or {RANKS_MAX}; so to {max}"),
            };
            error(errors, "/max_choices", detail);
            1
        }
    }
}

fn min_choices(kind: Kind, given: Option<u64>, max_choices: u8, errors: &mut Errors) -> u8 {
    let max = if kind == Kind::Multiple { max_choices } else { 1 };
    match given.map_or(Ok(1), u8::try_from) {
        Ok(min) if (1..=max).contains(&min) => min,
        _ => {
            let detail = match kind {
                Kind::Multiple => format!("must be from 1 to max_choices, {max}"),
                _ => "must be 1, or absent, in a poll that is not of kind multiple".to_owned(),
            };
            error(errors, "/min_choices", detail);
            1
        }
    }
}

/// How many options win: fewer than there are.
fn seats(kind: Kind, given: Option<u64>, options: usize, errors: &mut Errors) -> u8 {
    let max = match kind {
        Kind::Ranked if options == 0 => SEATS_MAX,
        Kind::Ranked => (options - 1).min(SEATS_MAX),
        _ => 1,
    };
    match given.map_or(Ok(1), u8::try_from) {
        Ok(seats) if seats >= 1 && usize::from(seats) <= max => seats,
        _ => {
            let detail = match kind {
                Kind::Ranked => format!("must be from 1 to {SEATS_MAX}, and less than the number of options"),
                _ => "must be 1, or absent, in a poll that is not ranked".to_owned(),
            };
            error(errors, "/seats", detail);
            1
        }
    }
}

fn method(kind: Kind, given: Option<Method>, seats: u8, errors: &mut Errors) -> Option<Method> {
    let detail = match (kind, given) {
        (Kind::Ranked, Some(method)) if !method.fills(seats) => {
            format!("must be `stv` or `borda` where there are {seats} seats")
        }
        (Kind::Ranked, given) => return Some(given.unwrap_or(Method::default_for(seats))),
        (_, None) => return None,
        (_, Some(_)) => "must be absent in a poll that is not ranked".to_owned(),
    };
    error(errors, "/method", detail);
    None
}

fn scale(kind: Kind, given: Option<Scale>, errors: &mut Errors) -> Option<Scale> {
    if kind != Kind::Rating {
        if given.is_some() {
            error(errors, "/scale", "must be absent in a poll that is not of kind rating");
        }
        return None;
    }
    let Scale { min, max } = given.unwrap_or(SCALE_DEFAULT);
    let scale = Scale::new(min, max);
    if scale.is_none() {
        let detail = format!("must have 2 to {LEVELS_MAX} levels, from -{RATING_MAX} to {RATING_MAX}");
        error(errors, "/scale", detail);
    }
    scale
}

/// The right options, in the order of their ids: in a single poll one, in a multiple one any number.
fn correct(kind: Kind, given: Option<Correct>, options: usize, errors: &mut Errors) -> Option<Correct> {
    let ids = given?.0;
    if !kind.has_choices() {
        error(errors, "/correct", "must be absent unless the kind is single or multiple");
        return None;
    }
    let max = if kind == Kind::Single { 1 } else { OPTIONS_MAX };
    if options == 0 {
        return None;
    }
    match Choices::parse(&ids, options as u8, max as u8) {
        Ok(correct) => Some(Correct(correct.iter().map(u64::from).collect())),
        Err(fault) => {
            let pointer = fault.pointer.replacen("/choices", "/correct", 1);
            error(errors, &pointer, fault.detail.replace("the poll takes", "a quiz of this kind has"));
            None
        }
    }
}

/// The dimensions as they will be stored; none if any has an error.
pub(super) fn segments(raw: &[Dimension], errors: &mut Errors) -> Vec<Dimension> {
    if raw.len() > DIMENSIONS_MAX {
        error(errors, "/segments", format!("must have at most {DIMENSIONS_MAX} dimensions"));
        return Vec::new();
    }
    let (mut names, faults_before) = (HashSet::new(), errors.len());
    let mut dimensions = Vec::new();
    for (place, dimension) in raw.iter().enumerate() {
        let pointer = |field: &str| format!("/segments/{place}/{field}");
        if !Dimension::is_name(&dimension.name) {
            let detail = format!("must be 1 to {NAME_CHARS_MAX} of a-z, 0-9 and _, with a letter first");
            error(errors, &pointer("name"), detail);
        } else if !names.insert(&dimension.name) {
            error(errors, &pointer("name"), "repeats an earlier name");
        }
        claim(&dimension.from, &pointer("from"), errors);
        if !(2..=VALUES_MAX).contains(&dimension.values.len()) {
            error(errors, &pointer("values"), format!("must have 2 to {VALUES_MAX} values"));
            continue;
        }
        let values = labels(&dimension.values, &pointer("values"), VALUE_CHARS_MAX, errors);
        if dimension.from == Source::Country {
            countries(&values, &pointer("values"), errors);
        }
        dimensions.push(Dimension { values, ..dimension.clone() });
    }
    if errors.len() == faults_before { dimensions } else { Vec::new() }
}

/// What is empty has an error already.
fn countries(values: &[String], pointer: &str, errors: &mut Errors) {
    for (place, value) in values.iter().enumerate() {
        if !value.is_empty() && Country::parse(value).is_none() {
            error(errors, &format!("{pointer}/{place}"), "must be a country's code of two capital letters");
        }
    }
}

fn claim(from: &Source, pointer: &str, errors: &mut Errors) {
    let Source::Claim(name) = from else { return };
    if let Err(bad) = ClaimName::parse(name) {
        error(errors, pointer, bad.to_string());
    }
}

pub(super) fn min_cell(given: Option<u64>, default: u8, errors: &mut Errors) -> u8 {
    match given.map_or(Ok(default), u8::try_from) {
        Ok(min_cell) if (1..=MIN_CELL_MAX).contains(&min_cell) => min_cell,
        _ => {
            error(errors, "/min_cell", format!("must be from 1 to {MIN_CELL_MAX}"));
            default
        }
    }
}

/// The peak; an error if the most lanes can't count it.
pub(super) fn peak(given: Option<u64>, weight: u32, errors: &mut Errors) -> u32 {
    let peak = given.map_or(PEAK_VOTES_PER_SECOND_DEFAULT, |given| u32::try_from(given).unwrap_or(u32::MAX));
    let max = PEAK_VOTES_PER_SECOND_MAX.min(u32::from(LANES_MAX) * LANE_VOTES_PER_SECOND / weight);
    if !(1..=max).contains(&peak) {
        let why = if weight == 1 { "" } else { ", as each of its votes is more work than a plain one" };
        error(errors, "/peak_votes_per_second", format!("must be from 1 to {max}{why}"));
    }
    peak
}

pub(super) fn viewers(given: Option<u64>, errors: &mut Errors) -> Option<u64> {
    if given.is_some_and(|viewers| !(1..=VIEWERS_MAX).contains(&viewers)) {
        error(errors, "/viewers", format!("must be from 1 to {VIEWERS_MAX}, or null"));
    }
    given
}

/// Accounts stay signed in at their provider, so a browser that many share would vote for the first one.
pub(super) fn devices(given: Option<Devices>, identity: Identity, errors: &mut Errors) -> Devices {
    let devices = given.unwrap_or_default();
    if devices == Devices::Shared && identity == Identity::Account {
        error(errors, "/devices", "must be \"own\" in a poll whose identity is \"account\"");
    }
    devices
}

pub(super) fn embed(given: Vec<String>, errors: &mut Errors) -> Vec<String> {
    if given.len() > EMBED_MAX {
        error(errors, "/embed", format!("must have at most {EMBED_MAX} entries"));
    }
    for (index, origin) in given.iter().enumerate() {
        if !is_origin(origin) {
            let wrong =
                "must be an origin as browsers write it: https://, a host in lower case, and a port if it is not 443";
            error(errors, &format!("/embed/{index}"), wrong);
        } else if given.iter().take(index).any(|earlier| earlier == origin) {
            error(errors, &format!("/embed/{index}"), "repeats an earlier origin");
        }
    }
    given
}

/// Whether it is an origin by https, or of this machine. It goes into a header, so nothing else may be in it.
fn is_origin(text: &str) -> bool {
    let (is_local_scheme, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return false,
    };
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        let is_plain = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        is_plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_host = host.len() <= 253 && host.split('.').all(is_label);
    let is_port =
        port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port && number != 443));
    is_host && is_port && (!is_local_scheme || ["localhost", "127.0.0.1"].contains(&host))
}

/// Fails if the poll is counted in too many cells.
pub(super) fn must_have_few_cells(rules: &Rules) -> Result<(), FieldError> {
    let settings = &rules.settings;
    let slots = settings.slot_width.map_or(0, |width| width.slots(settings.declared_millis()));
    let cells = settings.spec.cells(usize::from(rules.options), usize::from(slots));
    if cells <= CELLS_MAX {
        return Ok(());
    }
    let pointer = if settings.spec.segments.is_empty() { "/series" } else { "/segments" };
    let detail = format!(
        "makes {cells} cells: the values of all dimensions and the {slots} slots of the series, times what is counted in \
         each. A poll has at most {CELLS_MAX}"
    );
    Err(FieldError::new(pointer, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::PollSpec;
    use crate::testing::{at, poll_asked_for};
    use serde_json::{Value, json};

    fn asked(settings: Value) -> Result<PollSpec, String> {
        let mut body = json!({"question": "Q", "options": ["a", "b", "c"]});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        if settings["kind"] == "text" && settings.get("options").is_none() {
            body.as_object_mut().unwrap().remove("options");
        }
        Ok(poll_asked_for(body, at(0))?.rules.settings.spec)
    }

    fn dimension(name: &str, values: usize, from: &str) -> Value {
        json!({"name": name, "values": (0..values).map(|n| format!("v{n}")).collect::<Vec<_>>(), "from": from})
    }

    #[test]
    fn settings_of_a_kind_are_refused_elsewhere_with_their_pointer() {
        for (settings, pointer) in [
            (json!({"min_choices": 2}), "/min_choices"),
            (json!({"kind": "multiple", "max_choices": 2, "min_choices": 3}), "/min_choices"),
            (json!({"kind": "ranked", "min_choices": 2}), "/min_choices"),
            (json!({"kind": "ranked", "write_in": true}), "/write_in"),
            (json!({"write_in": true, "correct": [1]}), "/write_in"),
            (json!({"scale": {"min": 0, "max": 5}}), "/scale"),
            (json!({"kind": "rating", "scale": {"min": 3, "max": 3}}), "/scale"),
            (json!({"kind": "rating", "scale": {"min": 0, "max": 11}}), "/scale"),
            (json!({"kind": "rating", "max_choices": 2}), "/max_choices"),
            (json!({"kind": "rating", "correct": [1]}), "/correct"),
            (json!({"correct": [0, 1]}), "/correct"),
            (json!({"correct": [3]}), "/correct/0"),
            (json!({"correct": []}), "/correct"),
            (json!({"kind": "multiple", "correct": [1, 1]}), "/correct/1"),
            (json!({"kind": "text", "options": ["a", "b"]}), "/options"),
            (json!({"kind": "text", "seats": 2}), "/seats"),
            (json!({"kind": "rating", "method": "irv"}), "/method"),
            (json!({"min_cell": 0}), "/min_cell"),
            (json!({"min_cell": 101}), "/min_cell"),
            (json!({"viewers": 0}), "/viewers"),
            (json!({"viewers": 1_000_000_001}), "/viewers"),
            (json!({"devices": "shared", "identity": "account"}), "/devices"),
            (json!({"embed": vec!["https://a.example"; 2]}), "/embed/1"),
            (json!({"embed": (0..11).map(|n| format!("https://{n}.example")).collect::<Vec<_>>()}), "/embed"),
        ] {
            let error = asked(settings.clone()).unwrap_err();
            assert!(error.contains(&format!("{pointer:?}")), "{settings}: {error}");
        }
    }

    #[test]
    fn who_may_frame_the_page_is_an_origin_as_browsers_write_it() {
        for (origin, is_one) in [
            ("https://news.example", true),
            ("https://xn--bcher-kva.example:8443", true),
            ("http://localhost:3000", true),
            ("http://127.0.0.1", true),
            ("http://news.example", false),
            ("https://news.example/", false),
            ("https://news.example:443", false),
            ("https://news.example:", false),
            ("https://news.example:08443", false),
            ("https://News.example", false),
            ("https://*.example", false),
            ("https://news..example", false),
            ("https://-.example", false),
            ("https://me@news.example", false),
            ("https://a.example; script-src *", false),
            ("https://a.example\r\nx: y", false),
            ("https://bücher.example", false),
            ("'self'", false),
            ("https://", false),
            ("*", false),
        ] {
            assert_eq!(asked(json!({"embed": [origin]})).is_ok(), is_one, "{origin}");
        }
    }

    #[test]
    fn each_kind_has_its_settings() {
        let rating = asked(json!({"kind": "rating"})).unwrap();
        assert_eq!((rating.scale, rating.max_choices), (Scale::new(1, 5), 1));
        let quiz = asked(json!({"kind": "multiple", "correct": [2, 0]})).unwrap();
        assert_eq!(quiz.correct, Some(Correct(vec![0, 2])));
        let chosen = asked(json!({"kind": "multiple", "min_choices": 2, "write_in": true})).unwrap();
        assert_eq!((chosen.min_choices, chosen.max_choices, chosen.write_in), (2, 3, true));
        assert_eq!(asked(json!({"kind": "text"})).unwrap().max_choices, 1);
    }

    #[test]
    fn dimensions_have_names_values_and_a_source_that_tells_nobodys_name() {
        let region = dimension("region", 2, "vote");
        for (segments, pointer) in [
            (json!([region, region]), "/segments/1/name"),
            (json!([dimension("Region", 2, "vote")]), "/segments/0/name"),
            (json!([dimension("", 2, "vote")]), "/segments/0/name"),
            (json!([dimension(&"r".repeat(33), 2, "vote")]), "/segments/0/name"),
            (json!([dimension("region", 1, "vote")]), "/segments/0/values"),
            (json!([dimension("region", 101, "vote")]), "/segments/0/values"),
            (json!([{"name": "region", "values": ["a", " a"], "from": "vote"}]), "/segments/0/values/1"),
            (json!([{"name": "region", "values": ["a", "\u{200b}"], "from": "vote"}]), "/segments/0/values/1"),
            (json!([dimension("region", 2, "claim:email")]), "/segments/0/from"),
            (json!([dimension("region", 2, "claim:birthdate")]), "/segments/0/from"),
            (json!([dimension("region", 2, "claim:")]), "/segments/0/from"),
            (json!([dimension("region", 2, "country")]), "/segments/0/values/0"),
            (json!([{"name": "from", "values": ["NL", "be"], "from": "country"}]), "/segments/0/values/1"),
            (json!([{"name": "from", "values": ["NL", "BEL"], "from": "country"}]), "/segments/0/values/1"),
            (json!([{"name": "from", "values": ["NL", "NL"], "from": "country"}]), "/segments/0/values/1"),
            (json!([dimension("region", 2, "claim:/address/region")]), "/segments/0/from"),
            (json!((0..5).map(|n| dimension(&format!("d{n}"), 2, "vote")).collect::<Vec<_>>()), "/segments"),
        ] {
            let error = asked(json!({"segments": segments.clone()})).unwrap_err();
            assert!(error.contains(&format!("{pointer:?}")), "{segments}: {error}");
        }
        let whole = json!([
            dimension("region", 100, "vote"),
            dimension("age", 2, "claim:age_group"),
            {"name": "from", "values": ["NL", "BE"], "from": "country"},
        ]);
        assert_eq!(serde_json::to_value(asked(json!({"segments": whole})).unwrap().segments).unwrap(), whole);
    }

    #[test]
    fn a_poll_is_counted_in_at_most_twenty_thousand_cells() {
        let options = |count: usize| (0..count).map(|n| format!("o{n}")).collect::<Vec<_>>();
        let dimensions = |count| (0..count).map(|n| dimension(&format!("d{n}"), 99, "vote")).collect::<Vec<_>>();
        assert!(
            asked(json!({"options": options(49), "segments": dimensions(4)})).is_ok(),
            "100 rows of 50 columns, 4 times"
        );
        let error = asked(json!({"options": options(50), "segments": dimensions(4)})).unwrap_err();
        assert!(error.contains("/segments") && error.contains("20400 cells"), "{error}");
        assert!(asked(json!({"options": options(12), "series": true})).is_ok(), "1,500 slots of 13 columns");
        let error = asked(json!({"options": options(13), "series": true})).unwrap_err();
        assert!(error.contains("/series") && error.contains("21000 cells"), "{error}");
        let hour = json!({"options": options(100), "series": true, "closes_at": at(3_600)});
        assert!(asked(hour).is_ok(), "60 slots of 101 columns");
        let ratings = json!({"kind": "rating", "options": options(100), "scale": {"min": 0, "max": 10}});
        assert!(asked(ratings.clone()).is_ok(), "1,100 levels");
        let mut broken_down = ratings;
        broken_down["segments"] = json!(dimensions(1));
        assert!(asked(broken_down).is_err());
    }

    #[test]
    fn the_highest_peak_is_what_the_lanes_can_count_of_such_votes() {
        for (settings, max) in [
            (json!({}), 250_000),
            (json!({"kind": "ranked"}), 128_000),
            (json!({"kind": "rating"}), 128_000),
            (json!({"series": true, "closes_at": at(60)}), 128_000),
            (json!({"correct": [1]}), 128_000),
            (json!({"write_in": true}), 64_000),
            (json!({"kind": "text"}), 32_000),
        ] {
            let peak = |peak: u32| {
                let mut settings = settings.clone();
                settings["peak_votes_per_second"] = json!(peak);
                asked(settings)
            };
            assert!(peak(max).is_ok() && peak(max + 1).is_err(), "{settings} {max}");
        }
    }
}
