//! HTTP/1.1 on each connection, and how long a peer may take (attacks HB-02).
//!
//! Whoever is slow holds a connection and its buffers, so each step has an end: a request's head here, a body and its
//! answer by the router's time limit, a peer that does not read here again.

mod impatient;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tower::Service;

use self::impatient::Impatient;
use super::connections::{Connection, Connections};
use super::remote::Peer;

/// Answers until `stop` resolves; then no connection is taken any more, and requests in flight are finished.
pub async fn serve(mut connections: Connections, router: Router, stop: impl Future<Output = ()>) {
    let open = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            (stream, peer) = connections.accept() => {
                let answering = open.watch(connection(stream, peer, router.clone()));
                tokio::spawn(async move {
                    if let Err(error) = answering.await {
                        tracing::trace!(%error, "a connection ended");
                    }
                });
            }
            () = &mut stop => break,
        }
    }
    drop(connections);
    open.shutdown().await;
}

/// The connection at work: a future that ends with it.
fn connection(stream: Connection, peer: Peer, router: Router) -> impl GracefulConnection<Error = hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MOST_BUFFERED)
        // More than 100 header lines are refused, as hyper does unless told otherwise: 431.
        .serve_connection(TokioIo::new(Impatient::new(stream, READING)), service)
}

/// For the next request's head, from the answer before it: so long may a connection be idle, too. Proxies keep idle
/// connections for longer, and look after them every 30 s at the most often: a request must not meet the closing.
const HEAD: Duration = Duration::from_secs(25);
/// For the peer to take an answer.
const READING: Duration = Duration::from_secs(30);
/// A request's head, in bytes, and what may wait to be sent.
const MOST_BUFFERED: usize = 64 * 1024;
