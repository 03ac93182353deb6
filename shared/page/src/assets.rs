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

impl Part {
    const ALL: [Self; 5] = [Self::None, Self::Ballot, Self::Ranking, Self::Results, Self::Stage];

    fn styles(self) -> &'static [&'static str] {
        match self {
            Part::None => &[BASE_STYLE],
            Part::Ballot | Part::Ranking => &[BASE_STYLE, BALLOT_STYLE],
            Part::Results => &[BASE_STYLE, RESULTS_STYLE],
            Part::Stage => &[BASE_STYLE, RESULTS_STYLE, STAGE_STYLE],
        }
    }

    fn scripts(self) -> &'static [&'static str] {
        match self {
            Part::None => &[BASE_SCRIPT],
            Part::Ballot => &[BASE_SCRIPT, BALLOT_SCRIPT],
            Part::Ranking => &[BASE_SCRIPT, BALLOT_SCRIPT, RANKING_SCRIPT],
            Part::Results | Part::Stage => &[BASE_SCRIPT, RESULTS_SCRIPT],
        }
    }
}

const BASE_STYLE: &str = include_str!("assets/base.css");
const BALLOT_STYLE: &str = include_str!("assets/ballot.css");
const RESULTS_STYLE: &str = include_str!("assets/results.css");
const STAGE_STYLE: &str = include_str!("assets/stage.css");
const BASE_SCRIPT: &str = include_str!("assets/base.js");
const BALLOT_SCRIPT: &str = include_str!("assets/ballot.js");
const RANKING_SCRIPT: &str = include_str!("assets/ranking.js");
const RESULTS_SCRIPT: &str = include_str!("assets/results.js");

struct Assets {
    styles: Texts,
    scripts: Texts,
    /// `style-src` and `script-src`.
    sources: String,
}

/// A text for each part, in the order of `Part::ALL`.
struct Texts([String; Part::ALL.len()]);

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let style = |part: Part| part.styles().iter().map(|style| squeezed(style)).collect::<String>();
    let script = |part: Part| part.scripts().iter().map(|script| trimmed(script)).collect::<String>();
    let styles = Texts(Part::ALL.map(style));
    let scripts = Texts(Part::ALL.map(|part| format!("{{\n{}}}", script(part))));
    let sources = format!("style-src {}; script-src {}", styles.hashes(), scripts.hashes());
    Assets { styles, scripts, sources }
});

impl Texts {
    fn of(&self, part: Part) -> &str {
        self.0.get(part as usize).map(String::as_str).unwrap_or_default()
    }

    /// Their hashes as sources of a policy (Content Security Policy Level 3, section 2.3.1).
    fn hashes(&self) -> String {
        let hash = |text: &String| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
        self.0.iter().map(hash).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
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
pub fn csp(embedding_origins: &[String]) -> String {
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
        for part in Part::ALL {
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
        let listed = csp(&["https://a.example", "https://b.example"].map(str::to_owned));
        assert!(listed.ends_with("; frame-ancestors https://a.example https://b.example"));
    }

    #[test]
    fn constant_texts_end_no_element_and_keep_what_they_mean() {
        for text in ASSETS.styles.0.iter().chain(&ASSETS.scripts.0) {
            assert!(!text.contains("</") && !text.contains("<!--"));
        }
        assert_eq!(
            squeezed("a:b {\n  c: d, e;\n  f: g\n}\n@media (x: y) {\n h { i: j }\n}\n"),
            "a:b{c:d,e;f:g}@media (x:y){h{i:j}}"
        );
        assert_eq!(trimmed("  a;\n\n  // b\n  c;\n"), "a;\nc;\n");
    }
}
