//! Reads JSON bodies, and explains errors in JSON's own words. An error names the place and repeats nothing else of the
//! body.

use landslide_domain::field_error::FieldError;
use serde::de::DeserializeOwned;

use super::Error;

/// The text without the byte order mark that some editors write at the start. RFC 8259, section 8.1, allows readers to
/// skip it.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Parses a JSON object.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    // serde would accept an array for a struct, field by field.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Error::invalid("The body must be a JSON object."));
    }
    let mut input = serde_json::Deserializer::from_str(text);
    let body = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let parent = pointer(error.path());
        let error = error.into_inner();
        let said = error.to_string();
        match field_of_its_parent(&said) {
            Some((name, fault)) => Error::invalid_fields(vec![FieldError::new(format!("{parent}/{name}"), fault)]),
            None if parent.is_empty() => Error::invalid(format!("The body can't be read: {}.", in_plain_words(&error))),
            None => Error::invalid_fields(vec![FieldError::new(parent, in_plain_words(&error))]),
        }
    })?;
    input.end().map_err(|_| Error::invalid("The body can't be read: there is more after the JSON value."))?;
    Ok(body)
}

/// The field that is missing or duplicate, and which of the two. serde reports it at the object around it.
fn field_of_its_parent(said: &str) -> Option<(&str, &'static str)> {
    let faults = [("missing field `", "is missing"), ("duplicate field `", "is there twice")];
    faults.into_iter().find_map(|(start, fault)| {
        let (name, _) = said.strip_prefix(start)?.split_once('`')?;
        Some((name, fault))
    })
}

/// The JSON pointer (RFC 6901) for a path. Empty for the whole body.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// What is wrong, without the wrong value; and the place in the text, if it is not JSON at all.
fn in_plain_words(error: &serde_json::Error) -> String {
    let said = error.to_string();
    if !error.is_data() {
        return said;
    }
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    // The input is quoted before "expected"; the words after it are ours.
    let expected = said.rsplit_once(", expected ").map(|(_, expected)| expected);
    match (said.split_once(' '), expected) {
        (Some(("unknown", rest)), Some(expected)) if rest.starts_with("field") => {
            format!("is unknown: expected {expected}")
        }
        (Some(("unknown", rest)), None) if rest.starts_with("field") => "is unknown: no field is expected".to_owned(),
        (Some(("unknown" | "invalid", _)), Some(expected)) => format!("must be {}", in_words_of_json(expected)),
        _ => said.to_owned(),
    }
}

/// What serde expects, in JSON's words instead of Rust's types.
fn in_words_of_json(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" => "a whole number from -128 to 127",
        "i64" => "a whole number",
        "a boolean" => "true or false",
        "a map" => "an object",
        "a string" => "text",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}
