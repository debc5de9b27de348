//! Where the servers of a demo listen, chosen before one of them starts: iaasmon's configuration names them all.

use super::DemoError;
use super::block::{Block, free_port};
use super::run::Options;
use std::net::SocketAddr;

/// Servers of a cluster, hence addresses: two Prometheus, two Alertmanagers, two proxies, and the pushgateway with its pusher.
const SERVERS: u8 = 7;

/// Where the servers of one cluster listen.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) prometheus: [SocketAddr; 2],
    pub(crate) alertmanager: [SocketAddr; 2],
    pub(crate) gossip: [SocketAddr; 2],
    pub(crate) proxy: Option<[SocketAddr; 2]>,
    pub(crate) push: Option<Push>,
}

/// Where what is pushed goes to, and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Push {
    pub(crate) gateway: SocketAddr,
    pub(crate) pusher: SocketAddr,
}

impl Addresses {
    /// Chooses those of cluster number `cluster`, on the usual ports where these are free.
    pub(crate) fn choose(block: &Block, cluster: u8, options: &Options) -> Result<Self, DemoError> {
        let pair = |first: u8, port: u16| -> Result<[SocketAddr; 2], DemoError> {
            let index = cluster * SERVERS + first;
            Ok([endpoint(block, index, port)?, endpoint(block, index + 1, port)?])
        };
        let push = || -> Result<Push, DemoError> {
            let index = cluster * SERVERS + 6;
            Ok(Push { gateway: endpoint(block, index, 9091)?, pusher: endpoint(block, index, 10108)? })
        };
        Ok(Self {
            prometheus: pair(0, 9090)?,
            alertmanager: pair(2, 9093)?,
            gossip: pair(2, 9094)?,
            proxy: if options.proxies { Some(pair(4, 10106)?) } else { None },
            push: if options.pushgateway { Some(push()?) } else { None },
        })
    }
}

/// Returns an address for server `index` of the block, on `port` when that is free.
pub(super) fn endpoint(block: &Block, index: u8, port: u16) -> Result<SocketAddr, DemoError> {
    let address = block.server(index);
    Ok((address, free_port(address, port)?).into())
}
