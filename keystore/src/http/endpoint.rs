//! Where a root may be.

use std::net::IpAddr;

use super::fault::HttpFault;
use crate::Site;

/// An `https` address that this node may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    /// Named by the node's operator, not only by the root's owner: may have a private address.
    vouched: bool,
}

impl Endpoint {
    /// Takes `https://host[:port]` apart and judges it: `clouds` are patterns of hosts that everybody
    /// may name (port 443), the site's list is the operator's.
    pub fn parse(url: &str, site: &Site, clouds: &[&str]) -> Result<Self, HttpFault> {
        let refused = |why| HttpFault::Address { url: url.to_owned(), why };
        let rest = url.strip_prefix("https://").ok_or_else(|| refused("it does not begin with https://"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(|c: char| !(c.is_ascii_alphanumeric() || "-.:[]".contains(c))) {
            return Err(refused("it is more than a host and a port"));
        }
        Self::of_authority(authority, 443, site, clouds)
    }

    /// The same for `host[:port]`.
    pub fn of_authority(
        authority: &str,
        default_port: u16,
        site: &Site,
        clouds: &[&str],
    ) -> Result<Self, HttpFault> {
        let refused = |why| HttpFault::Address { url: authority.to_owned(), why };
        let (host, port) = split(authority, default_port).ok_or_else(|| refused("it is no host and port"))?;
        let host = host.to_ascii_lowercase();
        if host.is_empty() || host.len() > 253 || host.contains(|c: char| !is_host_char(c)) {
            return Err(refused("it is no host name"));
        }
        let vouched = site.allow.iter().any(|pattern| allows(pattern, &host, port));
        let cloud = port == 443 && clouds.iter().any(|pattern| matches(pattern, &host));
        if vouched || cloud {
            Ok(Self { host, port, vouched })
        } else {
            Err(HttpFault::NotAllowed { host, port })
        }
    }

    /// The host, lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As `host:port`.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The `Host` header: without the port where that is 443.
    pub fn host_header(&self) -> String {
        if self.port == 443 { self.host.clone() } else { self.authority() }
    }

    /// Whether we may connect to this address of it.
    pub fn may_reach(&self, address: IpAddr, site: &Site) -> bool {
        match nature(address.to_canonical()) {
            Nature::Public => true,
            Nature::Private => self.vouched,
            Nature::Loopback => site.danger_allow_loopback,
            Nature::Never => false,
        }
    }
}

/// What an address is to us.
enum Nature {
    Public,
    /// Somebody's own network: hosts in it were not meant to be asked by strangers' leave.
    Private,
    Loopback,
    /// Link-local (every cloud's metadata service is), multicast, broadcast, unspecified.
    Never,
}

fn nature(address: IpAddr) -> Nature {
    let (loopback, never, private) = match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b); // RFC 6598
            let never = v4.is_link_local() || v4.is_multicast() || v4.is_broadcast() || a == 0 || a >= 240;
            (v4.is_loopback(), never, v4.is_private() || shared)
        }
        IpAddr::V6(v6) => {
            let never = v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified();
            // NAT64 and 6to4 carry an IPv4 address that was not judged.
            let carries_v4 = matches!(v6.segments(), [0x64, 0xff9b, ..] | [0x2002, ..]);
            (v6.is_loopback(), never || carries_v4, v6.is_unique_local())
        }
    };
    match (loopback, never, private) {
        (true, ..) => Nature::Loopback,
        (_, true, _) => Nature::Never,
        (.., true) => Nature::Private,
        _ => Nature::Public,
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn split(authority: &str, default_port: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None => default_port,
    };
    Some((host, port))
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':')
}

/// An operator's `host:port`, either with `*` for a part; the port may be `*` as a whole.
fn allows(pattern: &str, host: &str, port: u16) -> bool {
    let Some((host_pattern, port_pattern)) = pattern.rsplit_once(':') else {
        return matches(pattern, host) && port == 443;
    };
    let host_pattern = host_pattern.trim_start_matches('[').trim_end_matches(']');
    (port_pattern == "*" || port_pattern.parse() == Ok(port)) && matches(host_pattern, host)
}

/// Label by label; a `*` stands for any text within one label.
fn matches(pattern: &str, host: &str) -> bool {
    let (mut patterns, mut labels) = (pattern.split('.'), host.split('.'));
    loop {
        match (patterns.next(), labels.next()) {
            (None, None) => return true,
            (Some(pattern), Some(label)) if label_matches(&pattern.to_ascii_lowercase(), label) => {}
            _ => return false,
        }
    }
}

fn label_matches(pattern: &str, label: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == label,
        Some((start, end)) => {
            label.len() >= start.len() + end.len() && label.starts_with(start) && label.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUDS: &[&str] = &["kms.*.amazonaws.com", "*.vault.azure.net"];

    fn site() -> Site {
        Site { allow: vec!["bao-*.example.com:8200".to_owned(), "10.1.2.3:*".to_owned()], ..Site::default() }
    }

    fn check(url: &str, expected: &str) {
        let outcome = match Endpoint::parse(url, &site(), CLOUDS) {
            Ok(endpoint) => endpoint.authority(),
            Err(HttpFault::NotAllowed { .. }) => "not allowed".to_owned(),
            Err(HttpFault::Address { .. }) => "no address".to_owned(),
            Err(other) => panic!("{url}: {other:?}"),
        };
        assert_eq!(outcome, expected, "{url}");
    }

    #[test]
    fn only_what_is_on_the_list_is_asked() {
        check("https://kms.eu-central-1.amazonaws.com", "kms.eu-central-1.amazonaws.com:443");
        check("https://KMS.eu-central-1.amazonaws.com/", "kms.eu-central-1.amazonaws.com:443");
        check("https://a.vault.azure.net", "a.vault.azure.net:443");
        check("https://bao-1.example.com:8200", "bao-1.example.com:8200");
        check("https://10.1.2.3:1", "10.1.2.3:1");

        check("https://kms.eu-central-1.amazonaws.com:8443", "not allowed");
        check("https://kms.amazonaws.com", "not allowed");
        check("https://kms.a.b.amazonaws.com", "not allowed");
        check("https://kms.x.amazonaws.com.evil.example", "not allowed");
        check("https://evil.example#.vault.azure.net", "no address");
        check("https://bao-1.example.com", "not allowed");
        check("https://bao-1.example.com.evil:8200", "not allowed");
        check("https://169.254.169.254", "not allowed");
        check("https://localhost", "not allowed");
        check("https://[::1]:8200", "not allowed");
        check("http://a.vault.azure.net", "no address");
        check("file:///etc/shadow", "no address");
        check("https://user@a.vault.azure.net", "no address");
        check("https://a.vault.azure.net@evil.example", "no address");
        check("https://evil.example/a.vault.azure.net", "no address");
        check("https://evil.example\\.vault.azure.net", "no address");
        check("https://a.vault.azure.net:0", "no address");
        check("https://a.vault.azure.net:443:443", "no address");
        check("https://", "no address");
        check("https://a.vault.azure.net?x", "no address");
    }

    #[test]
    fn what_a_name_resolves_to_is_judged_too() {
        let cloud = Endpoint::parse("https://a.vault.azure.net", &site(), CLOUDS).unwrap();
        let own = Endpoint::parse("https://bao-1.example.com:8200", &site(), CLOUDS).unwrap();
        let dev = Site { danger_allow_loopback: true, ..site() };
        let reach = |endpoint: &Endpoint, address: &str, site: &Site| {
            endpoint.may_reach(address.parse().unwrap(), site)
        };
        for public in ["20.1.2.3", "2603:1000::1", "::ffff:20.1.2.3"] {
            assert!(reach(&cloud, public, &site()), "{public}");
        }
        for private in ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(!reach(&cloud, private, &site()), "{private}");
            assert!(reach(&own, private, &site()), "{private}");
        }
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(!reach(&own, loopback, &site()), "{loopback}");
            assert!(reach(&own, loopback, &dev), "{loopback}");
        }
        for never in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "fe80::1",
            "ff02::1",
            "::",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(!reach(&own, never, &dev), "{never}");
        }
    }
}
