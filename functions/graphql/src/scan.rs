//! Looks over a query's text before it is parsed: how many tokens it has, and how deep its brackets go. The parser works on
//! brackets by recursion, and takes some microseconds a token.

/// What a text has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Names, numbers, texts, comments and punctuators.
    pub tokens: u64,
    /// How many brackets are open at once, of any kind.
    pub nesting: u64,
}

/// Scans a text. Fails, with the reason, if a block of text has no end: readers differ in what follows then. And if an escape
/// is half of a surrogate pair: the parser panics at it. What is no GraphQL otherwise has figures too, and is left to the
/// parser.
pub fn scan(text: &str) -> Result<Scanned, &'static str> {
    let mut scanned = Scanned::default();
    let (mut rest, mut open) = (text.as_bytes(), 0_u64);
    while let Some((&first, after)) = rest.split_first() {
        if first.is_ascii_whitespace() || first == b',' {
            rest = after;
            continue;
        }
        scanned.tokens += 1;
        match first {
            b'{' | b'[' | b'(' => open += 1,
            b'}' | b']' | b')' => open = open.saturating_sub(1),
            _ => {}
        }
        scanned.nesting = scanned.nesting.max(open);
        rest = match first {
            b'#' => without_first(after, |byte| !matches!(byte, b'\n' | b'\r')),
            b'"' => after_text(after)?,
            byte if is_of_word(byte) => without_first(after, is_of_word),
            _ => after,
        };
    }
    Ok(scanned)
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Without the bytes at the start that are so.
fn without_first(bytes: &[u8], is_so: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|byte| !is_so(*byte)).unwrap_or(bytes.len());
    bytes.split_at(end).1
}

/// What follows a text whose first quote is read. A text in one line ends with it at the latest.
fn after_text(rest: &[u8]) -> Result<&[u8], &'static str> {
    if let Some(block) = rest.strip_prefix(b"\"\"") {
        return after_block(block);
    }
    let mut line = rest;
    loop {
        line = match line {
            [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..] => {
                return Err("A text has an escape of a surrogate. Write the character itself.");
            }
            [b'\\', _, after @ ..] => after,
            [b'"', after @ ..] => return Ok(after),
            [] | [b'\n' | b'\r', ..] => return Ok(line),
            [_, after @ ..] => after,
        }
    }
}

fn after_block(mut block: &[u8]) -> Result<&[u8], &'static str> {
    loop {
        block = match block {
            [b'\\', b'"', b'"', b'"', after @ ..] => after,
            [b'"', b'"', b'"', after @ ..] => return Ok(after),
            [_, after @ ..] => after,
            [] => return Err("A block of text has no end."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(text: &str) -> (u64, u64) {
        let scanned = scan(text).unwrap();
        (scanned.tokens, scanned.nesting)
    }

    #[test]
    fn brackets_in_texts_and_comments_are_none() {
        for (text, found) in [
            ("", (0, 0)),
            ("{ a(b: [1, 2]) }", (11, 3)),
            ("{ a } { b }", (6, 1)),
            ("# {{{\n{ a }", (4, 1)),
            ("\"{{{\" {", (2, 1)),
            ("\"\\\"{{\" {", (2, 1)),
            ("\"\"\" \" {{ \\\"\"\" {{ \"\"\" {", (2, 1)),
            ("\"\" {", (2, 1)),
            ("\"{\n{", (2, 1)),
            ("}}}{", (4, 1)),
        ] {
            assert_eq!(scanned(text), found, "{text}");
        }
    }

    #[test]
    fn a_block_without_an_end_is_not_scanned() {
        for text in ["{ a(b: [\"\"\" [ \" [[[[", "{ a(b: \"\"\" \\\"\"\") }"] {
            assert_eq!(scan(text), Err("A block of text has no end."), "{text}");
        }
    }

    #[test]
    fn an_escape_of_a_surrogate_is_not_scanned() {
        for text in ["\"\\uD800\"", "\"a \\udfff", "\"\\uDaBc\\uDc00\""] {
            assert!(scan(text).is_err(), "{text}");
        }
        for text in ["\"\\uD7ff\"", "\"\\ue000\"", "\"\\\\uD800\"", "\"\"\" \\uD800 \"\"\"", "# \\uD800"] {
            assert_eq!(scan(text).map(|scanned| scanned.tokens), Ok(1), "{text}");
        }
    }
}
