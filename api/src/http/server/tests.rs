//! Time is paused: it moves on by itself when everybody waits.

use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower_http::timeout::TimeoutLayer;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "well" }))
        .route("/taken", post(|body: String| async move { body }))
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(20)).await }))
        .route("/much", get(|| async { "x".repeat(1_000_000) }))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PATIENCE))
}

/// The other end of a connection, and what becomes of it.
fn connect() -> (DuplexStream, JoinHandle<hyper::Result<()>>) {
    let (ours, theirs) = tokio::io::duplex(1024);
    let peer = Peer { address: None, proxied: None };
    (ours, tokio::spawn(connection(Box::new(theirs), peer, router())))
}

/// Seconds until the connection was closed.
async fn until_closed(peer: &mut DuplexStream) -> (u64, String) {
    let begun = Instant::now();
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.unwrap();
    (begun.elapsed().as_secs(), String::from_utf8(said).unwrap())
}

#[tokio::test(start_paused = true)]
async fn hb02_whoever_says_nothing_or_never_comes_to_an_end_is_cut_off() {
    let (mut silent, _) = connect();
    assert_eq!(until_closed(&mut silent).await, (25, String::new()));

    let (slow, answering) = connect();
    let (mut reader, mut writer) = tokio::io::split(slow);
    let dripping = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").await.unwrap();
        while writer.write_all(b"X-a: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let begun = Instant::now();
    assert_eq!(reader.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 25);
    assert!(answering.await.unwrap().unwrap_err().is_timeout());
    dripping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn hb02_a_body_that_does_not_come_is_cut_off() {
    let (mut slow, _) = connect();
    slow.write_all(b"POST /taken HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx").await.unwrap();

    let (seconds, said) = until_closed(&mut slow).await;

    assert_eq!(seconds, 30);
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
}

#[tokio::test(start_paused = true)]
async fn hb02_whoever_takes_nothing_of_an_answer_is_cut_off() {
    let (mut greedy, answering) = connect();
    greedy.write_all(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();

    let begun = Instant::now();
    answering.await.unwrap().unwrap_err();

    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn hb02_whoever_takes_an_answer_byte_by_byte_is_cut_off() {
    let (mut slow, answering) = connect();
    slow.write_all(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let sipping = tokio::spawn(async move {
        while slow.read(&mut [0; 1]).await.is_ok_and(|length| length == 1) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });

    let begun = Instant::now();
    answering.await.unwrap().unwrap_err();

    assert_eq!(begun.elapsed().as_secs(), 30);
    sipping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_takes_further_requests_for_a_while() {
    let (mut peer, _) = connect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        peer.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut said = [0; 512];
        let length = peer.read(&mut said).await.unwrap();
        assert!(said[..length].starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(until_closed(&mut peer).await.0, 25);
}

#[tokio::test(start_paused = true)]
async fn hb02_heads_without_end_are_refused() {
    for lines in [vec![format!("Cookie: {}\r\n", "x".repeat(70_000))], vec!["X-a: b\r\n".to_owned(); 101]] {
        let (peer, _) = connect();
        let (mut reader, mut writer) = tokio::io::split(peer);
        let head = format!("GET / HTTP/1.1\r\n{}\r\n", lines.concat());
        tokio::spawn(async move { writer.write_all(head.as_bytes()).await });

        let mut said = [0; 512];
        let length = reader.read(&mut said).await.unwrap();

        assert!(said[..length].starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_server_stops_a_request_in_flight_is_answered_and_the_connection_closed() {
    let (mut peer, theirs) = tokio::io::duplex(1024);
    let open = GracefulShutdown::new();
    let answering = connection(Box::new(theirs), Peer { address: None, proxied: None }, router());
    tokio::spawn(open.watch(answering));
    peer.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let stopped = tokio::spawn(open.shutdown());

    let (seconds, said) = until_closed(&mut peer).await;
    assert_eq!(seconds, 19);
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.contains("connection: close"), "{said}");
    stopped.await.unwrap();
}
