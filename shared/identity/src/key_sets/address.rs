//! Decides which addresses may be asked for keys. They come from configurations and discovery documents: none may lead
//! to what only this process can reach.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs},
    str::FromStr,
    sync::LazyLock,
};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use http::Uri;
use ipnet::{Ipv4Net, Ipv6Net};

/// The port of https.
const HTTPS_PORT: u16 = 443;

/// How far requests may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// To public addresses, over https.
    #[default]
    Public,
    /// Also to this machine, over http and to any port: for local clouds and tests.
    PublicAndLoopback,
}

/// Why an address is refused. Does not repeat it, as it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not an absolute address.
    #[error("is not an address")]
    NotAnAddress,
    /// It has a user, and perhaps a password.
    #[error("has a user in its address")]
    User,
    /// It has another protocol or port.
    #[error("is not an https address on port 443")]
    NotHttps,
    /// Its host is a non-public IP address.
    #[error("is an address that is not public")]
    NotPublic,
}

/// Non-public blocks in IANA's special-purpose registries, and multicast.
static IPV4_NOT_PUBLIC: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    nets(&[
        "0.0.0.0/8",       // this network
        "10.0.0.0/8",      // private
        "100.64.0.0/10",   // carrier-grade NAT
        "127.0.0.0/8",     // loopback
        "169.254.0.0/16",  // link-local; credentials of instances and containers
        "172.16.0.0/12",   // private
        "192.0.0.0/24",    // protocol assignments
        "192.0.2.0/24",    // documentation
        "192.31.196.0/24", // AS112
        "192.52.193.0/24", // AMT
        "192.88.99.0/24",  // relays of 6to4
        "192.168.0.0/16",  // private
        "192.175.48.0/24", // AS112
        "198.18.0.0/15",   // benchmarks
        "198.51.100.0/24", // documentation
        "203.0.113.0/24",  // documentation
        "224.0.0.0/4",     // multicast
        "240.0.0.0/4",     // reserved, broadcast
    ])
});
/// Everything assigned as global unicast.
static IPV6_GLOBAL: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| nets(&["2000::/3"]));
/// Non-public blocks within it.
static IPV6_NOT_PUBLIC: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| {
    nets(&[
        "2001::/23",         // protocol assignments, Teredo
        "2001:db8::/32",     // documentation
        "2002::/16",         // 6to4, which leads to any IPv4 address
        "2620:4f:8000::/48", // AS112
        "3fff::/20",         // documentation
    ])
});
/// The NAT64 prefix for IPv4 addresses (RFC 6052).
const NAT64_PREFIX: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// The tests find a block that can't be parsed.
fn nets<N: FromStr>(blocks: &[&str]) -> Vec<N> {
    blocks.iter().filter_map(|block| block.parse().ok()).collect()
}

/// Fails if the address, judged by its text alone, may not be asked.
pub fn check_uri(uri: &str, reach: Reach) -> Result<(), AddressError> {
    let uri: Uri = uri.parse().map_err(|_| AddressError::NotAnAddress)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(AddressError::NotAnAddress);
    };
    if authority.as_str().contains('@') {
        return Err(AddressError::User);
    }
    if reach == Reach::PublicAndLoopback && is_this_machine(authority.host()) {
        return if matches!(scheme, "http" | "https") { Ok(()) } else { Err(AddressError::NotHttps) };
    }
    if scheme != "https" || uri.port_u16().is_some_and(|port| port != HTTPS_PORT) {
        return Err(AddressError::NotHttps);
    }
    match literal(authority.host()) {
        // The client does not resolve it.
        Some(address) if !is_public(address) => Err(AddressError::NotPublic),
        _ => Ok(()),
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || literal(host).is_some_and(|address| address.is_loopback())
}

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether anyone on the Internet can reach an address.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !IPV4_NOT_PUBLIC.iter().any(|block| block.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let is_in = |blocks: &[Ipv6Net]| blocks.iter().any(|block| block.contains(&address));
    is_in(&IPV6_GLOBAL) && !is_in(&IPV6_NOT_PUBLIC)
}

/// The IPv4 address inside an IPv6 address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if address.segments().starts_with(&NAT64_PREFIX) {
        let [.., a, b, c, d] = address.octets();
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    address.to_ipv4_mapped()
}

/// Resolves names, and fails if any address is not public. The client connects to the very addresses that were checked.
#[derive(Clone, Debug)]
pub struct CheckedResolver(pub Reach);

impl ResolveDns for CheckedResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let (reach, host) = (self.0, name.to_owned());
        DnsFuture::new(async move {
            let resolved = tokio::task::spawn_blocking(move || (host, 0).to_socket_addrs()).await;
            let addresses: Vec<IpAddr> = match resolved {
                Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
                Ok(Err(error)) => return Err(ResolveDnsError::new(error)),
                Err(error) => return Err(ResolveDnsError::new(error)),
            };
            check_resolved(&addresses, reach).map_err(ResolveDnsError::new)?;
            Ok(addresses)
        })
    }
}

fn check_resolved(addresses: &[IpAddr], reach: Reach) -> Result<(), AddressError> {
    let is_allowed =
        |address: &IpAddr| is_public(*address) || (reach == Reach::PublicAndLoopback && address.is_loopback());
    if addresses.iter().all(is_allowed) { Ok(()) } else { Err(AddressError::NotPublic) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_one() {
        assert_eq!((IPV4_NOT_PUBLIC.len(), IPV6_GLOBAL.len(), IPV6_NOT_PUBLIC.len()), (18, 1, 5));
    }

    #[test]
    fn only_public_addresses_are_asked() {
        for address in ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.32.0.1", "223.255.255.255"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["2606:4700::1111", "2a00:1450:4001::200e", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:a00:1::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "::127.0.0.1",
            "100::1",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn addresses_are_https_on_443_without_a_user() {
        let check = |uri: &str| check_uri(uri, Reach::Public);
        for uri in [
            "https://id.example.org/jwks",
            "https://id.example.org:443/jwks?tenant=1",
            "https://8.8.8.8/jwks",
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
        for (uri, error) in [
            ("", AddressError::NotAnAddress),
            ("/jwks", AddressError::NotAnAddress),
            ("id.example.org/jwks", AddressError::NotAnAddress),
            ("https://", AddressError::NotAnAddress),
            ("https://a b/jwks", AddressError::NotAnAddress),
            ("file:///etc/passwd", AddressError::NotAnAddress),
            ("http://id.example.org/jwks", AddressError::NotHttps),
            ("http://localhost/jwks", AddressError::NotHttps),
            ("http://127.0.0.1:9410/jwks", AddressError::NotHttps),
            ("ftp://localhost/jwks", AddressError::NotHttps),
            ("https://id.example.org:8443/jwks", AddressError::NotHttps),
            ("https://user:word@id.example.org/jwks", AddressError::User),
            ("http://localhost@id.example.org/jwks", AddressError::User),
            ("https://10.0.0.1/jwks", AddressError::NotPublic),
            ("https://169.254.169.254/latest/meta-data", AddressError::NotPublic),
            ("https://[::1]/jwks", AddressError::NotPublic),
            ("https://[::ffff:10.0.0.1]/jwks", AddressError::NotPublic),
        ] {
            assert_eq!(check(uri), Err(error), "{uri}");
        }
    }

    #[test]
    fn this_machine_is_asked_only_where_it_may_be() {
        let check = |uri: &str| check_uri(uri, Reach::PublicAndLoopback);
        for uri in [
            "http://localhost/jwks",
            "http://LOCALHOST:9410/jwks",
            "http://127.0.0.1:9410/jwks",
            "http://[::1]:9410/jwks",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
        for uri in ["http://localhost.example.org/jwks", "http://10.0.0.1/jwks", "ftp://localhost/jwks"] {
            assert_eq!(check(uri), Err(AddressError::NotHttps), "{uri}");
        }
        let (here, private) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 1]));
        assert_eq!(check_resolved(&[here], Reach::PublicAndLoopback), Ok(()));
        assert_eq!(check_resolved(&[here, private], Reach::PublicAndLoopback), Err(AddressError::NotPublic));
    }

    #[test]
    fn a_name_with_one_address_that_is_not_public_is_not_asked() {
        let (public, here) = (IpAddr::from([8, 8, 8, 8]), IpAddr::from([127, 0, 0, 1]));
        assert_eq!(check_resolved(&[public], Reach::Public), Ok(()));
        assert_eq!(check_resolved(&[public, here], Reach::Public), Err(AddressError::NotPublic));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_resolved_and_refused() {
        for name in ["localhost", "127.1", "2130706433"] {
            let error = CheckedResolver(Reach::Public).resolve_dns(name).await.unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(cause, AddressError::NotPublic.to_string(), "{name}");
        }
        assert!(!CheckedResolver(Reach::PublicAndLoopback).resolve_dns("localhost").await.unwrap().is_empty());
    }
}
