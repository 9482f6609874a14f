//! The stretch of network between a node and its database, which tests cut, slow down and lead elsewhere.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Everything arrives after this time. Every twentieth piece is lost and comes again after a retransmission timeout.
    Open { delay: Duration, lossy: bool },
    /// Nothing arrives and nobody is told. Connections that there are never get over it.
    Silent,
    /// Only what the node sends arrives. Connections that there are never get over it.
    OneWay,
    /// Whoever connects, or is connected, is reset.
    Reset,
}

impl Network {
    pub const OPEN: Self = Self::Open { delay: Duration::ZERO, lossy: false };
}

/// How long a node may take to send what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// TCP's least retransmission timeout on Linux.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Target {
    Unix(PathBuf),
    Tcp(u16),
}

#[derive(Clone)]
pub struct Relay {
    pub port: u16,
    network: watch::Sender<Network>,
    target: Arc<Mutex<Target>>,
    /// When a node sends this, the network falls silent as soon as it has arrived.
    tripwire: Arc<Mutex<Option<&'static [u8]>>>,
    /// What nodes send and the database never hears: blanks arrive in its place.
    withheld: Arc<Mutex<Option<&'static [u8]>>>,
}

impl Relay {
    pub async fn to(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let relay = Self {
            port,
            network: watch::Sender::new(Network::OPEN),
            target: Arc::new(Mutex::new(target)),
            tripwire: Arc::default(),
            withheld: Arc::default(),
        };
        tokio::spawn(relay.clone().run(listener));
        relay
    }

    /// To the server of the test run, which listens on a Unix socket or on TCP.
    pub async fn to_test_server() -> Self {
        let url = crate::postgres::server_url();
        let host = url.host_str().unwrap().replace("%2F", "/").replace("%2f", "/");
        let port = url.port().unwrap_or(5432);
        Self::to(match host.starts_with('/') {
            true => Target::Unix(format!("{host}/.s.PGSQL.{port}").into()),
            false => Target::Tcp(port),
        })
        .await
    }

    pub fn turn(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// From now on connections lead there; those that there are stay where they are.
    pub fn lead_to(&self, target: Target) {
        *self.target.lock().unwrap() = target;
    }

    /// Falls silent once a node has sent this; returns when it did.
    pub async fn cut_after(&self, bytes: &'static [u8]) {
        *self.tripwire.lock().unwrap() = Some(bytes);
        let mut network = self.network.subscribe();
        let fallen_silent = network.wait_for(|network| *network == Network::Silent);
        drop(tokio::time::timeout(PATIENCE, fallen_silent).await.expect("the node never sent it").unwrap());
    }

    /// Keeps this to itself from now on, as poolers do with the options of a connection.
    pub fn withhold(&self, bytes: &'static [u8]) {
        *self.withheld.lock().unwrap() = Some(bytes);
    }

    async fn run(self, listener: TcpListener) {
        let mut network = self.network.subscribe();
        loop {
            // Whoever connects to a silent network waits.
            network.wait_for(|network| !matches!(network, Network::Silent | Network::OneWay)).await.unwrap();
            let (node, _) = listener.accept().await.unwrap();
            // It may have fallen silent meanwhile.
            network.wait_for(|network| !matches!(network, Network::Silent | Network::OneWay)).await.unwrap();
            node.set_zero_linger().unwrap();
            if *network.borrow() == Network::Reset {
                continue;
            }
            node.set_nodelay(true).unwrap();
            let target = self.target.lock().unwrap().clone();
            let relay = self.clone();
            tokio::spawn(async move {
                match target {
                    Target::Unix(path) => {
                        let Ok(server) = UnixStream::connect(path).await else { return };
                        relay.join(node, server.into_split()).await;
                    }
                    Target::Tcp(port) => {
                        let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                        server.set_nodelay(true).unwrap();
                        relay.join(node, server.into_split()).await;
                    }
                }
            });
        }
    }

    async fn join(self, node: TcpStream, server: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin)) {
        let (from_node, to_node) = node.into_split();
        let (from_server, to_server) = server;
        let mut network = self.network.subscribe();
        let reset = async { drop(network.wait_for(|network| *network == Network::Reset).await) };
        tokio::select! {
            () = self.pass(from_node, to_server, true) => {}
            () = self.pass(from_server, to_node, false) => {}
            () = reset => {}
        }
    }

    /// Passes on until one end closes. Once cut, it holds both ends open and says nothing any more.
    async fn pass(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, from_node: bool) {
        let mut network = self.network.subscribe();
        let cut = |network: &Network| *network == Network::Silent || *network == Network::OneWay && !from_node;
        let (queue, mut pieces) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        let reading = async {
            let mut count = 0_u32;
            loop {
                let mut piece = vec![0; 16 * 1024];
                let length = match from.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(length) => length,
                };
                piece.truncate(length);
                if from_node {
                    self.censor(&mut piece);
                }
                count += 1;
                let (delay, lossy) = match *self.network.borrow() {
                    Network::Open { delay, lossy } => (delay, lossy),
                    _ => (Duration::ZERO, false),
                };
                let lost = if lossy && count.is_multiple_of(20) { RETRANSMISSION + delay } else { Duration::ZERO };
                drop(queue.send((Instant::now() + delay + lost, piece)));
            }
        };
        let writing = async {
            while let Some((due, piece)) = pieces.recv().await {
                tokio::time::sleep_until(due).await;
                let tripped = from_node && self.trips(&piece);
                if to.write_all(&piece).await.is_err() {
                    return;
                }
                if tripped {
                    self.turn(Network::Silent);
                }
            }
        };
        let fallen_silent = async { drop(network.wait_for(cut).await) };
        tokio::select! {
            () = reading => {}
            () = writing => {}
            () = fallen_silent => std::future::pending().await,
        }
    }

    fn censor(&self, piece: &mut [u8]) {
        let Some(withheld) = *self.withheld.lock().unwrap() else { return };
        if let Some(at) = piece.windows(withheld.len()).position(|window| window == withheld) {
            piece[at..at + withheld.len()].fill(b' ');
        }
    }

    fn trips(&self, piece: &[u8]) -> bool {
        let mut tripwire = self.tripwire.lock().unwrap();
        let tripped = tripwire.is_some_and(|bytes| piece.windows(bytes.len()).any(|window| window == bytes));
        if tripped {
            *tripwire = None;
        }
        tripped
    }
}
