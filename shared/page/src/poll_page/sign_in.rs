//! Signing in, in a poll of accounts. It begins with a link, as a form may not lead to another origin.

use maud::{Markup, html};

use super::PollPage;
use crate::words::{Words, put};

impl PollPage<'_> {
    /// What a reader is told who is not signed in: where one can sign in, if anywhere.
    pub(super) fn sign_in(&self, words: &Words) -> Markup {
        let say = words.say;
        if self.accounts.providers.is_empty() {
            return html! { p.note.warn { (say.account_needed) } };
        }
        html! {
            p.note { (say.sign_in_first) }
            (self.providers(words))
        }
    }

    /// A link for each provider.
    pub(super) fn providers(&self, words: &Words) -> Markup {
        html! {
            @if !self.accounts.providers.is_empty() {
                div.actions {
                    @for (place, name) in self.accounts.providers.iter().enumerate() {
                        a.button href={ (self.id()) "/sign-in?issuer=" (place) "&lang=" (words.language.tag()) } {
                            span { (put(words.say.sign_in, "name", html! { bdi { (name) } })) }
                        }
                    }
                }
            }
        }
    }

    /// With what the reader is signed in, and how to end that.
    pub(super) fn signed_in(&self, words: &Words) -> Markup {
        let say = words.say;
        html! {
            @if let Some(name) = self.accounts.signed_in_with {
                form.actions method="post" {
                    span.quiet { (put(say.signed_in, "name", html! { bdi { (name) } })) }
                    button.second name="do" value="sign-out" { (say.sign_out) }
                }
            }
        }
    }
}
