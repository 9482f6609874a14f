//! `chancery healthcheck`: asks the running server whether it is ready, the way its visitors reach it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::config::{Config, Listen};
use crate::http::connections::Connection;

/// # Errors
/// That it does not listen, or is not ready.
pub async fn healthcheck(config: &Config) -> anyhow::Result<()> {
    let (mut stream, from): (Connection, _) = match &config.listen {
        Listen::Tcp(address) => {
            let address = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
                IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, address.port())),
                _ => *address,
            };
            let stream = TcpStream::connect(address).await.context("the server does not listen")?;
            let from = stream.local_addr()?.ip();
            (Box::new(stream), Some(from))
        }
        Listen::Unix { path, .. } => {
            (Box::new(UnixStream::connect(path).await.context("the server does not listen")?), None)
        }
    };
    if config.proxy_protocol && from.is_none_or(|from| config.trust_proxy.trusts(from)) {
        stream.write_all(b"PROXY UNKNOWN\r\n").await?;
    }
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if !answer.starts_with("HTTP/1.1 204") {
        bail!("the server is not ready");
    }
    Ok(())
}
