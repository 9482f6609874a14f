//! Whose word about a visitor's address counts, on real connections. Attack RL-02.

use chancery_api::config::{Config, Listen};
use chancery_api::http::connections::Connections;
use chancery_api::http::server;
use chancery_api::router;
use chancery_tests::node::STATIC_API_KEY;
use chancery_tests::server::Server;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

/// An address that no test trusts.
const STRANGER: &str = "127.0.0.7";

async fn connect(server: &Server, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let port = server.base.rsplit(':').next().unwrap();
    socket.connect(format!("127.0.0.1:{port}").parse().unwrap()).await.unwrap()
}

/// Creates a group on a connection that begins with these bytes, and returns the status and the address on the record.
async fn act<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    mut stream: S,
    begins: &[u8],
    header: &str,
) -> (String, String) {
    let name = uuid::Uuid::new_v4().simple().to_string();
    let body = format!("{{\"name\":\"{name}\",\"friendlyName\":\"{name}\"}}");
    let request = format!(
        "POST /api/user-groups HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: {STATIC_API_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{header}\r\n{body}",
        body.len()
    );
    stream.write_all(begins).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is refused may be reset while we still write.
    stream.read_to_end(&mut answer).await.ok();
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned();
    let mut admin = server.admin.clone().from_address(STRANGER);
    let path = "/api/audit-logs/all?pagination[limit]=1";
    let all = admin.get(path).await.expect(200).json();
    (status, all["data"][0]["ipAddress"].as_str().unwrap_or_default().to_owned())
}

fn v2(command: u8, source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, 0x11, 0, 12]);
    header.extend(source);
    header.extend([127, 0, 0, 1, 0x12, 0x67, 0, 80]);
    header
}

#[tokio::test]
async fn rl02_a_proxy_introduces_the_visitor_by_the_proxy_protocol() {
    let server = Server::with(&[("TRUST_PROXY", "127.0.0.1"), ("PROXY_PROTOCOL", "true")]).await;

    for (begins, header, address) in [
        (b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n".to_vec(), "", "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n".to_vec(), "", "2001:db8::7"),
        (v2(1, [203, 0, 113, 8]), "", "203.0.113.8"),
        // What the visitor says then is the visitor's word.
        (v2(1, [203, 0, 113, 8]), "X-Forwarded-For: 198.51.100.1\r\n", "203.0.113.8"),
        // A proxy that speaks for another proxy.
        (v2(1, [127, 0, 0, 1]), "X-Forwarded-For: 203.0.113.9\r\n", "203.0.113.9"),
        // A check of the proxy's own.
        (b"PROXY UNKNOWN\r\n".to_vec(), "", "127.0.0.1"),
        (v2(0, [203, 0, 113, 8]), "", "127.0.0.1"),
    ] {
        let answer = act(&server, connect(&server, "127.0.0.1").await, &begins, header).await;
        assert_eq!(answer, ("201".to_owned(), address.to_owned()), "{:?}", String::from_utf8_lossy(&begins));
    }
}

#[tokio::test]
async fn rl02_nobody_else_may_speak_the_proxy_protocol_and_proxies_must() {
    let server = Server::with(&[("TRUST_PROXY", "127.0.0.1"), ("PROXY_PROTOCOL", "true")]).await;

    let (status, _) = act(&server, connect(&server, STRANGER).await, &v2(1, [203, 0, 113, 7]), "").await;
    assert_eq!(status, "400");
    let (status, address) = act(&server, connect(&server, STRANGER).await, b"", "").await;
    assert_eq!((status.as_str(), address.as_str()), ("201", STRANGER));
    for begins in ["", "PROXY NONSENSE\r\n", "PROXY TCP4 a b c d\r\n"] {
        let (status, _) = act(&server, connect(&server, "127.0.0.1").await, begins.as_bytes(), "").await;
        assert_eq!(status, "", "closed unanswered: {begins:?}");
    }
}

#[tokio::test]
async fn rl02_without_the_setting_the_proxy_protocol_is_no_request() {
    let server = Server::with(&[("TRUST_PROXY", "127.0.0.1")]).await;

    let begins = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n";
    let (status, _) = act(&server, connect(&server, "127.0.0.1").await, begins, "").await;

    assert_eq!(status, "400");
}

#[tokio::test]
async fn rl02_a_proxy_that_says_nothing_does_not_hold_others_up() {
    let server = Server::with(&[("TRUST_PROXY", "127.0.0.1"), ("PROXY_PROTOCOL", "true")]).await;

    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(connect(&server, "127.0.0.1").await);
    }

    let (status, _) = act(&server, connect(&server, "127.0.0.1").await, b"PROXY UNKNOWN\r\n", "").await;
    assert_eq!(status, "201");
}

#[tokio::test]
async fn rl02_one_header_counts_and_it_is_the_operators_choice() {
    for (setting, header, address) in [
        ("X-Forwarded-For", "Forwarded: for=198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"),
        ("Forwarded", "Forwarded: for=203.0.113.7\r\nX-Forwarded-For: 198.51.100.1\r\n", "203.0.113.7"),
        ("CF-Connecting-IP", "CF-Connecting-IP: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.1\r\n", "203.0.113.7"),
        ("CF-Connecting-IP", "X-Forwarded-For: 198.51.100.1\r\n", "127.0.0.1"),
    ] {
        let server = Server::with(&[("TRUST_PROXY", "127.0.0.0/30"), ("TRUSTED_PLATFORM", setting)]).await;

        let answer = act(&server, connect(&server, "127.0.0.1").await, b"", header).await;

        assert_eq!(answer, ("201".to_owned(), address.to_owned()), "{setting} {header}");
    }
}

#[tokio::test]
async fn over_a_unix_socket_the_header_counts_and_the_socket_goes_with_the_server() {
    let server = Server::start().await;
    let path = std::env::temp_dir().join(format!("chancery-socket-{}", uuid::Uuid::new_v4()));
    let listen = Listen::Unix { path: path.clone(), mode: 0o600 };
    let config = Config { listen, ..server.app.config.clone() };
    // One that a crash left behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());

    let connections = Connections::listen(&config).await.unwrap();
    let router = router::router(server.app.clone());
    let serving = tokio::spawn(server::serve(connections, router, std::future::pending()));

    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let stream = UnixStream::connect(&path).await.unwrap();
    let answer = act(&server, stream, b"", "X-Forwarded-For: 203.0.113.7\r\n").await;
    assert_eq!(answer, ("201".to_owned(), "203.0.113.7".to_owned()));
    assert!(Connections::listen(&config).await.is_err(), "it is in use");
    serving.abort();
    serving.await.unwrap_err();
    assert!(!path.exists());
}
