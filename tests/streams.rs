//! What carries streams of records besides plain TCP: TLS and RELP, against peers that are wrong, slow or many.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: its helpers fail by panicking"
)]

#[path = "streams/admission.rs"]
mod admission;
#[path = "streams/pki.rs"]
mod pki;
#[path = "streams/proxy.rs"]
mod proxy;
#[path = "streams/relp.rs"]
mod relp;
#[path = "streams/renewal.rs"]
mod renewal;
#[path = "streams/rig.rs"]
mod rig;
#[path = "streams/tls.rs"]
mod tls;
