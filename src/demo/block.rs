//! The addresses of one demo: a /16 of the loopback network that no other demo uses.
//!
//! Nodes and servers each have an address of their own, so the usual ports are free and the screens
//! look as they do at work. A block is reserved by listening on its last address.

use super::DemoError;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// The port whose listener says that a block is taken.
const RESERVATION_PORT: u16 = 10_100;
/// Nodes per /24, so that no address ends in .0 or .255.
const NODES_PER_NET: u32 = 250;
/// How many nodes fit into a block beside its servers.
pub(crate) const MAX_NODES: u32 = 240 * NODES_PER_NET;

/// A reserved /16 of 127.0.0.0/8, given back when dropped.
#[derive(Debug)]
pub(crate) struct Block {
    second: u8,
    _reservation: TcpListener,
}

impl Block {
    /// Reserves a block; `seed` spreads demos that start at the same time.
    pub(crate) fn reserve(seed: u32) -> Result<Self, DemoError> {
        let candidates = 16..=254_u8;
        let start = (seed % 239) as usize;
        candidates
            .clone()
            .cycle()
            .skip(start)
            .take(candidates.len())
            .find_map(|second| {
                let address = Ipv4Addr::new(127, second, 255, 254);
                let listener = TcpListener::bind((address, RESERVATION_PORT)).ok()?;
                Some(Self { second, _reservation: listener })
            })
            .ok_or(DemoError::NoBlock)
    }

    /// Returns the second byte, which names the block.
    pub(crate) fn second(&self) -> u8 {
        self.second
    }

    /// Returns the address of server number `index`.
    pub(crate) fn server(&self, index: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.second, 250, index + 1)
    }

    /// Returns the port that all nodes of this block listen on: the exporter's own where it is free.
    pub(crate) fn node_port(&self) -> Result<u16, DemoError> {
        free_port(Ipv4Addr::new(127, self.second, 255, 253), 10_105)
    }
}

/// Returns the address of node number `index` in the block named `second`.
pub(crate) fn node_address(second: u8, index: u32) -> Ipv4Addr {
    let net = u8::try_from(index / NODES_PER_NET).expect("nodes are limited to MAX_NODES");
    let host = u8::try_from(index % NODES_PER_NET + 1).expect("at most NODES_PER_NET");
    Ipv4Addr::new(127, second, net, host)
}

/// Returns `preferred` when it is free on `address`, else any free port there.
///
/// The preferred one is taken by servers that listen on every address of the machine.
pub(crate) fn free_port(address: Ipv4Addr, preferred: u16) -> Result<u16, DemoError> {
    let listener = TcpListener::bind((address, preferred))
        .or_else(|_| TcpListener::bind((address, 0)))
        .map_err(DemoError::file(SocketAddr::from((address, preferred)).to_string()))?;
    let bound = listener.local_addr().map_err(DemoError::file(address.to_string()))?;
    Ok(bound.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_demos_never_share_a_block() {
        let first = Block::reserve(7).unwrap();
        let second = Block::reserve(7).unwrap();
        assert_ne!(first.second(), second.second());
    }

    #[test]
    fn a_taken_port_is_replaced_by_a_free_one() {
        let block = Block::reserve(11).unwrap();
        let holder = TcpListener::bind((block.server(9), 9_090)).unwrap();
        let port = free_port(block.server(9), 9_090).unwrap();
        assert_ne!(port, holder.local_addr().unwrap().port());
    }

    #[test]
    fn every_node_has_its_own_address() {
        let all: std::collections::HashSet<_> = (0..MAX_NODES).map(|i| node_address(20, i)).collect();
        assert_eq!(all.len(), MAX_NODES as usize);
        assert_eq!(node_address(20, 250), Ipv4Addr::new(127, 20, 1, 1));
    }
}
