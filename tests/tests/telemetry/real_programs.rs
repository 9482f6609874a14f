//! A whole sign-in at a real collector (rotel) and a real Prometheus, with the dashboard and the rules that are shipped.
//! `scripts/observability.sh` brings the programs and runs this.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chancery_tests::node::{Client, Node};
use chancery_tests::port::free_port;
use chancery_tests::process::Process;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{collector, lines};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/observability");
const PLACES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/geo/GeoLite2-City-Test.mmdb");

/// Where the programs are, and where they may write.
fn folder() -> PathBuf {
    std::env::var("CHANCERY_OBSERVABILITY").expect("run scripts/observability.sh").into()
}

#[tokio::test]
#[ignore = "needs the programs that scripts/observability.sh brings"]
async fn a_real_collector_and_a_real_prometheus_take_whole_sign_ins() {
    let folder = folder();
    let (otlp, scraped, web) = (free_port(), free_port(), free_port());
    let mut rotel = rotel(&folder, otlp).await;
    let endpoint = format!("http://127.0.0.1:{otlp}");
    let scraped = scraped.to_string();
    let mut settings = collector::exporting_to(&endpoint);
    settings.retain(|(name, _)| *name != "OTEL_METRICS_EXPORTER");
    settings.extend([
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", &scraped),
        ("GEOLITE_DB_PATH", PLACES),
    ]);
    let process = Process::new(collector::PROGRAM, &collector::database().await).with(&settings);
    let mut process = process.logging_to(&folder.join("chancery.log"));
    process.start().await;
    let mut prometheus = prometheus(&folder, &scraped, web);
    let wiki = process.node.client(&json!({ "skipConsent": true })).await;
    for round in 0..12 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        one_round(&process, &wiki, round).await;
    }

    every_panel_shows_something(web).await;
    every_rule_can_be_evaluated(web).await;

    process.stop().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    prometheus.kill().await.unwrap();
    rotel.kill().await.unwrap();
    let told = fs::read_to_string(folder.join("rotel.log")).unwrap();
    for part in ["chancery.session.started", "POST /api/webauthn/login/finish", "append batch", "chancery.sign_ins"] {
        assert!(told.contains(part), "rotel was not told of {part}");
    }
}

async fn one_round(process: &Process, wiki: &Client, round: usize) {
    let node: &Node = &process.node;
    let mut person = node.person(&format!("person{round}")).await;
    person.sign_in().await.expect(200);
    let code = person.authorize(wiki, &[]).await.expect(303).parameter("code").unwrap();
    wiki.redeem(node, &code).await.expect(200);
    wiki.redeem(node, &code).await.expect(400);
    collector::refused_sign_in(process).await;
}

async fn rotel(folder: &Path, port: u16) -> Child {
    let log = File::create(folder.join("rotel.log")).unwrap();
    let address = format!("127.0.0.1:{port}");
    let child = Command::new(folder.join("rotel-agent"))
        .args([
            "start",
            "--otlp-http-endpoint",
            &address,
            "--otlp-grpc-endpoint",
            &format!("127.0.0.1:{}", free_port()),
        ])
        .args(["--exporter", "blackhole", "--debug-log-verbosity", "detailed"])
        .args(["--debug-log", "traces", "--debug-log", "metrics", "--debug-log", "logs"])
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(&address).await.is_ok() {
            return child;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("rotel does not listen");
}

/// With the shipped configuration, but for where and how often.
fn prometheus(folder: &Path, scraped: &str, web: u16) -> Child {
    let config = fs::read_to_string(format!("{SHIPPED}/prometheus/prometheus.yml")).unwrap();
    let config = config.replace("15s", "1s").replace("localhost:9464", &format!("localhost:{scraped}"));
    let config = config.replace("chancery.rules.yml", &format!("{SHIPPED}/prometheus/chancery.rules.yml"));
    let path = folder.join("prometheus.yml");
    fs::write(&path, config).unwrap();
    Command::new("prometheus")
        .arg(format!("--config.file={}", path.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{web}"))
        .stderr(File::create(folder.join("prometheus.log")).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn ask(web: u16, path: &str, query: &[(&str, &str)]) -> Value {
    let answer = reqwest::Client::new().get(format!("http://127.0.0.1:{web}/api/v1/{path}")).query(query);
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["status"], "success", "{query:?}: {answer}");
    answer["data"].clone()
}

async fn every_panel_shows_something(web: u16) {
    let dashboard = fs::read_to_string(format!("{SHIPPED}/grafana/chancery.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut shown = 0;
    for target in targets {
        let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "10s").replace("$instance", ".*");
        let data = ask(web, "query", &[("query", &query)]).await;
        assert!(!data["result"].as_array().unwrap().is_empty(), "nothing to show for {query}");
        shown += 1;
    }
    println!("{shown} queries of the dashboard show something");
}

async fn every_rule_can_be_evaluated(web: u16) {
    let rules = ask(web, "rules", &[]).await;
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    let stolen = rules.iter().find(|rule| rule["name"] == "ChanceryTokenStolen").unwrap();
    println!("{} rules are evaluated; replayed codes: {}", rules.len(), stolen["state"]);
    assert_eq!(stolen["state"], "firing");
}

/// Lines in each format, for the programs that keep addresses out.
#[tokio::test]
#[ignore = "needs the programs that scripts/observability.sh brings"]
async fn lines_for_fail2ban_and_crowdsec() {
    for format in ["text", "json", "logfmt"] {
        fs::write(folder().join(format!("{format}.log")), lines::lines(format).await).unwrap();
    }
}
