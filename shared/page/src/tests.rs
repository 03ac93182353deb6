//! What holds of every page in every state.

use std::collections::BTreeSet;

use crate::{
    ErrorPage, Language, Trouble,
    messages::Messages,
    testing::{OwnText, State, states},
    words::Words,
};

/// The most bytes of a page with ten options of forty characters.
const PAGE_BYTES_MAX: usize = 14 * 1024;
/// The most bytes of a page beside the poll's own text.
const OWN_BYTES_MAX: usize = 10 * 1024;

/// Tags as they are written, with the text before each.
fn tokens(html: &str) -> Vec<(&str, &str)> {
    let mut tokens = Vec::new();
    let mut rest = html;
    while let Some((text, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').unwrap();
        tokens.push((text, tag));
        rest = after;
        // The texts of styles and scripts are no HTML.
        for raw in ["style", "script"].into_iter().filter(|raw| tag == *raw) {
            rest = &rest[rest.find(&format!("</{raw}>")).unwrap()..];
        }
    }
    assert_eq!(rest.trim(), "");
    tokens
}

/// A tag's attributes by their names.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"').unwrap();
        found.push((before.rsplit(' ').next().unwrap(), value));
        rest = after;
    }
    found
}

/// All pages in a language, by their names.
fn pages(text: &OwnText, words: &Words) -> Vec<(String, String)> {
    let polls = states(text).into_iter().map(|state| (state.name.to_owned(), state.render_with(words)));
    let errors = Trouble::ALL.into_iter().map(|trouble| {
        let page = ErrorPage { trouble, language: words.language, poll: Some("p1") };
        (format!("{trouble:?}"), page.render_with(words))
    });
    polls.chain(errors).collect()
}

/// What is left of a text without what stands between the brackets of the changed messages.
fn outside_of_messages(text: &str) -> String {
    let mut outside = String::new();
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '⟦' => depth += 1,
            '⟧' => depth -= 1,
            c if depth == 0 => outside.push(c),
            _ => {}
        }
        assert!((0..=1).contains(&depth), "{text}");
    }
    outside
}

#[test]
fn a_person_sees_nothing_but_messages_numbers_and_the_polls_own_text() {
    let english = Messages::of(Language::En);
    // Around each place too, as what stands in it is no message.
    let marked = english.changed(|text| format!("⟦{}⟧", text.replace('{', "⟧{").replace('}', "}⟦")));
    for (name, html) in pages(&OwnText::default(), &Words::with(Language::En, marked)) {
        let mut own = 0;
        let mut open: Vec<&str> = Vec::new();
        let mut before = "";
        for (text, tag) in tokens(&html) {
            let is_own = own > 0 || open.last().is_some_and(|tag| ["title", "time", "a"].contains(tag));
            let is_own = is_own || before.starts_with("option") && before.contains("dir=\"auto\"");
            before = tag;
            let outside = outside_of_messages(text).replace("&nbsp;", "");
            let is_number = |c: char| c.is_ascii_digit() || " .,:·–-+()".contains(c);
            assert!(is_own || outside.chars().all(is_number), "{name}: {text:?} before <{tag}>");
            let element = tag.split(' ').next().unwrap();
            match element {
                "bdi" => own += 1,
                "/bdi" => own -= 1,
                "title" | "time" => open.push(element),
                // The names of languages, each in itself.
                "a" if tag.contains("lang=\"") => open.push("a"),
                "/title" | "/time" | "/a" => drop(open.pop()),
                _ => {}
            }
            for (attribute, value) in attributes(tag) {
                if ["aria-label", "data-sending", "data-trying", "data-in", "data-over", "alt", "placeholder"]
                    .contains(&attribute)
                {
                    let outside = outside_of_messages(&value.replace("{time}", ""));
                    assert_eq!(outside, "", "{name}: {attribute}={value:?}");
                }
            }
        }
    }
}

#[test]
fn each_message_is_on_some_page() {
    let english = Messages::of(Language::En);
    let all: String = pages(&OwnText::default(), &Words::of(Language::En)).into_iter().map(|(_, html)| html).collect();
    let all = all.replace("&quot;", "\"");
    let mut unseen = BTreeSet::new();
    for (name, text) in english.texts() {
        let parts: Vec<&str> =
            text.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
        if !parts.iter().all(|part| all.contains(part)) {
            unseen.insert(name);
        }
    }
    for (name, forms) in english.plurals() {
        let is_seen = |form: &str| form.split("{n}").all(|part| all.contains(part));
        if !forms.iter().any(|(_, form)| is_seen(form)) {
            unseen.insert(name);
        }
    }
    // Of a poll with very many options.
    assert_eq!(unseen, BTreeSet::from(["more_options"]));
}

#[test]
fn no_page_has_inline_style_or_code_or_what_another_origin_serves() {
    for language in [Language::En, Language::Ar] {
        for (name, html) in pages(&OwnText::default(), &Words::of(language)) {
            let tokens = tokens(&html);
            for (_, tag) in &tokens {
                for (attribute, value) in attributes(tag) {
                    let is_code =
                        attribute == "style" || attribute.starts_with("on") || value.starts_with("javascript:");
                    assert!(!is_code, "{name}: <{tag}>");
                    let is_loaded = ["src", "href", "action", "srcset"].contains(&attribute);
                    assert!(!is_loaded || !value.contains("//"), "{name}: <{tag}>");
                }
            }
            let count = |element: &str| tokens.iter().filter(|(_, tag)| *tag == element).count();
            assert_eq!((count("style"), count("script")), (1, 1), "{name}");
        }
    }
}

#[test]
fn hostile_text_changes_no_tag_anywhere() {
    let shape = |html: &str| -> Vec<String> {
        let names =
            |tag: &str| attributes(tag).into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>().join(" ");
        tokens(html).into_iter().map(|(_, tag)| format!("{} {}", tag.split(' ').next().unwrap(), names(tag))).collect()
    };
    let hostile = |n: usize| format!("{n}\"'><img src=x onerror=alert(1)><script>alert(1)</script>&lt;&amp;{{time}}");
    let text =
        OwnText { question: hostile(0), options: (1..4).map(hostile).collect(), answer: hostile(4)[..49].to_owned() };
    let words = Words::of(Language::He);
    for ((name, harmless), (_, hostile)) in pages(&OwnText::default(), &words).into_iter().zip(pages(&text, &words)) {
        assert_eq!(shape(&hostile), shape(&harmless), "{name}");
        assert!(!hostile.contains("<img") && !hostile.contains("<script>alert"), "{name}");
    }
}

/// A text of this many characters.
fn long(word: &str, number: usize, characters: usize) -> String {
    format!("{number} {word}").chars().cycle().take(characters).collect::<String>().trim().to_owned()
}

fn ten_options(word: &str) -> OwnText {
    let options = (0..10).map(|number| long(word, number, 40)).collect();
    OwnText { question: long(word, 10, 100), options, answer: long(word, 11, 40) }
}

/// The bytes of a page, and those of the poll's own text in it.
fn sizes(state: &State, text: &OwnText, language: Language) -> (usize, usize) {
    let html = state.render(language);
    let own = [&text.question, &text.answer].into_iter().chain(&text.options);
    let bytes = own.map(|own| html.matches(own.as_str()).count() * own.len()).sum();
    (html.len(), bytes)
}

#[test]
fn a_page_with_ten_options_has_at_most_fourteen_kilobytes_in_any_state() {
    for (language, word) in
        [(Language::En, "margherita"), (Language::Ar, "بيتزا مارغريتا"), (Language::Ja, "マルゲリータ")]
    {
        let text = ten_options(word);
        for state in states(&text) {
            let (bytes, own) = sizes(&state, &text, language);
            assert!(bytes <= PAGE_BYTES_MAX, "{} in {}: {bytes} bytes, {own} of them own", state.name, language.tag());
        }
    }
}

#[test]
fn beside_ten_options_a_page_has_at_most_ten_kilobytes_in_any_language() {
    let text = ten_options("margherita");
    for language in Language::ALL {
        for state in states(&text) {
            let (bytes, own) = sizes(&state, &text, language);
            assert!(bytes - own <= OWN_BYTES_MAX, "{} in {}: {} bytes", state.name, language.tag(), bytes - own);
        }
    }
}

#[test]
fn a_page_says_its_language_and_direction() {
    for language in Language::ALL {
        let html = states(&OwnText::default())[1].render(language);
        let direction = if [Language::Ar, Language::He].contains(&language) { "rtl" } else { "ltr" };
        let start = format!("<!DOCTYPE html><html lang=\"{}\" dir=\"{direction}\">", language.tag());
        assert!(html.starts_with(&start), "{start}");
    }
}

#[test]
fn an_id_is_there_once_on_each_page() {
    for (name, html) in pages(&OwnText::default(), &Words::of(Language::En)) {
        let mut ids = BTreeSet::new();
        for (_, tag) in tokens(&html) {
            let id = attributes(tag).into_iter().find(|(name, _)| *name == "id");
            assert!(id.is_none_or(|(_, id)| ids.insert(id)), "{name}: <{tag}>");
        }
    }
}
