//! OpenBao, set up by the very commands of docs/guides/vault.md.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use chancery_tests::node::{Client, Person};
use chancery_tests::port::free_port;
use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::relying_party::consented;

const GUIDE: &str = include_str!("../../../docs/guides/vault.md");

#[tokio::test]
#[ignore = "needs OpenBao, which scripts/openbao.sh brings"]
async fn openbao_signs_in_on_the_command_line_and_gives_what_a_group_has() {
    let (server, mut ada, client, bao) = as_the_guide_says().await;

    let mut login = bao.command("vault");
    login.args(["login", "-method=oidc", "-no-store", "-format=json", "skip_browser=true"]);
    login.arg(format!("port={}", bao.callback)).stderr(Stdio::piped()).stdout(Stdio::piped());
    let mut login = login.spawn().unwrap();
    let (mut lines, mut says) = (BufReader::new(login.stderr.take().unwrap()).lines(), String::new());
    let url = loop {
        let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended: {says}"));
        if let Some(at) = line.find(server.issuer()) {
            break line[at..].trim().to_owned();
        }
        says += &line;
    };
    assert!(url.contains("code_challenge_method=S256") && url.contains(&client.id), "{url}");
    let back = consented(&mut ada, url.strip_prefix(server.issuer()).unwrap()).await.expect(303).location();
    Visitor::new("http://localhost").get(back.as_str()).await.expect(200);
    let mut told = String::new();
    login.stdout.take().unwrap().read_to_string(&mut told).await.unwrap();

    bao.knows_ada(&serde_json::from_str::<Value>(&told).unwrap()["auth"]);
}

#[tokio::test]
#[ignore = "needs OpenBao, which scripts/openbao.sh brings"]
async fn openbao_signs_in_by_its_pages() {
    let (server, mut ada, _, bao) = as_the_guide_says().await;
    let mut page = Visitor::new(&bao.base);

    // What its page asks for, and what it does with the answer.
    let redirect_uri = format!("{}/ui/vault/auth/oidc/oidc/callback", bao.base);
    let asked = page.post("/v1/auth/oidc/oidc/auth_url", &json!({ "redirect_uri": redirect_uri })).await.expect(200);
    let url = asked.json()["data"]["auth_url"].as_str().unwrap().to_owned();
    let back = consented(&mut ada, url.strip_prefix(server.issuer()).unwrap()).await.expect(303).location();
    assert!(back.as_str().starts_with(&redirect_uri));
    page.get(&format!("{}{}", bao.base, back.path())).await.expect(200);
    let answer = page.get(&format!("/v1/auth/oidc/oidc/callback?{}", back.query().unwrap())).await.expect(200);

    bao.knows_ada(&answer.json()["auth"]);
}

struct Bao {
    _process: Child,
    base: String,
    /// Where the command line waits for the browser.
    callback: u16,
    /// With `vault` in it.
    programs: PathBuf,
}

impl Bao {
    async fn start() -> Self {
        // Its nodes would talk to each other on the port behind its own.
        let [port, _, callback] = [free_port(), free_port(), free_port()];
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop/openbao");
        let mut command = Command::new(programs.join("vault"));
        command.args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"]);
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.kill_on_drop(true).spawn().unwrap_or_else(|error| panic!("{error}; scripts/openbao.sh"));
        let bao = Self { _process: process, base: format!("http://127.0.0.1:{port}"), callback, programs };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !bao.is_ready().await {
            assert!(std::time::Instant::now() < deadline, "OpenBao did not start");
            tokio::task::yield_now().await;
        }
        bao
    }

    async fn is_ready(&self) -> bool {
        let asked = Visitor::new(&self.base).try_send(Method::GET, "/v1/sys/health", None, &[]).await;
        asked.is_ok_and(|answer| answer.status == 200)
    }

    fn command(&self, program: &str) -> Command {
        let path = format!("{}:{}", self.programs.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(program);
        command.env("PATH", path).env("VAULT_ADDR", &self.base).env("BAO_ADDR", &self.base).kill_on_drop(true);
        command
    }

    /// Runs a block of the guide as its reader does.
    async fn run(&self, block: &str) {
        let mut shell = self.command("sh");
        let output = shell.args(["-eu", "-c", block]).env("BAO_TOKEN", "root").output().await.unwrap();
        assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    }

    #[track_caller]
    fn knows_ada(&self, auth: &Value) {
        assert_eq!(auth["metadata"]["username"], "ada", "{auth}");
        assert_eq!(auth["identity_policies"], json!(["admin"]), "{auth}");
        assert_eq!(auth["token_policies"], json!(["default"]), "{auth}");
        assert_eq!(auth["lease_duration"], 3600, "{auth}");
    }
}

/// Ada in the group, the app, and OpenBao.
async fn as_the_guide_says() -> (Server, Person, Client, Bao) {
    let (server, bao) = (Server::live().await, Bao::start().await);
    let ada = server.person("ada").await;
    let mut admin = server.admin.clone();
    let group = json!({ "name": "vault-admins", "friendlyName": "Vault" });
    let group = admin.post("/api/user-groups", &group).await.expect(201).json();
    let members = format!("/api/user-groups/{}/users", group["id"].as_str().unwrap());
    admin.json(Method::PUT, &members, &json!({ "userIds": [ada.id] })).await.expect(200);
    let filled_in = |block: &str, client: &Client| {
        block
            .replace("https://id.example.org", server.issuer())
            .replace("https://vault.example.org", &bao.base)
            .replace(":8250", &format!(":{}", bao.callback))
            .replace("CLIENT_ID", &client.id)
            .replace("CLIENT_SECRET", &client.secret)
    };
    let callbacks = [
        format!("{}/ui/vault/auth/oidc/oidc/callback", bao.base),
        format!("http://localhost:{}/oidc/callback", bao.callback),
    ];
    let client = server.client(&json!({ "callbackURLs": callbacks, "pkceEnabled": true })).await;
    for heading in ["## In Vault", "## Administrators"] {
        bao.run(&filled_in(first_block(heading), &client)).await;
    }
    (server, ada, client, bao)
}

/// The first shell commands below a heading of the guide.
fn first_block(heading: &str) -> &'static str {
    let below = GUIDE.split(heading).nth(1).unwrap();
    below.split("```sh\n").nth(1).unwrap().split("```").next().unwrap()
}
