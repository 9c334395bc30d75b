//! Floor 3: what counts as one source, and which networks are trusted or ignored.

use super::Options;
use super::connection::Facts;
use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};

/// A source as a key: an IPv4 address, or an IPv6 network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct SourceKey(u128);

impl SourceKey {
    /// The source of an address. An IPv4 address is its IPv4-mapped self, which no IPv6 network of ours equals:
    /// mapped addresses are IPv4 addresses before they come here.
    pub(super) fn new(addr: IpAddr, ipv6_prefix: u8) -> Self {
        match addr {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => {
                let dropped = 128 - u32::from(ipv6_prefix.min(128));
                Self(v6.to_bits() & u128::MAX.checked_shl(dropped).unwrap_or(0))
            }
        }
    }

    /// The address, or the first one of the network.
    pub(super) fn addr(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from_bits(self.0)).to_canonical()
    }

    /// Writes the address, or the network with its prefix.
    pub(super) fn write(self, ipv6_prefix: u8, text: &mut String) {
        text.clear();
        let written = match self.addr() {
            IpAddr::V6(v6) if ipv6_prefix < 128 => write!(text, "{v6}/{ipv6_prefix}"),
            addr => write!(text, "{addr}"),
        };
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }
}

/// What the options say of an address.
pub(super) fn standing(options: &Options, addr: IpAddr) -> Facts {
    let mut facts = Facts::default();
    if options.ignore_networks.iter().any(|network| network.contains(&addr)) {
        facts.add(Facts::IGNORED);
    }
    if options.trusted_networks.iter().any(|network| network.contains(&addr)) {
        facts.add(Facts::TRUSTED);
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(addr: &str, prefix: u8) -> String {
        let mut text = String::new();
        SourceKey::new(addr.parse().unwrap(), prefix).write(prefix, &mut text);
        text
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        assert_eq!(text("192.0.2.9", 64), "192.0.2.9");
        assert_eq!(text("2001:db8:1:2:3::4", 64), "2001:db8:1:2::/64");
        assert_eq!(text("2001:db8:1:2:3::4", 48), "2001:db8:1::/48");
        assert_eq!(text("2001:db8::4", 128), "2001:db8::4");
        assert_eq!(text("2001:db8::4", 0), "::/0");
        let key = |addr: &str| SourceKey::new(addr.parse().unwrap(), 64);
        assert_eq!(key("2001:db8::1"), key("2001:db8::2"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
