//! Starting a relying party and walking a person through it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use chancery_tests::node::{Client, Person};
use chancery_tests::server::Server;
use chancery_tests::visitor::{Answer, Visitor};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A program of somebody else's, stopped when the test ends.
pub struct RelyingParty {
    _process: Child,
    base: String,
    _work: Option<Work>,
}

/// A folder that goes with the test.
pub struct Work(PathBuf);

impl Drop for Work {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}

/// Where the set-up script puts what it builds.
fn built() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop")
}

impl RelyingParty {
    pub async fn node(server: &Server, client: &Client, port: u16, algorithm: &str) -> Self {
        let mut command = Command::new("node");
        command.env("ID_TOKEN_SIGNED_RESPONSE_ALG", algorithm).arg(sources().join("node/relying_party.mjs"));
        Self::start(command, server, client, port).await
    }

    pub async fn django(server: &Server, client: &Client, port: u16) -> Self {
        let mut command = Command::new(built().join("django/bin/python"));
        command.arg(sources().join("django/relying_party.py"));
        Self::start(command, server, client, port).await
    }

    pub async fn go(server: &Server, client: &Client, port: u16) -> Self {
        Self::start(Command::new(built().join("go_relying_party")), server, client, port).await
    }

    async fn start(mut command: Command, server: &Server, client: &Client, port: u16) -> Self {
        let port = port.to_string();
        command.args([server.issuer(), &client.id, &client.secret, &port]).kill_on_drop(true).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run `make test`"));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        loop {
            match lines.next_line().await.unwrap() {
                Some(line) if line == "ready" => break,
                Some(_) => {}
                None => panic!("the relying party ended: {command:?}"),
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { _process: process, base: format!("http://127.0.0.1:{port}"), _work: None }
    }

    pub async fn apache(server: &Server, client: &Client, port: u16) -> Self {
        let work = Work(std::env::temp_dir().join(format!("chancery-apache-{port}")));
        std::fs::create_dir_all(work.0.join("htdocs")).unwrap();
        std::fs::write(work.0.join("htdocs/index.html"), "guarded\n").unwrap();
        let mut command = Command::new("apache2");
        command
            // One process and no children, so that it ends with the test.
            .arg("-X")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .arg("-f")
            .arg(sources().join("apache/httpd.conf"))
            .env("WORK", &work.0)
            .env("MODULES", "/usr/lib/apache2/modules")
            .env("PORT", port.to_string())
            .env("ISSUER", server.issuer())
            .env("CLIENT_ID", &client.id)
            .env("CLIENT_SECRET", &client.secret)
            .kill_on_drop(true);
        let process = command.spawn().unwrap_or_else(|error| panic!("apache2: {error}; run `make test`"));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let log = || std::fs::read_to_string(work.0.join("error.log")).unwrap_or_default();
            assert!(std::time::Instant::now() < deadline, "apache2 did not start: {}", log());
            tokio::task::yield_now().await;
        }
        Self { _process: process, base: format!("http://127.0.0.1:{port}"), _work: Some(work) }
    }

    /// From the app's page through Chancery and back, until the app shows a page.
    pub async fn sign_in(&self, person: &mut Person, path: &str) -> Answer {
        let mut app = Visitor::new(&self.base);
        let mut answer = app.get(path).await;
        for _ in 0..10 {
            if !matches!(answer.status, 301..=303) {
                return answer.expect(200);
            }
            let location = answer.header("location").to_owned();
            answer = match location.strip_prefix(&person.issuer) {
                Some(path) => consented(person, path).await,
                None => app.get(&location).await,
            };
        }
        panic!("the redirects do not end: {answer:?}");
    }
}

/// An authorization request by path, consented to where that is asked.
pub async fn consented(person: &mut Person, path: &str) -> Answer {
    let answer = person.visitor.get(path).await;
    if answer.status != 303 || answer.location().path() != "/consent" {
        return answer;
    }
    let interaction = answer.parameter("interaction").unwrap();
    person.visitor.form("/consent", &[("interaction", &interaction), ("answer", "allow")]).await.expect(200);
    person.visitor.get(&format!("/authorize?interaction={interaction}")).await
}

/// The HTTP client that openidconnect is given.
pub async fn send(request: openidconnect::HttpRequest) -> Result<openidconnect::HttpResponse, reqwest::Error> {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let response = http.execute(request.try_into()?).await?;
    let mut answer = openidconnect::http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    Ok(answer.body(response.bytes().await?.to_vec()).unwrap())
}
