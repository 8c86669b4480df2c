//! What a client needs to know before it can connect.

use std::fmt;
use std::time::Duration;

use kmip::Version;
use zeroize::Zeroizing;

/// Where the nodes are, whom to trust, and who we are. Certificates and key are PEM.
#[derive(Clone)]
pub struct Settings {
    /// `host:port` of every node, tried in this order.
    pub nodes: Vec<String>,
    /// The name the nodes' certificates must carry; `None` means each node's own host.
    pub server_name: Option<String>,
    /// The authority of the nodes' certificates.
    pub authority_pem: Vec<u8>,
    /// Our certificate, with its chain.
    pub certificate_pem: Vec<u8>,
    /// The key of our certificate.
    pub key_pem: Zeroizing<Vec<u8>>,
    /// The protocol version to speak.
    pub version: Version,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Calls in flight at once, and so connections; more wait for their turn, within their deadline.
    pub connections_max: usize,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// One connection, handshake included. On a local network both take milliseconds; a second without
    /// an answer means a dead or frozen node.
    pub connect: Duration,
    /// One answer to a call that may be repeated, before another node is asked. Above the pause of a
    /// node whose lease is being renewed.
    pub attempt: Duration,
    /// A whole call, every attempt included. A withdrawal behind a partitioned node with the default
    /// lease ends within 5 s; this is twice that.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            attempt: Duration::from_secs(3),
            call: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// Default connections of one client: as many as the busiest load we measure.
    pub const CONNECTIONS_MAX: usize = 64;

    /// Settings with every default: KMIP 1.4, which the most servers speak.
    #[must_use]
    pub fn new(
        nodes: Vec<String>,
        authority_pem: Vec<u8>,
        certificate_pem: Vec<u8>,
        key_pem: Zeroizing<Vec<u8>>,
    ) -> Self {
        Self {
            nodes,
            server_name: None,
            authority_pem,
            certificate_pem,
            key_pem,
            version: Version::V1_4,
            timeouts: Timeouts::default(),
            connections_max: Self::CONNECTIONS_MAX,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("nodes", &self.nodes)
            .field("server_name", &self.server_name)
            .field("version", &self.version)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}
