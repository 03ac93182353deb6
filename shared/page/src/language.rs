//! The languages of the page, and which of them a reader gets.

/// The most entries of `Accept-Language` that are read. Browsers send up to a dozen.
const ENTRIES_MAX: usize = 32;

/// A language that the page speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "their tags say what they are")]
pub enum Language {
    En,
    Es,
    PtBr,
    Fr,
    De,
    It,
    Nl,
    Pl,
    Tr,
    Uk,
    Ar,
    He,
    Ja,
    ZhHans,
}

impl Language {
    /// All of them. The first is for readers of none.
    pub const ALL: [Self; 14] = [
        Self::En,
        Self::Es,
        Self::PtBr,
        Self::Fr,
        Self::De,
        Self::It,
        Self::Nl,
        Self::Pl,
        Self::Tr,
        Self::Uk,
        Self::Ar,
        Self::He,
        Self::Ja,
        Self::ZhHans,
    ];

    /// Its tag (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
            Self::PtBr => "pt-BR",
            Self::Fr => "fr",
            Self::De => "de",
            Self::It => "it",
            Self::Nl => "nl",
            Self::Pl => "pl",
            Self::Tr => "tr",
            Self::Uk => "uk",
            Self::Ar => "ar",
            Self::He => "he",
            Self::Ja => "ja",
            Self::ZhHans => "zh-Hans",
        }
    }

    /// Its name in itself.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Es => "Español",
            Self::PtBr => "Português",
            Self::Fr => "Français",
            Self::De => "Deutsch",
            Self::It => "Italiano",
            Self::Nl => "Nederlands",
            Self::Pl => "Polski",
            Self::Tr => "Türkçe",
            Self::Uk => "Українська",
            Self::Ar => "العربية",
            Self::He => "עברית",
            Self::Ja => "日本語",
            Self::ZhHans => "简体中文",
        }
    }

    /// The direction in which it is written: `ltr` or `rtl`.
    pub(crate) fn direction(self) -> &'static str {
        if matches!(self, Self::Ar | Self::He) { "rtl" } else { "ltr" }
    }

    /// The language that a reader gets: the one in the query if the page speaks it, else the best by `Accept-Language`.
    pub fn choose(query: Option<&str>, accept_language: Option<&str>) -> Self {
        let accepted = || accept_language.and_then(Self::of_accept_language);
        query.and_then(Self::of_tag).or_else(accepted).unwrap_or(Self::En)
    }

    /// The language for a tag, in any region. Readers of traditional Chinese characters do not get simplified ones.
    fn of_tag(tag: &str) -> Option<Self> {
        let mut subtags = tag.split(['-', '_']);
        let primary = subtags.next().unwrap_or_default().to_ascii_lowercase();
        let is_traditional = |subtag: &str| ["hant", "tw", "hk", "mo"].iter().any(|it| subtag.eq_ignore_ascii_case(it));
        match primary.as_str() {
            "iw" => Some(Self::He),
            "zh" if subtags.any(is_traditional) => None,
            primary => Self::ALL.into_iter().find(|language| language.tag().split('-').next() == Some(primary)),
        }
    }

    /// The reader's best language (RFC 9110, section 12.5.4). Of equal ones, the first.
    fn of_accept_language(header: &str) -> Option<Self> {
        let entry = |entry: &str| {
            let (tag, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let weight =
                parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse::<f32>().ok())?;
            Some((Self::of_tag(tag.trim())?, weight)).filter(|(_, weight)| *weight > 0.0)
        };
        let known = header.split(',').take(ENTRIES_MAX).filter_map(entry);
        let best = known.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(language, _)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_the_language_of_the_query_before_that_of_the_header() {
        for (query, header, tag) in [
            (None, None, "en"),
            (Some("ar"), Some("de"), "ar"),
            (Some("xx"), Some("de"), "de"),
            (Some("<script>"), None, "en"),
            (Some(""), Some("de"), "de"),
            (Some("PT"), None, "pt-BR"),
            (Some("zh-hans"), None, "zh-Hans"),
        ] {
            assert_eq!(Language::choose(query, header).tag(), tag, "{query:?} {header:?}");
        }
    }

    #[test]
    fn of_several_languages_the_heaviest_that_the_page_speaks_is_taken() {
        for (header, tag) in [
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("sv,en;q=0.5,fr;q=0.7", "fr"),
            ("en;q=0.5,nl;q=0.5", "en"),
            ("sv, pt-PT ; q=0.8", "pt-BR"),
            ("zh-TW,ja;q=0.2", "ja"),
            ("zh-CN", "zh-Hans"),
            ("iw-IL", "he"),
            ("tr;q=0,pl;q=0.1", "pl"),
            ("fr;q=loud,it;q=0.1", "it"),
            ("*", "en"),
            ("", "en"),
            (";;,,;q=", "en"),
        ] {
            assert_eq!(Language::choose(None, Some(header)).tag(), tag, "{header}");
        }
    }

    #[test]
    fn each_tag_names_its_language() {
        assert!(Language::ALL.into_iter().all(|language| Language::of_tag(language.tag()) == Some(language)));
    }
}
