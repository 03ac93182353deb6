//! Where a server is, and how one logs in to it.

use std::{str::FromStr, time::Duration};

use aws_types::SdkConfig;
use landslide_aws::{
    config::{self, ConfigError},
    secret,
};
use serde::Deserialize;
use tokio_postgres::config::{Host, SslMode};

use crate::{error::Error, tls::Trust};

/// Time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The variable with a certificate of the authority that vouches for the servers, as PEM.
pub const CA: &str = "ANALYTICS_CA";

/// Which of the two servers and for what, and the variables that lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The primary, which the sync writes to.
    Write,
    /// A replica, which the API reads from.
    Read,
    /// The primary again, as its administrator.
    Admin,
}

impl Side {
    /// The variable with the server's address.
    pub fn url(self) -> &'static str {
        match self {
            Self::Write => "ANALYTICS_WRITE_URL",
            Self::Read => "ANALYTICS_READ_URL",
            Self::Admin => "ANALYTICS_ADMIN_URL",
        }
    }

    /// The variable with the secret that has the password, if the address has none.
    pub fn secret(self) -> &'static str {
        match self {
            Self::Write => "ANALYTICS_WRITE_SECRET",
            Self::Read => "ANALYTICS_READ_SECRET",
            Self::Admin => "ANALYTICS_ADMIN_SECRET",
        }
    }
}

/// A server, a database, and a role with its password.
#[derive(Clone)]
pub struct Address {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) trust: Trust,
}

/// A secret as RDS makes it.
#[derive(Deserialize)]
struct Credentials {
    password: String,
}

impl Address {
    /// The address in the environment's variables. A password that is not in it is read from the secret.
    pub async fn from_env(aws: &SdkConfig, side: Side) -> Result<Self, Error> {
        let mut address = Self::parsed(side.url())?;
        if address.config.get_password().is_none() {
            let id = config::text(side.secret())?;
            address.config.password(password_of(aws, &id).await?);
        }
        Ok(address)
    }

    /// The address in the environment's variable alone, which has to have the password.
    pub fn with_password(side: Side) -> Result<Self, Error> {
        let address = Self::parsed(side.url())?;
        match address.config.get_password() {
            Some(_) => Ok(address),
            None => Err(ConfigError::Missing(side.secret()).into()),
        }
    }

    fn parsed(variable: &'static str) -> Result<Self, Error> {
        let url = config::text(variable)?;
        // The URL itself may have a password, so that no message shows it.
        Self::parse(&url, config::text_if_any(CA).as_deref()).map_err(|reason| invalid(variable, reason).into())
    }

    /// Parses `postgresql://ROLE[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=disable|verify-full]`.
    pub fn parse(url: &str, ca: Option<&str>) -> Result<Self, String> {
        let (url, mode) = match url.split_once("?sslmode=") {
            Some((url, mode)) => (url, mode),
            None => (url, "verify-full"),
        };
        let mut config =
            tokio_postgres::Config::from_str(url).map_err(|_| "it is no address of a database".to_owned())?;
        let tcp = config.get_hosts().iter().filter(|host| matches!(host, Host::Tcp(_))).count();
        if tcp != 1 || config.get_hosts().len() != 1 {
            return Err("it has to name one host".to_owned());
        }
        let is_local = config.get_hosts().contains(&Host::Tcp("127.0.0.1".to_owned()));
        for (part, value) in [("role", config.get_user()), ("database", config.get_dbname())] {
            if value.is_none_or(str::is_empty) {
                return Err(format!("it names no {part}"));
            }
        }
        let trust = match (mode, ca) {
            ("disable", _) if is_local => Trust::Nobody,
            ("disable", _) => return Err("only 127.0.0.1 may go without TLS (`sslmode=disable`)".to_owned()),
            ("verify-full", Some(pem)) => Trust::these(pem).ok_or(format!("{CA} holds no certificate as PEM"))?,
            ("verify-full", None) => Trust::amazon(),
            (other, _) => return Err(format!("sslmode={other} is not one of `verify-full` and `disable`")),
        };
        config.ssl_mode(if trust.is_anybody() { SslMode::Require } else { SslMode::Disable });
        config.connect_timeout(CONNECT_TIMEOUT).application_name("landslide");
        Ok(Self { config, trust })
    }

    /// Host and port, for messages.
    pub fn server(&self) -> String {
        let host = self.config.get_hosts().iter().find_map(|host| match host {
            Host::Tcp(name) => Some(name.as_str()),
            Host::Unix(_) => None,
        });
        format!("{}:{}", host.unwrap_or_default(), self.config.get_ports().first().unwrap_or(&5432))
    }

    /// The role.
    pub fn role(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// The role's password.
    pub fn password(&self) -> &[u8] {
        self.config.get_password().unwrap_or_default()
    }

    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }
}

async fn password_of(aws: &SdkConfig, id: &str) -> Result<String, Error> {
    let text = secret::read_text(aws, id).await?;
    let read: Option<Credentials> = serde_json::from_str(&text).ok();
    Ok(read.ok_or_else(|| Error::NoPasswordIn(id.to_owned()))?.password)
}

fn invalid(name: &'static str, reason: String) -> ConfigError {
    ConfigError::Invalid { name, value: "…".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, ca: Option<&str>) -> String {
        Address::parse(url, ca).err().unwrap_or_default()
    }

    #[test]
    fn an_address_names_server_database_and_role() {
        let address = Address::parse("postgresql://landslide_api:a%40b@db.example.org:5433/landslide", None).unwrap();
        assert_eq!((address.server(), address.role()), ("db.example.org:5433".to_owned(), "landslide_api"));
        assert_eq!((address.password(), address.database()), (&b"a@b"[..], "landslide"));
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn only_this_machine_goes_without_tls() {
        let local = Address::parse("postgresql://role@127.0.0.1/db?sslmode=disable", None).unwrap();
        assert_eq!(local.config.get_ssl_mode(), SslMode::Disable);
        assert!(refused("postgresql://role@db.example.org/db?sslmode=disable", None).contains("127.0.0.1"));
        assert!(refused("postgresql://role@127.0.0.1/db?sslmode=prefer", None).contains("sslmode=prefer"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (url, part) in [
            ("postgresql://db.example.org/db", "role"),
            ("postgresql://role@db.example.org", "database"),
            ("postgresql://role@one,two/db", "one host"),
            ("db.example.org", "no address"),
        ] {
            assert!(refused(url, None).contains(part), "{url}: {}", refused(url, None));
        }
        assert!(refused("postgresql://role@db/db", Some("nonsense")).contains(CA));
    }

    #[test]
    fn no_message_shows_a_password() {
        let shown = invalid(Side::Read.url(), refused("postgresql://role:hush@one,two/db", None)).to_string();
        assert!(shown.contains("ANALYTICS_READ_URL") && !shown.contains("hush"), "{shown}");
    }
}
