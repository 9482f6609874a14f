//! Whether this node takes requests, and how it leaves when it is told to stop: load balancers first.
//!
//! A node that is about to stop says so at `/readyz` and goes on serving, so that whoever balances sends its visitors
//! elsewhere before any connection is closed; each answer asks to use another connection. Then requests in flight are
//! finished. A request that is sent on a connection while it is being closed could not be told from one that was carried
//! out, and no proxy may repeat it.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::error::ApiError;
use crate::app::App;

pub struct Readiness {
    /// Whether the database answers.
    database: watch::Receiver<bool>,
    stopping: AtomicBool,
}

impl Readiness {
    pub fn new(database: watch::Receiver<bool>) -> Self {
        Self { database, stopping: AtomicBool::new(false) }
    }

    fn is_ready(&self) -> bool {
        *self.database.borrow() && !self.is_stopping()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// While the node is stopping, no connection is used twice (RFC 9112 §9.6).
    pub fn part(&self, headers: &mut HeaderMap) {
        if self.is_stopping() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// From here on this node wants no more requests, and takes those that come.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

/// `GET /readyz`
pub async fn ready(State(app): State<App>) -> Response {
    if app.readiness.is_ready() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        ApiError::unavailable().into_response()
    }
}

/// Heeds signals from here on. Resolves when connections are to be closed: at SIGINT at once, since somebody sits there
/// and waits; at SIGTERM after `delay`, in which load balancers learn of it.
///
/// # Errors
/// If the system lets no signal be heeded.
pub fn told_to_stop(app: App, delay: Duration) -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => return app.readiness.stop(),
        }
        app.readiness.stop();
        tracing::info!(seconds = delay.as_secs(), "stopping");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = interrupt.recv() => {}
        }
    })
}
