//! Ports for programs that bind them a moment later.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use uuid::Uuid;

/// Below those that the system gives to outgoing connections (from 32768 on Linux, 49152 elsewhere): one of those could be
/// taken before the program has bound it, and while the program is restarted.
const FIRST: u16 = 16_384;
const COUNT: u16 = 16_384;

/// Each test run begins somewhere else; within one, none is given twice.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(Uuid::new_v4().as_fields().1));

/// A port of all addresses that nobody listens on.
///
/// # Panics
/// All are taken.
pub fn free_port() -> u16 {
    let mut candidates = (0..COUNT).map(|_| FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT);
    candidates.find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok()).expect("a free port")
}
