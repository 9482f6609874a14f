//! Where requests come in: TCP or a Unix socket, with or without the PROXY protocol
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
//!
//! The protocol has no way to tell whether it is spoken, and whoever speaks it is believed: it is expected from trusted
//! peers, who must then begin every connection with it, and from nobody else.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::serve::Listener;
use proxy_header::ParseConfig;
use proxy_header::io::ProxiedStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::remote::Peer;
use crate::config::{Config, Listen, TrustProxy};

/// Connections that have told who they are.
pub struct Connections {
    socket: Socket,
    /// Who must begin with the PROXY protocol, where it is on.
    proxies: Option<TrustProxy>,
    /// Connections whose first bytes are awaited.
    introducing: JoinSet<Option<(Connection, Peer)>>,
}

enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, path: PathBuf },
}

/// What a connection is made of does not matter to whoever reads and writes it.
pub type Connection = Box<dyn Stream>;

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connections {
    /// Listens where the configuration says.
    ///
    /// # Errors
    /// The address or the path is taken, or may not be used.
    pub async fn listen(config: &Config) -> io::Result<Self> {
        let socket = match &config.listen {
            Listen::Tcp(address) => Socket::Tcp(TcpListener::bind(address).await?),
            Listen::Unix { path, mode } => unix_socket(path, *mode).await?,
        };
        Ok(Self::on(socket, config))
    }

    /// The same on a port that is open already.
    pub fn on_tcp(listener: TcpListener, config: &Config) -> Self {
        Self::on(Socket::Tcp(listener), config)
    }

    fn on(socket: Socket, config: &Config) -> Self {
        let proxies = config.proxy_protocol.then(|| config.trust_proxy.clone());
        Self { socket, proxies, introducing: JoinSet::new() }
    }

    fn must_introduce(&self, peer: &Peer) -> bool {
        self.proxies.as_ref().is_some_and(|proxies| peer.address.is_none_or(|address| proxies.trusts(address)))
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        loop {
            tokio::select! {
                (connection, peer) = self.socket.accept(), if self.introducing.len() < MOST_INTRODUCING => {
                    if !self.must_introduce(&peer) {
                        return (connection, peer);
                    }
                    self.introducing.spawn(introduce(connection, peer));
                }
                Some(introduced) = self.introducing.join_next() => {
                    if let Ok(Some(introduced)) = introduced {
                        return introduced;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        let address = match &self.socket {
            Socket::Tcp(listener) => Some(listener.local_addr()?.ip()),
            Socket::Unix { .. } => None,
        };
        Ok(Peer { address, proxied: None })
    }
}

impl Socket {
    async fn accept(&mut self) -> (Connection, Peer) {
        match self {
            Self::Tcp(listener) => {
                let (stream, address): (_, SocketAddr) = Listener::accept(listener).await;
                (Box::new(stream), Peer { address: Some(address.ip()), proxied: None })
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = Listener::accept(listener).await;
                (Box::new(stream), Peer { address: None, proxied: None })
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix { path, .. } = self {
            fs::remove_file(path).ok();
        }
    }
}

/// Reads whom the connection is for. What comes too late or is malformed is closed unanswered.
async fn introduce(connection: Connection, peer: Peer) -> Option<(Connection, Peer)> {
    let header = ProxiedStream::create_from_tokio(connection, ParseConfig::default());
    let stream = match tokio::time::timeout(PATIENCE, header).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(?peer.address, "a trusted peer did not begin with the PROXY protocol; see PROXY_PROTOCOL");
            return None;
        }
    };
    // Without an address (v1 UNKNOWN, v2 LOCAL) the peer speaks for itself.
    let proxied = stream.proxy_header().proxied_address().map(|address| address.source.ip());
    Some((Box::new(stream), Peer { proxied, ..peer }))
}

/// A socket that nobody listens on any more is taken over; one that is in use is not.
async fn unix_socket(path: &Path, mode: u32) -> io::Result<Socket> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && UnixStream::connect(path).await.is_err() {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(Socket::Unix { listener, path: path.to_owned() })
}

const PATIENCE: Duration = Duration::from_secs(5);
const MOST_INTRODUCING: usize = 1024;
