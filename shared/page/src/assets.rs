//! The constant texts within a page, its style and its scripts, and the content security policy that allows them alone.

use std::{collections::BTreeSet, sync::LazyLock};

use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// What a page loads besides what all load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Nothing.
    None,
    /// What a ballot needs.
    Ballot,
    /// What a ballot of places needs.
    Ranking,
    /// What results need.
    Results,
    /// What results on a wall need.
    Stage,
}

struct Assets {
    styles: Texts,
    scripts: Texts,
    /// `style-src` and `script-src`.
    sources: String,
}

/// A text for each part.
struct Texts {
    base: String,
    ballot: String,
    ranking: String,
    results: String,
    stage: String,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let style = |parts: &[&str]| parts.iter().map(|part| squeezed(part)).collect();
    let script = |parts: &[&str]| format!("{{\n{}}}", parts.iter().map(|part| trimmed(part)).collect::<String>());
    let (base_style, ballot_style) = (include_str!("assets/base.css"), include_str!("assets/ballot.css"));
    let (results_style, results_script) = (include_str!("assets/results.css"), include_str!("assets/results.js"));
    let (base_script, ballot_script) = (include_str!("assets/base.js"), include_str!("assets/ballot.js"));
    let styles = Texts {
        base: style(&[base_style]),
        ballot: style(&[base_style, ballot_style]),
        ranking: style(&[base_style, ballot_style]),
        results: style(&[base_style, results_style]),
        stage: style(&[base_style, results_style, include_str!("assets/stage.css")]),
    };
    let scripts = Texts {
        base: script(&[base_script]),
        ballot: script(&[base_script, ballot_script]),
        ranking: script(&[base_script, ballot_script, include_str!("assets/ranking.js")]),
        results: script(&[base_script, results_script]),
        stage: script(&[base_script, results_script]),
    };
    let sources = format!("style-src {}; script-src {}", styles.hashes(), scripts.hashes());
    Assets { styles, scripts, sources }
});

impl Texts {
    fn of(&self, part: Part) -> &str {
        match part {
            Part::None => &self.base,
            Part::Ballot => &self.ballot,
            Part::Ranking => &self.ranking,
            Part::Results => &self.results,
            Part::Stage => &self.stage,
        }
    }

    /// Their hashes as sources of a policy (Content Security Policy Level 3, section 2.3.1).
    fn hashes(&self) -> String {
        let hash = |text: &&String| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
        let texts = BTreeSet::from([&self.base, &self.ballot, &self.ranking, &self.results, &self.stage]);
        texts.iter().map(hash).collect::<Vec<_>>().join(" ")
    }
}

/// Lines without indentation and comments.
fn trimmed(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// One line, without the white space that a style does not need.
fn squeezed(style: &str) -> String {
    let joined: String = style.lines().map(str::trim).collect();
    [(": ", ":"), (", ", ","), (" { ", "{"), (" {", "{"), ("{ ", "{"), ("; ", ";"), (" }", "}"), (";}", "}")]
        .into_iter()
        .fold(joined, |text, (from, to)| text.replace(from, to))
}

/// The style element.
pub(crate) fn style(part: Part) -> Markup {
    html! { style { (PreEscaped(ASSETS.styles.of(part))) } }
}

/// The script element.
pub(crate) fn script(part: Part) -> Markup {
    html! { script { (PreEscaped(ASSETS.scripts.of(part))) } }
}

/// The content security policy of every page. The page may be framed by these origins, and by none if there are none.
pub fn csp(embedding_origins: &[&str]) -> String {
    let ancestors = if embedding_origins.is_empty() { "'none'".to_owned() } else { embedding_origins.join(" ") };
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'self'; img-src 'self' data:; connect-src 'self'; {}; \
         frame-ancestors {ancestors}",
        ASSETS.sources
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_hash_of_each_style_and_script_and_nothing_inline() {
        let policy = csp(&[]);
        for part in [Part::None, Part::Ballot, Part::Ranking, Part::Results, Part::Stage] {
            for (element, name) in [(style(part), "style"), (script(part), "script")] {
                let element = element.into_string();
                let text = element.strip_prefix(&format!("<{name}>")).unwrap();
                let text = text.strip_suffix(&format!("</{name}>")).unwrap();
                let hash = BASE64_STANDARD.encode(Sha256::digest(text));
                let directive =
                    policy.split("; ").find(|directive| directive.starts_with(&format!("{name}-src"))).unwrap();
                assert!(directive.contains(&format!("'sha256-{hash}'")), "{name} {part:?}");
            }
        }
        assert!(!policy.contains("unsafe") && !policy.contains("https:") && !policy.contains('*'), "{policy}");
    }

    #[test]
    fn nobody_frames_a_page_unless_the_poll_lists_them() {
        assert!(csp(&[]).ends_with("; frame-ancestors 'none'"));
        let listed = csp(&["https://a.example", "https://b.example"]);
        assert!(listed.ends_with("; frame-ancestors https://a.example https://b.example"));
    }

    #[test]
    fn constant_texts_end_no_element_and_keep_what_they_mean() {
        for text in [&ASSETS.styles, &ASSETS.scripts]
            .into_iter()
            .flat_map(|it| [&it.base, &it.ballot, &it.ranking, &it.results, &it.stage])
        {
            assert!(!text.contains("</") && !text.contains("<!--"));
        }
        assert_eq!(
            squeezed("a:b {\n  c: d, e;\n  f: g\n}\n@media (x: y) {\n h { i: j }\n}\n"),
            "a:b{c:d,e;f:g}@media (x:y){h{i:j}}"
        );
        assert_eq!(trimmed("  a;\n\n  // b\n  c;\n"), "a;\nc;\n");
    }
}
