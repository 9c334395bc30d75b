//! A port of this machine that belongs to a test, whether or not anybody listens there.

use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;

/// A port that is held, without listening: nobody else gets it meanwhile, and a server of the test may start there, and
/// start again. Until it does, connections are refused.
pub(crate) struct Port {
    pub(crate) number: u16,
    _held: Socket,
}

impl Port {
    pub(crate) fn hold() -> Self {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // As a listener does, so both may have it.
        held.set_reuse_address(true).unwrap();
        held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self { number: held.local_addr().unwrap().as_socket().unwrap().port(), _held: held }
    }
}
