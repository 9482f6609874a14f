//! What Caddy in front adds to a sign-in, asked for over one connection each with the two in turn; and, since nothing in front
//! can take less, what Caddy takes for an answer of its own.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chancery_tests::caddy::Caddy;
use chancery_tests::port::free_port;
use chancery_tests::process::Process;
use serde_json::json;
use tokio::process::Command;

use crate::drive::Worker;
use crate::http::Connection;
use crate::operations::SignIn;

const ROUNDS: usize = 400;

pub async fn beside_direct() {
    let port = free_port();
    let issuer = format!("http://localhost:{port}");
    let database = chancery_tests::postgres::fresh_database().await;
    let process = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database).behind(&issuer);
    let mut process = process.with(&[("TRUST_PROXY", "127.0.0.1")]);
    process.start().await;
    let caddy = Caddy::at(port, &[&process.node.base]).await;
    let client = Arc::new(process.node.client(&json!({ "skipConsent": true })).await);
    let person = process.node.person("ada").await;

    let mut ways = Vec::new();
    for base in [&process.node.base, &caddy.base] {
        let http = Connection::open(base).await.asking_from(&issuer);
        ways.push((SignIn::new(http, client.clone(), &person), Vec::new(), Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (worker, pages, sign_ins) in &mut ways {
            let begin = Instant::now();
            worker.http.get("/login", "").await.expect(200);
            pages.push(begin.elapsed());
            let begin = Instant::now();
            worker.once().await;
            sign_ins.push(begin.elapsed());
        }
    }
    let [direct, proxied] = [0, 1].map(|way: usize| (median(&mut ways[way].1), median(&mut ways[way].2)));
    for (what, without, with) in [("the sign-in page", direct.0, proxied.0), ("a whole sign-in", direct.1, proxied.1)] {
        println!(
            "{what} through Caddy: {:.2} ms, {:.2} times the {:.2} ms without (at most 1.3)",
            with.as_secs_f64() * 1e3,
            with.as_secs_f64() / without.as_secs_f64(),
            without.as_secs_f64() * 1e3,
        );
    }
}

/// What Caddy takes to say hello.
pub async fn caddy_alone() {
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new("caddy");
    command.args(["respond", "--listen", &address, "hello"]).env("GOMAXPROCS", "1");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let _caddy = command.kill_on_drop(true).spawn().unwrap();
    while tokio::net::TcpStream::connect(&address).await.is_err() {
        tokio::task::yield_now().await;
    }
    let mut http = Connection::open(&format!("http://{address}")).await;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        http.get("/", "").await.expect(200);
        times.push(begin.elapsed());
    }
    println!("an answer by Caddy itself: {:.2} ms", median(&mut times).as_secs_f64() * 1e3);
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
