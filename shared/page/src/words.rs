//! A language's words, plurals and numbers, by Unicode's rules (CLDR).

use icu_decimal::{DecimalFormatter, input::Decimal};
use icu_locale_core::Locale;
use icu_plurals::PluralRules;
use maud::{Markup, Render, html};

use crate::{
    language::Language,
    messages::{Messages, Plural},
};

/// What a page in one language is written with.
pub(crate) struct Words {
    pub(crate) language: Language,
    /// The messages.
    pub(crate) say: &'static Messages,
    /// `None` only if Unicode's data lacks the language, which a test rules out.
    plurals: Option<PluralRules>,
    numbers: Option<DecimalFormatter>,
}

impl Words {
    /// The words of a language. It takes some ten microseconds.
    pub(crate) fn of(language: Language) -> Self {
        Self::with(language, Messages::of(language))
    }

    /// The same with other messages.
    pub(crate) fn with(language: Language, say: &'static Messages) -> Self {
        let locale = Locale::try_from_str(language.tag()).unwrap_or(Locale::UNKNOWN);
        let plurals = PluralRules::try_new_cardinal((&locale).into()).ok();
        let numbers = DecimalFormatter::try_new((&locale).into(), Default::default()).ok();
        Self { language, say, plurals, numbers }
    }

    /// A whole number.
    pub(crate) fn number(&self, number: u64) -> String {
        self.decimal(Decimal::from(number))
    }

    /// A whole number that may be below zero.
    pub(crate) fn integer(&self, number: i64) -> String {
        self.decimal(Decimal::from(number))
    }

    /// A number with one digit after the point if it is not whole, from its tenths.
    pub(crate) fn tenths_if_any(&self, tenths: u64) -> String {
        match tenths % 10 {
            0 => self.number(tenths / 10),
            _ => self.tenths(i64::try_from(tenths).unwrap_or(i64::MAX)),
        }
    }

    /// A number with one digit after the point, from its tenths.
    pub(crate) fn tenths(&self, tenths: i64) -> String {
        let mut decimal = Decimal::from(tenths);
        decimal.multiply_pow10(-1);
        self.decimal(decimal)
    }

    fn decimal(&self, decimal: Decimal) -> String {
        match &self.numbers {
            Some(numbers) => numbers.format(&decimal).to_string(),
            None => decimal.to_string(),
        }
    }

    /// What share a part is of the whole, in percent with one digit.
    pub(crate) fn percent(&self, part: u64, whole: u64) -> String {
        let thousandths =
            (u128::from(part) * 1_000 + u128::from(whole) / 2).checked_div(whole.into()).unwrap_or_default();
        self.say.percent.replace("{n}", &self.tenths(i64::try_from(thousandths).unwrap_or(i64::MAX)))
    }

    /// The form of a message for a number, with the number in it.
    pub(crate) fn count(&self, plural: &Plural, number: u64) -> String {
        plural.form(self.plurals.as_ref().map(|rules| rules.category_for(number))).replace("{n}", &self.number(number))
    }
}

/// A message with a value in the place of `{name}`.
pub(crate) fn put(message: &str, name: &str, value: impl Render) -> Markup {
    match message.split_once(&format!("{{{name}}}")) {
        Some((before, after)) => html! { (before) (value) (after) },
        None => html! { (message) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(tag: &str) -> Words {
        Words::of(Language::choose(Some(tag), None))
    }

    #[test]
    fn unicode_has_rules_and_numbers_for_each_language() {
        for language in Language::ALL {
            let words = Words::of(language);
            assert!(words.plurals.is_some() && words.numbers.is_some(), "{}", language.tag());
        }
    }

    #[test]
    fn numbers_are_grouped_as_the_language_does() {
        let grouped = ["en", "de", "fr", "pl", "es"].map(|tag| words(tag).number(1_234_567));
        assert_eq!(grouped, ["1,234,567", "1.234.567", "1\u{202f}234\u{202f}567", "1\u{a0}234\u{a0}567", "1.234.567"]);
        assert_eq!([-5, 0, 123].map(|tenths| words("nl").tenths(tenths)), ["-0,5", "0,0", "12,3"]);
    }

    #[test]
    fn percent_are_rounded_and_never_fail() {
        let of = |part, whole| words("en").percent(part, whole);
        assert_eq!([of(1, 3), of(2, 3), of(0, 0), of(5, 0), of(7, 7)], ["33.3%", "66.7%", "0.0%", "0.0%", "100.0%"]);
        assert_eq!(of(u64::MAX, u64::MAX), "100.0%");
    }

    #[test]
    fn a_number_takes_the_form_of_its_plural() {
        let votes = |tag, number| {
            let words = words(tag);
            words.count(&words.say.ballots, number)
        };
        assert_eq!([0, 1, 2].map(|number| votes("en", number)), ["0 votes", "1 vote", "2 votes"]);
        assert_eq!([1, 3, 5, 22].map(|number| votes("pl", number)), ["1 głos", "3 głosy", "5 głosów", "22 głosy"]);
        assert_eq!([1, 5].map(|number| votes("ja", number)), ["1票", "5票"]);
        assert_eq!(votes("fr", 1_000_000), "1\u{202f}000\u{202f}000 de votes");
    }
}
