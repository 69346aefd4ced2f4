//! Ports for the servers of tests.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Those below the ones that Linux gives to connections: no client takes one meanwhile.
const OURS: std::ops::Range<u16> = 10_000..32_000;

/// Ports nobody listens on. All are held until all are found, so they differ.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let held = [(); COUNT].map(|()| free_port());
    held.map(|listener| listener.local_addr().expect("it listens").port())
}

/// As many different ports that nobody listens on.
pub fn free(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count).map(|_| free_port()).collect();
    held.iter().map(|listener| listener.local_addr().expect("it listens").port()).collect()
}

/// Each process begins somewhere else, and comes back to a port only after all others.
fn free_port() -> TcpListener {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = process::id().wrapping_mul(97);
    let port = || {
        let taken = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        let place = first.wrapping_add(taken) % u32::from(OURS.end - OURS.start);
        OURS.start + u16::try_from(place).expect("a port")
    };
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, port())).ok();
    OURS.into_iter().find_map(bind).expect("a free port")
}

/// A port nobody will listen on for as long as the listener lives: it takes no connection.
pub fn closed_port() -> u16 {
    let [port] = free_ports();
    port
}
