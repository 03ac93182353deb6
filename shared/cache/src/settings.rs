//! Which cache there is, and who logs in: from the function's environment.

use std::net::IpAddr;

use landslide_aws::config;

/// The variables, which are the template's parameters of the same names.
const URL: &str = "CACHE_URL";
const USER: &str = "CACHE_USER";
const NAME: &str = "CACHE_NAME";
const PASSWORD: &str = "CACHE_PASSWORD";

/// Why a cache is not used at all. Each text names the parameter to change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The URL is none.
    #[error("CacheUrl must be rediss://HOST:PORT, without user, password and path")]
    Url,
    /// Counts would go through a network in the clear.
    #[error("CacheUrl must begin with rediss://, as only a cache on this machine is reached without TLS")]
    WithoutTls,
    /// Others are set, and it is not.
    #[error("CacheUser, CacheName or CachePassword is set without CacheUrl")]
    NoUrl,
    /// There is nothing to log in with.
    #[error("CacheUrl is set without CachePassword, and without CacheUser and CacheName for a login by IAM")]
    NoLogin,
    /// Half of what a login by IAM takes.
    #[error("CacheName is set without CacheUser: a login by IAM takes both")]
    NoUser,
    /// Two ways to log in.
    #[error(
        "CachePassword and CacheName are both set: the first is for a login by password, the second for one by IAM"
    )]
    TwoLogins,
}

/// How a process logs in.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// With a password. If there is no user, as the default one.
    Password {
        /// The user.
        user: Option<String>,
        /// The password.
        password: String,
    },
    /// With a token that the function's role signs.
    Iam {
        /// The user's id, which is its name too.
        user: String,
        /// The replication group's id.
        cache: String,
    },
}

/// Where the cache is, and how to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is reached by TLS.
    pub has_tls: bool,
    /// How to log in.
    pub login: Login,
}

impl Settings {
    /// As the environment says. `None` if there is no cache.
    pub fn from_env() -> Result<Option<Self>, SettingsError> {
        Self::of(config::text_if_any)
    }

    fn of(variable: impl Fn(&'static str) -> Option<String>) -> Result<Option<Self>, SettingsError> {
        let (user, name, password) = (variable(USER), variable(NAME), variable(PASSWORD));
        let Some(url) = variable(URL) else {
            let is_half = user.is_some() || name.is_some() || password.is_some();
            return if is_half { Err(SettingsError::NoUrl) } else { Ok(None) };
        };
        let (has_tls, host, port) = parse(&url).ok_or(SettingsError::Url)?;
        if !has_tls && !is_this_machine(&host) {
            return Err(SettingsError::WithoutTls);
        }
        let login = match (user, name, password) {
            (_, Some(_), Some(_)) => return Err(SettingsError::TwoLogins),
            (user, None, Some(password)) => Login::Password { user, password },
            (Some(user), Some(cache), None) => Login::Iam { user, cache },
            (None, Some(_), None) => return Err(SettingsError::NoUser),
            (_, None, None) => return Err(SettingsError::NoLogin),
        };
        Ok(Some(Self { host, port, has_tls, login }))
    }
}

/// Whether there is TLS, the host and the port.
fn parse(url: &str) -> Option<(bool, String, u16)> {
    let (scheme, address) = url.split_once("://")?;
    let has_tls = match scheme {
        "rediss" => true,
        "redis" => false,
        _ => return None,
    };
    let (host, port) = address.rsplit_once(':')?;
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    is_host.then_some((has_tls, host.to_owned(), port.parse().ok()?))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, user: &str, name: &str, password: &str) -> Result<Option<Settings>, SettingsError> {
        let set = [(URL, url), (USER, user), (NAME, name), (PASSWORD, password)];
        Settings::of(|wanted| {
            let value = set.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        })
    }

    #[test]
    fn nothing_set_is_no_cache_and_half_of_it_is_named() {
        const TLS: &str = "rediss://cache.example.org:6379";
        assert!(read("", "", "", "").unwrap().is_none());
        for (url, user, name, password, error) in [
            ("", "u", "", "", SettingsError::NoUrl),
            ("", "", "n", "", SettingsError::NoUrl),
            ("", "", "", "p", SettingsError::NoUrl),
            (TLS, "", "", "", SettingsError::NoLogin),
            (TLS, "u", "", "", SettingsError::NoLogin),
            (TLS, "", "n", "", SettingsError::NoUser),
            (TLS, "u", "n", "p", SettingsError::TwoLogins),
            ("redis://cache.example.org:6379", "", "", "p", SettingsError::WithoutTls),
            ("redis://10.0.0.1:6379", "", "", "p", SettingsError::WithoutTls),
        ] {
            assert_eq!(read(url, user, name, password).err(), Some(error), "{url:?} {user:?} {name:?} {password:?}");
        }
    }

    #[test]
    fn a_login_is_by_password_or_by_iam() {
        let login = |user, name, password| {
            let settings = read("rediss://cache.example.org:6380", user, name, password).unwrap().unwrap();
            assert_eq!((settings.host.as_str(), settings.port, settings.has_tls), ("cache.example.org", 6_380, true));
            settings.login
        };
        assert!(login("", "", "p") == Login::Password { user: None, password: "p".to_owned() });
        assert!(login("u", "", "p") == Login::Password { user: Some("u".to_owned()), password: "p".to_owned() });
        assert!(login("u", "n", "") == Login::Iam { user: "u".to_owned(), cache: "n".to_owned() });
    }

    #[test]
    fn a_cache_on_this_machine_may_do_without_tls() {
        for url in ["redis://127.0.0.1:6379", "redis://localhost:6379"] {
            assert!(read(url, "", "", "p").unwrap().is_some_and(|settings| !settings.has_tls), "{url}");
        }
    }

    #[test]
    fn a_url_has_a_scheme_a_host_and_a_port_and_nothing_else() {
        for url in [
            "cache.example.org:6379",
            "http://cache.example.org:6379",
            "rediss://cache.example.org",
            "rediss://:6379",
            "rediss://cache.example.org:port",
            "rediss://user:password@cache.example.org:6379",
            "rediss://cache.example.org:6379/0",
        ] {
            assert_eq!(read(url, "", "", "p").err(), Some(SettingsError::Url), "{url}");
        }
    }
}
