//! What a page reads of a request besides its path and query: the cookies that name a voter, and where a form was sent
//! from.

use landslide_domain::poll::Devices;

/// The cookie that holds a device's token. A browser takes one of this name from this very host by HTTPS alone.
pub(crate) const COOKIE: &str = "__Host-landslide";
/// The cookie that says which account has signed in.
pub(crate) const ACCOUNT_COOKIE: &str = "__Host-landslide-account";
/// The cookie that says that a sign-in has begun.
pub(crate) const SIGN_IN_COOKIE: &str = "__Host-landslide-sign-in";
/// What the account's cookie holds after signing out.
pub(crate) const SIGNED_OUT: &str = "out";

/// The cookie that holds a link to a poll's results. A wall may show several polls.
pub(crate) fn link_cookie(poll_id: &str) -> String {
    format!("{COOKIE}-view-{poll_id}")
}

/// The cookie that holds a device's token in a poll. A device that many share is somebody else in each poll that says so,
/// and stays who it is in all others.
pub(crate) fn device_cookie(devices: Devices, poll_id: &str) -> String {
    match devices {
        Devices::Own => COOKIE.to_owned(),
        Devices::Shared => format!("{COOKIE}-voter-{poll_id}"),
    }
}

/// The device's token in a poll among cookies (the header `Cookie`).
pub fn device_token<'a>(cookies: &'a str, devices: Devices, poll_id: &str) -> Option<&'a str> {
    cookie(cookies, &device_cookie(devices, poll_id))
}

/// The link to a poll's results among cookies.
pub fn view_link<'a>(cookies: &'a str, poll_id: &str) -> Option<&'a str> {
    cookie(cookies, &link_cookie(poll_id))
}

/// What says among cookies which account has signed in.
pub fn account_cookie(cookies: &str) -> Option<&str> {
    cookie(cookies, ACCOUNT_COOKIE).filter(|value| *value != SIGNED_OUT)
}

/// Whether somebody has signed out in this browser, and nobody has signed in since.
pub fn has_signed_out(cookies: &str) -> bool {
    cookie(cookies, ACCOUNT_COOKIE) == Some(SIGNED_OUT)
}

/// What says among cookies that a sign-in has begun.
pub fn sign_in_cookie(cookies: &str) -> Option<&str> {
    cookie(cookies, SIGN_IN_COOKIE)
}

fn cookie<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(own, _)| *own == name).map(|(_, value)| value).find(|value| !value.is_empty())
}

/// Where pages are, as the deployment says. It is the only source of absolute addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// It is no `https` address without query and fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPublicUrl;

impl std::fmt::Display for NoPublicUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it must be an address that begins with https://, with its host in lower case and neither query nor fragment")
    }
}

impl std::str::FromStr for PublicUrl {
    type Err = NoPublicUrl;

    /// Browsers send cookies like ours by HTTPS only, but for the machine itself.
    fn from_str(text: &str) -> Result<Self, NoPublicUrl> {
        let text = text.trim_end_matches('/');
        let is_secure = text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
        let is_local = ["http://localhost", "http://127.0.0.1"]
            .iter()
            .any(|local| text.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])));
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>@\\".contains(&byte));
        let url = Self(text.to_owned());
        // Browsers say origins in lower case, and without the port that is understood.
        let is_as_browsers_say =
            !url.origin().bytes().any(|byte| byte.is_ascii_uppercase()) && !url.origin().ends_with(":443");
        if (is_secure || is_local) && is_plain && is_as_browsers_say { Ok(url) } else { Err(NoPublicUrl) }
    }
}

impl PublicUrl {
    /// As a deployment configures it, which may not know the id of the pages' API and has `{ApiId}` in its place.
    pub fn configured(text: &str, api_id: &str) -> Result<Self, NoPublicUrl> {
        text.replace("{ApiId}", api_id).parse()
    }

    /// A poll's page.
    pub fn of_poll(&self, poll_id: &str) -> String {
        format!("{}/p/{poll_id}", self.0)
    }

    /// Where providers send browsers back to.
    pub fn sign_in(&self) -> String {
        format!("{}/sign-in", self.0)
    }

    /// The origin: scheme, host and port.
    fn origin(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |place| place + 3);
        let end = self.0.get(after_scheme..).and_then(|rest| rest.find('/')).map(|length| after_scheme + length);
        end.and_then(|end| self.0.get(..end)).unwrap_or(&self.0)
    }

    /// Whether a form was sent by a page of ours: the browser says so by `Sec-Fetch-Site`, or, if it is older than that
    /// header, by `Origin`. Another site can't make a browser say either.
    pub fn sent_form(&self, fetch_site: Option<&str>, origin: Option<&str>) -> bool {
        match fetch_site {
            Some(site) => site == "same-origin",
            None => origin == Some(self.origin()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        for (cookies, token) in [
            ("__Host-landslide=a.b.c", Some("a.b.c")),
            ("x=1; __Host-landslide=a.b.c; y=2", Some("a.b.c")),
            ("x=1;__Host-landslide=a=b", Some("a=b")),
            ("__Host-landslide=; __Host-landslide=t", Some("t")),
            ("__host-landslide=t", None),
            ("x__Host-landslide=t", None),
            ("__Host-landslide", None),
            ("", None),
        ] {
            assert_eq!(device_token(cookies, Devices::Own, "p1"), token, "{cookies}");
        }
        let both = "__Host-landslide=a; __Host-landslide-voter-p1=b";
        let of = |devices, poll| device_token(both, devices, poll);
        assert_eq!(
            [of(Devices::Own, "p1"), of(Devices::Shared, "p1"), of(Devices::Shared, "p2")],
            [Some("a"), Some("b"), None]
        );
    }

    #[test]
    fn a_link_is_its_polls_alone() {
        let cookies = "__Host-landslide=t; __Host-landslide-view-p1=lsv_1; __Host-landslide-view-p12=lsv_2";
        assert_eq!(["p1", "p12", "p"].map(|poll| view_link(cookies, poll)), [Some("lsv_1"), Some("lsv_2"), None]);
    }

    #[test]
    fn a_public_address_is_secure_and_plain() {
        for (text, poll) in [
            ("https://vote.example", Some("https://vote.example/p/x")),
            ("https://vote.example/prod/", Some("https://vote.example/prod/p/x")),
            (
                "http://localhost:4566/restapis/a/prod/_user_request_",
                Some("http://localhost:4566/restapis/a/prod/_user_request_/p/x"),
            ),
            ("http://localhost.evil.example", None),
            ("http://vote.example", None),
            ("https://", None),
            ("https://vote.example/?a", None),
            ("https://me@vote.example", None),
            ("https://Vote.example", None),
            ("https://vote.example:443/prod", None),
            ("javascript:alert(1)", None),
            ("", None),
        ] {
            let found = text.parse::<PublicUrl>().map(|url| url.of_poll("x"));
            assert_eq!(found.ok().as_deref(), poll, "{text}");
        }
    }

    #[test]
    fn a_form_is_taken_from_our_own_pages_only() {
        let url: PublicUrl = "https://vote.example/prod".parse().unwrap();
        let own = Some("https://vote.example");
        for (fetch_site, origin, is_own) in [
            (Some("same-origin"), own, true),
            (Some("same-origin"), None, true),
            (None, own, true),
            (Some("same-site"), own, false),
            (Some("cross-site"), own, false),
            (Some("none"), own, false),
            (Some(""), own, false),
            (None, Some("https://vote.example.evil.example"), false),
            (None, Some("http://vote.example"), false),
            (None, Some("https://vote.example/prod"), false),
            (None, Some("null"), false),
            (None, None, false),
        ] {
            assert_eq!(url.sent_form(fetch_site, origin), is_own, "{fetch_site:?} {origin:?}");
        }
    }
}
