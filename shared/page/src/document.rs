//! The HTML around what a page shows.

use landslide_domain::time::Timestamp;
use maud::{DOCTYPE, Markup, html};

use crate::{
    assets::{self, Part},
    language::Language,
    words::Words,
};

/// A whole page.
pub(crate) struct Document<'a> {
    pub(crate) words: &'a Words,
    pub(crate) title: &'a str,
    /// What else stands in the head.
    pub(crate) meta: Markup,
    pub(crate) part: Part,
    /// Whether it is for a wall: large, and without controls.
    pub(crate) is_stage: bool,
    /// What of its query the page keeps in another language.
    pub(crate) query: &'static str,
    /// What cookies are for.
    pub(crate) cookie_note: &'a str,
    pub(crate) main: Markup,
}

impl Document<'_> {
    /// Its HTML.
    pub(crate) fn render(&self) -> String {
        let language = self.words.language;
        let page = html! {
            (DOCTYPE)
            html lang=(language.tag()) dir=(language.direction()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    title { (self.title) }
                    // Without one, browsers ask for /favicon.ico.
                    link rel="icon" href="data:,";
                    (self.meta)
                    (assets::style(self.part))
                }
                body class=[self.is_stage.then_some("stage")] {
                    main { (self.main) }
                    @if !self.is_stage { (self.footer()) }
                    (assets::script(self.part))
                }
            }
        };
        page.into_string()
    }

    fn footer(&self) -> Markup {
        let say = self.words.say;
        html! {
            footer {
                p { (self.cookie_note) }
                details {
                    summary { (say.language) }
                    nav {
                        @for language in Language::ALL {
                            a href={ "?lang=" (language.tag()) (self.query) } lang=(language.tag()) { (language.own_name()) } " "
                        }
                    }
                }
            }
        }
    }
}

/// A time to the minute, which the script shows in the reader's zone.
pub(crate) fn minute(at: Timestamp) -> Markup {
    let text = at.to_string();
    let (day, time) = (text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
    html! { time datetime=(text) { (day) " " (time) " UTC" } }
}

/// The same to the second.
pub(crate) fn second(at: Timestamp) -> Markup {
    let text = at.to_string();
    html! { time datetime=(text) data-s="1" { (text.get(11..19).unwrap_or_default()) " UTC" } }
}
