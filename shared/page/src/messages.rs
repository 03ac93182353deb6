//! Everything that a person reads on a page besides the poll's own text, in each language. A language that lacks a message
//! does not compile.

mod ar;
mod de;
mod en;
mod es;
mod fr;
mod he;
mod it;
mod ja;
mod nl;
mod pl;
mod pt_br;
mod tr;
mod uk;
mod zh_hans;

use icu_plurals::PluralCategory;

use crate::language::Language;

/// The forms of a message that depends on a number, which stands in the place of `{n}`. The last one is for all numbers
/// that have no form of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plural(&'static [(PluralCategory, &'static str)]);

impl Plural {
    /// The form for a category, or the last one.
    pub(crate) fn form(&self, category: Option<PluralCategory>) -> &'static str {
        let own = self.0.iter().find(|(own, _)| Some(*own) == category);
        own.or(self.0.last()).map(|(_, form)| *form).unwrap_or_default()
    }
}

macro_rules! messages {
    (texts { $($text:ident,)* } plurals { $($plural:ident,)* }) => {
        /// A language's messages. `en` shows what each of them says.
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Messages {
            $(pub(crate) $text: &'static str,)*
            $(pub(crate) $plural: Plural,)*
        }

        #[cfg(test)]
        impl Messages {
            /// The texts by their names.
            pub(crate) fn texts(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($text), self.$text)),*]
            }

            /// The plurals by their names, with their forms.
            pub(crate) fn plurals(&self) -> Vec<(&'static str, &'static [(PluralCategory, &'static str)])> {
                vec![$((stringify!($plural), self.$plural.0)),*]
            }

            /// The same messages, each changed. What is made lives until the tests end.
            pub(crate) fn changed(&self, change: impl Fn(&str) -> String) -> &'static Self {
                let text = |text: &str| -> &'static str { Box::leak(change(text).into_boxed_str()) };
                let plural = |plural: Plural| {
                    Plural(Box::leak(plural.0.iter().map(|(category, form)| (*category, text(form))).collect()))
                };
                Box::leak(Box::new(Self { $($text: text(self.$text),)* $($plural: plural(self.$plural),)* }))
            }
        }
    };
}

messages! {
    texts {
        // What one can do.
        vote, save_change, change_vote, withdraw, see_results, back_to_ballot, next_please, open_poll, vote_in_new_tab,
        // How to fill in a ballot.
        pick_one, pick_between, rate_between, something_else, your_answer, unrated, about_you, not_said,
        // Where the poll stands.
        not_open, opens, paused, closed, closed_at, closes, closes_in, account_needed,
        sign_in_first, sign_in, signed_in, sign_out,
        // Where the vote stands.
        recorded, withdrawn, already_voted, not_counted, changed_elsewhere, your_vote, your_choice, sending, still_trying,
        // What is wrong with a ballot.
        check, none_chosen, both_chosen, same_place, none_ranked, none_rated, blank, unusual_text, not_taken,
        // Results.
        results, share_of_votes, several_options, as_of, is_final, no_votes, being_counted, incomplete,
        hidden_until_vote, hidden_until_close, hidden, percent,
        average, promoter_score, right_answer,
        rounds, round, first_choices, elected, out, no_further_choice, provisional, tie, preferred, over, votes, points,
        over_time, scan,
        // What went wrong.
        busy, unavailable, safe_to_repeat, not_found, check_address, foreign, foreign_hint,
        no_cookies, no_cookies_hint, sign_in_failed, sign_in_declined, sign_in_expired, provider_unavailable,
        sign_in_again, signed_out, signed_out_hint, other_account, broken, try_later, unreadable,
        // Below every page.
        language, cookie_note, account_cookie_note,
    }
    plurals {
        pick_up_to, pick_exactly, pick_at_least, rank_up_to, answer_within, text_too_long,
        ballots, ratings, right_votes, further_votes, hidden_votes, more_options,
    }
}

impl Messages {
    /// A language's messages.
    pub(crate) fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &en::MESSAGES,
            Language::Es => &es::MESSAGES,
            Language::PtBr => &pt_br::MESSAGES,
            Language::Fr => &fr::MESSAGES,
            Language::De => &de::MESSAGES,
            Language::It => &it::MESSAGES,
            Language::Nl => &nl::MESSAGES,
            Language::Pl => &pl::MESSAGES,
            Language::Tr => &tr::MESSAGES,
            Language::Uk => &uk::MESSAGES,
            Language::Ar => &ar::MESSAGES,
            Language::He => &he::MESSAGES,
            Language::Ja => &ja::MESSAGES,
            Language::ZhHans => &zh_hans::MESSAGES,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use icu_locale_core::Locale;
    use icu_plurals::PluralRules;

    use super::*;

    /// The names in braces.
    fn places(message: &str) -> BTreeSet<&str> {
        message.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0).collect()
    }

    #[test]
    fn each_plural_has_exactly_the_forms_of_its_language() {
        for language in Language::ALL {
            let locale = Locale::try_from_str(language.tag()).unwrap();
            let rules = PluralRules::try_new_cardinal((&locale).into()).unwrap();
            let name = |category: &PluralCategory| format!("{category:?}");
            let expected: BTreeSet<_> = rules.categories().map(|category| name(&category)).collect();
            for (plural, forms) in Messages::of(language).plurals() {
                let found: Vec<_> = forms.iter().map(|(category, _)| name(category)).collect();
                assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected, "{} {plural}", language.tag());
                assert_eq!((found.len(), found.last().unwrap().as_str()), (expected.len(), "Other"), "{plural}");
            }
        }
    }

    #[test]
    fn each_message_has_the_places_of_the_english_one() {
        let english = Messages::of(Language::En);
        for language in Language::ALL {
            let own = Messages::of(language);
            for ((name, english), (_, own)) in english.texts().into_iter().zip(own.texts()) {
                assert_eq!(places(own), places(english), "{} {name}", language.tag());
            }
            for (name, forms) in own.plurals() {
                let (_, other) = forms.last().unwrap();
                assert_eq!(places(other), BTreeSet::from(["n"]), "{} {name}", language.tag());
                // A form for one number, or two, may say it in a word.
                assert!(forms.iter().all(|(_, form)| places(form).iter().all(|place| *place == "n")), "{name}");
            }
        }
    }

    #[test]
    fn no_language_but_english_has_english_sentences() {
        let english = Messages::of(Language::En);
        for language in Language::ALL.into_iter().skip(1) {
            let own = Messages::of(language);
            for ((name, english), (_, own)) in english.texts().into_iter().zip(own.texts()) {
                assert!(!own.trim().is_empty(), "{} {name}", language.tag());
                assert!(own != english || !english.contains(' '), "{} {name}: {own}", language.tag());
            }
        }
    }

    #[test]
    fn messages_that_are_sentences_end_as_such_in_each_language() {
        let ends = |message: &str| message.ends_with(['.', '。', '؟', '?', '…']);
        let english = Messages::of(Language::En);
        for language in Language::ALL {
            for ((name, english), (_, own)) in english.texts().into_iter().zip(Messages::of(language).texts()) {
                assert_eq!(ends(own), ends(english), "{} {name}: {own}", language.tag());
            }
        }
    }
}
