//! Networks of addresses, by which is decided who may ask and who may be asked.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network, such as `10.0.0.0/8`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: write 10.0.0.0/8 or an address")]
pub struct BadNetwork(String);

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits = bits.unwrap_or_else(|| width(address));
        // `::ffff:10.0.0.0/104` is 10.0.0.0/8; with fewer than 96 bits it would hold addresses of both kinds.
        let canonical = address.to_canonical();
        let inner = bits.checked_sub(width(address) - width(canonical));
        let bits = inner.filter(|bits| *bits <= width(canonical)).ok_or_else(bad)?;
        Ok(Self { address: canonical, bits })
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// Reports whether an address is in the network. An IPv4 address that came over an IPv6 socket is itself.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (u32::from(network) ^ u32::from(address)).leading_zeros() >= self.bits
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (u128::from(network) ^ u128::from(address)).leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn addresses_are_in_their_networks() {
        for (network, address, holds) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::/0", "2001:db8::1", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("::ffff:10.0.0.0/104", "11.0.0.1", false),
            ("::ffff:10.1.2.3", "10.1.2.3", true),
            ("::ffff:10.1.2.3", "10.1.2.4", false),
            ("::ffff:0.0.0.0/96", "192.0.2.1", true),
            ("::ffff:0.0.0.0/96", "2001:db8::1", false),
        ] {
            let parsed: Network = network.parse().expect(network);
            assert_eq!(parsed.holds(address.parse().expect(address)), holds, "{network} {address}");
        }
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "host/8",
            "10.0.0.0/8/8",
            "::/129",
            "::ffff:10.0.0.0/95",
            "::ffff:0:0/0",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let mapped: Network = "::ffff:10.0.0.0/104".parse().expect("a network");
        assert_eq!(mapped.to_string(), "10.0.0.0/8");
    }

    /// An address as bits, the first one first; one of IPv4 as the IPv6 address that maps it.
    fn bits(address: IpAddr) -> Vec<bool> {
        let octets = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
    }

    /// Addresses of all three ways to write them.
    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<u32>().prop_map(|n| IpAddr::V4(n.into())),
            any::<u32>().prop_map(|n| IpAddr::V6(Ipv4Addr::from(n).to_ipv6_mapped())),
            any::<u128>().prop_map(|n| IpAddr::V6(n.into())),
        ]
    }

    proptest! {
        /// The same as comparing bit by bit, for addresses that share their first bits with the network too.
        #[test]
        fn a_network_holds_what_begins_with_its_bits(
            network in address(),
            other in address(),
            flipped in proptest::option::of(0..128_u32),
            length in 0..=128_u32,
        ) {
            let address = match (flipped, network) {
                (None, _) => other,
                (Some(bit), IpAddr::V4(near)) => IpAddr::V4((u32::from(near) ^ (1 << (bit % 32))).into()),
                (Some(bit), IpAddr::V6(near)) => IpAddr::V6((u128::from(near) ^ (1 << bit)).into()),
            };
            let parsed = format!("{network}/{length}").parse::<Network>();
            // How many bits that is behind those that every IPv4 address has as IPv6.
            let whole = if network.is_ipv4() { length + 96 } else { length };
            let mapped = network.to_canonical().is_ipv4();
            prop_assert_eq!(parsed.is_ok(), whole <= 128 && (!mapped || whole >= 96));
            if let Ok(parsed) = parsed {
                let same = bits(network).iter().zip(bits(address)).take(whole as usize).all(|(a, b)| *a == b);
                prop_assert_eq!(parsed.holds(address), same && mapped == address.to_canonical().is_ipv4());
            }
        }
    }
}
