//! What a page is answered with: its status, its headers and its HTML. Every page has the same headers for its safety.

use landslide_domain::poll::Devices;

use crate::{
    assets::csp,
    error_page::{ErrorPage, Trouble},
    language::Language,
    visit::{ACCOUNT_COOKIE, SIGN_IN_COOKIE, SIGNED_OUT, device_cookie, link_cookie},
};

const CSP: &str = "content-security-policy";

/// For how long a cookie is kept once its device has voted: as long as its token is valid, 400 days, in seconds.
const COOKIE_SECONDS: u64 = 400 * 24 * 60 * 60;
/// For how long browsers ask for the page by HTTPS alone: a year, in seconds.
const HTTPS_SECONDS: u64 = 365 * 24 * 60 * 60;

/// An answer, for whatever carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    fn new(status: u16, body: String) -> Self {
        let headers = vec![
            (CSP, csp(&[])),
            ("referrer-policy", "same-origin".to_owned()),
            ("strict-transport-security", format!("max-age={HTTPS_SECONDS}")),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        Self { status, headers, body }
    }

    fn html(status: u16, html: String, language: Language) -> Self {
        let answer = Self::new(status, html).header("content-type", "text/html; charset=utf-8".to_owned());
        answer.header("content-language", language.tag().to_owned())
    }

    fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn private(self) -> Self {
        self.header("cache-control", "private, no-store".to_owned())
    }

    /// A page for one reader, which no cache keeps.
    pub fn page(status: u16, html: String, language: Language) -> Self {
        Self::html(status, html, language).private()
    }

    /// Results for one reader.
    pub fn own_results(html: String, language: Language, poll_after_seconds: u64) -> Self {
        Self::page(200, html, language).poll_after(poll_after_seconds)
    }

    /// Results for anyone, which caches keep for what is left of their second. A reader whose copy has the tag is told so.
    pub fn results(html: String, language: Language, is_current: bool, freshness: &Freshness<'_>) -> Self {
        let answer = if is_current { Self::new(304, String::new()) } else { Self::html(200, html, language) };
        let cache =
            format!("public, max-age={}, stale-while-revalidate=1, stale-if-error=10", freshness.max_age_seconds);
        let answer = answer.header("cache-control", cache).header("etag", freshness.etag(language));
        answer.poll_after(freshness.poll_after_seconds)
    }

    fn poll_after(self, seconds: u64) -> Self {
        self.header("landslide-poll-after", seconds.to_string())
    }

    /// Leads the browser to another page, relative to the request. Sending a form again does no harm, as it is not loaded
    /// again.
    pub fn see_other(place: String) -> Self {
        Self::new(303, String::new()).header("location", place).private()
    }

    /// A page that says what went wrong. `poll` is where the poll is, if a link to it helps.
    pub fn trouble(trouble: Trouble, language: Language, poll: Option<&str>) -> Self {
        let answer = Self::page(trouble.status(), ErrorPage { trouble, language, poll }.render(), language);
        match trouble.retry_after_seconds() {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    /// Gives a browser its token until it is closed.
    pub fn with_new_token(self, devices: Devices, poll_id: &str, token: &str) -> Self {
        self.header("set-cookie", cookie(&device_cookie(devices, poll_id), token))
    }

    /// Has a browser keep its token, as its device has voted. A device that many share has it until the next one comes, or
    /// the browser is closed.
    pub fn with_kept_token(self, devices: Devices, poll_id: &str, token: &str) -> Self {
        let of_session = cookie(&device_cookie(devices, poll_id), token);
        self.header(
            "set-cookie",
            match devices {
                Devices::Own => format!("{of_session}; Max-Age={COOKIE_SECONDS}"),
                Devices::Shared => of_session,
            },
        )
    }

    /// Has a browser keep a link to a poll's results until it is closed.
    pub fn with_view_link(self, poll_id: &str, link: &str) -> Self {
        self.header("set-cookie", cookie(&link_cookie(poll_id), link))
    }

    /// A page that these origins may frame.
    pub fn framed_by(mut self, origins: &[String]) -> Self {
        if !origins.is_empty() {
            self.headers.retain(|(name, _)| *name != CSP);
            self.headers.push((CSP, csp(origins)));
        }
        self
    }

    /// Tells a browser, until then, that a sign-in has begun.
    pub fn with_sign_in(self, value: &str, seconds: u64) -> Self {
        self.header("set-cookie", format!("{}; Max-Age={seconds}", cookie(SIGN_IN_COOKIE, value)))
    }

    /// Tells a browser, until then, which account has signed in, and that the sign-in is over.
    pub fn with_account(self, value: &str, seconds: u64) -> Self {
        let answer = self.header("set-cookie", format!("{}; Max-Age=0", cookie(SIGN_IN_COOKIE, "")));
        answer.header("set-cookie", format!("{}; Max-Age={seconds}", cookie(ACCOUNT_COOKIE, value)))
    }

    /// Has a browser forget the account. Until it is closed it remembers that somebody has signed out, so that the provider
    /// asks the next one who they are.
    pub fn signed_out(self) -> Self {
        self.header("set-cookie", cookie(ACCOUNT_COOKIE, SIGNED_OUT))
    }
}

fn cookie(name: &str, value: &str) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax")
}

/// How long results may be kept, and by what they are recognised.
#[derive(Clone, Copy, Debug)]
pub struct Freshness<'a> {
    /// The tag of the document that they are rendered from.
    pub tag: &'a str,
    /// For how many seconds a cache may keep them.
    pub max_age_seconds: u64,
    /// After how many seconds a page should ask again.
    pub poll_after_seconds: u64,
}

impl Freshness<'_> {
    /// The entity tag of these results in a language, in quotes.
    pub fn etag(&self, language: Language) -> String {
        format!("\"{}-{}\"", self.tag, language.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        let mut values = answer.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name}");
        value
    }

    fn all() -> Vec<Answer> {
        let fresh = Freshness { tag: "t", max_age_seconds: 1, poll_after_seconds: 2 };
        let mut all = vec![
            Answer::page(200, "x".to_owned(), Language::En).with_new_token(Devices::Own, "p1", "t"),
            Answer::own_results("x".to_owned(), Language::En, 2),
            Answer::results("x".to_owned(), Language::En, false, &fresh),
            Answer::results("x".to_owned(), Language::En, true, &fresh),
            Answer::see_other("p1".to_owned()).with_kept_token(Devices::Own, "p1", "t"),
        ];
        all.extend(Trouble::ALL.map(|trouble| Answer::trouble(trouble, Language::En, None)));
        all
    }

    #[test]
    fn every_answer_has_the_headers_for_its_safety() {
        for answer in all() {
            assert_eq!(value(&answer, "content-security-policy"), Some(csp(&[]).as_str()));
            assert_eq!(
                value(&answer, "referrer-policy"),
                Some("same-origin"),
                "no-referrer makes forms send Origin: null"
            );
            assert_eq!(value(&answer, "x-content-type-options"), Some("nosniff"));
            assert!(value(&answer, "strict-transport-security").is_some() && value(&answer, "cache-control").is_some());
            assert_eq!(value(&answer, "content-type").is_some(), !answer.body.is_empty());
        }
    }

    #[test]
    fn what_has_a_cookie_or_is_of_one_reader_is_kept_by_no_cache() {
        for answer in all() {
            let cache = value(&answer, "cache-control").unwrap();
            let is_public = value(&answer, "etag").is_some();
            assert_eq!(cache.starts_with("public"), is_public);
            assert!(!is_public || value(&answer, "set-cookie").is_none());
        }
    }

    #[test]
    fn a_cookie_is_for_this_host_alone_and_out_of_reach_of_scripts() {
        let page = Answer::page(200, String::new(), Language::En);
        let of_session = page.clone().with_new_token(Devices::Own, "p1", "a.b.c");
        let text = "__Host-landslide=a.b.c; Path=/; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(value(&of_session, "set-cookie"), Some(text));
        let kept = page.clone().with_kept_token(Devices::Own, "p1", "a.b.c");
        assert_eq!(value(&kept, "set-cookie"), Some(format!("{text}; Max-Age=34560000").as_str()));
        let shared = page.clone().with_kept_token(Devices::Shared, "p1", "a.b.c");
        let text = "__Host-landslide-voter-p1=a.b.c; Path=/; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(value(&shared, "set-cookie"), Some(text));
        let link = page.with_view_link("p1", "lsv_1");
        assert_eq!(
            value(&link, "set-cookie"),
            Some("__Host-landslide-view-p1=lsv_1; Path=/; Secure; HttpOnly; SameSite=Lax")
        );
    }

    #[test]
    fn who_may_frame_a_page_is_in_its_only_policy() {
        let page = Answer::page(200, String::new(), Language::En).framed_by(&["https://news.example".to_owned()]);
        assert!(value(&page, CSP).unwrap().ends_with("; frame-ancestors https://news.example"));
    }

    #[test]
    fn an_account_is_told_until_it_ends_or_signs_out() {
        let cookies = |answer: Answer| -> Vec<String> {
            answer.headers.into_iter().filter(|(name, _)| *name == "set-cookie").map(|(_, value)| value).collect()
        };
        let page = || Answer::see_other(String::new());
        let rest = "Path=/; Secure; HttpOnly; SameSite=Lax";
        let begun = cookies(page().with_sign_in("s", 600));
        assert_eq!(begun, [format!("__Host-landslide-sign-in=s; {rest}; Max-Age=600")]);
        let signed_in = cookies(page().with_account("a", 43_200));
        let ended = format!("__Host-landslide-sign-in=; {rest}; Max-Age=0");
        assert_eq!(signed_in, [ended, format!("__Host-landslide-account=a; {rest}; Max-Age=43200")]);
        assert_eq!(cookies(page().signed_out()), [format!("__Host-landslide-account=out; {rest}")]);
    }

    #[test]
    fn what_passes_says_when_to_try_again() {
        let retry = |trouble| value(&Answer::trouble(trouble, Language::En, None), "retry-after").map(str::to_owned);
        assert_eq!([Trouble::Busy, Trouble::Unavailable].map(retry), [Some("1".to_owned()), Some("1".to_owned())]);
        assert_eq!([Trouble::Broken, Trouble::NotFound].map(retry), [None, None]);
    }

    #[test]
    fn results_in_another_language_have_another_tag() {
        let fresh = Freshness { tag: "t", max_age_seconds: 0, poll_after_seconds: 2 };
        let tags = [Language::En, Language::PtBr].map(|language| fresh.etag(language));
        assert_eq!(tags, ["\"t-en\"", "\"t-pt-BR\""]);
    }
}
