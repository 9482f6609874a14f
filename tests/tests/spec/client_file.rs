//! Apps from a file, and lifetimes from the settings: conformance 68 and 71.

use chancery_tests::process::Process;
use chancery_tests::server::Server;
use serde_json::{Value, json};
use time::Duration;

struct Instance {
    process: Process,
    file: std::path::PathBuf,
}

impl Instance {
    async fn start() -> Self {
        let database = chancery_tests::postgres::fresh_database().await;
        let mut process = Process::new(env!("CARGO_BIN_EXE_chancery_node"), &database);
        process.start().await;
        let file = std::env::temp_dir().join(format!("chancery-apps-{}.json", uuid::Uuid::new_v4().simple()));
        Self { process, file }
    }

    /// What the command prints, or what it complains of.
    async fn import(&self, apps: &Value) -> Result<String, String> {
        std::fs::write(&self.file, apps.to_string()).unwrap();
        let output = self.process.run(&["import-clients", self.file.to_str().unwrap()]).await;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }

    async fn events(&self) -> Vec<Value> {
        let read = self.process.node.admin.clone().get("/api/events?limit=1000").await.expect(200).json();
        let client = |event: &Value| event["type"].as_str().is_some_and(|name| name.starts_with("client."));
        read["events"].as_array().unwrap().iter().filter(|event| client(event)).cloned().collect()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        std::fs::remove_file(&self.file).unwrap_or_default();
    }
}

const SECRET: &str = "a-secret-of-the-scripts-choice";

fn apps() -> Value {
    json!([
        {
            "id": "wiki", "name": "Wiki", "callbackURLs": ["https://wiki.example/cb"],
            "logoutCallbackURLs": ["https://wiki.example/bye"], "skipConsent": true, "secret": SECRET
        },
        { "id": "phone", "name": "Phone", "callbackURLs": ["app.phone:/cb"], "isPublic": true }
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn c71_apps_come_from_a_file_on_the_record_and_once() {
    let instance = Instance::start().await;
    let node = instance.process.node.clone();

    assert_eq!(instance.import(&apps()).await.unwrap(), "wiki: registered\nphone: registered\n");
    let events = instance.events().await;
    let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(names, ["client.registered", "client.secret_added", "client.registered"]);
    assert!(events.iter().all(|event| event["metadata"]["actor"].as_str().unwrap().contains("operator")), "{events:?}");
    let wiki = node.admin.clone().get("/api/oidc/clients/wiki").await.expect(200).json();
    assert_eq!(wiki["logoutCallbackURLs"], json!(["https://wiki.example/bye"]));
    let pairs = [("grant_type", "client_credentials"), ("client_id", "wiki"), ("client_secret", SECRET)];
    node.visitor().form("/api/oidc/token", &pairs).await.expect(200);

    assert_eq!(instance.import(&apps()).await.unwrap(), "wiki: unchanged\nphone: unchanged\n");
    assert_eq!(instance.events().await.len(), 3, "importing again is no event");
    let mut other = apps();
    other[0]["logoutCallbackURLs"] = json!(["https://wiki.example/farewell"]);
    assert_eq!(instance.import(&other).await.unwrap(), "wiki: changed\nphone: unchanged\n");
    assert_eq!(instance.events().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn c71_a_file_with_a_mistake_is_not_taken_and_the_mistake_is_named() {
    let instance = Instance::start().await;
    let spoiled = |change: fn(&mut Value)| {
        let mut apps = apps();
        change(&mut apps);
        apps
    };

    for (apps, says) in [
        (json!({}), "not a JSON array of apps"),
        (spoiled(|apps| apps[1]["id"] = Value::Null), "app 2 (Phone): id is missing"),
        (spoiled(|apps| apps[1]["callbackURLs"] = json!(["https://*"])), "app 2 (phone): callbackURLs[0]"),
        (spoiled(|apps| apps[0]["launchURL"] = json!("javascript:alert(1)")), "app 1 (wiki): launchURL must begin"),
        (spoiled(|apps| apps[0]["launchURL"] = json!("data:text/html,x")), "app 1 (wiki): launchURL must begin"),
        (spoiled(|apps| apps[0]["logoutCallbackURLs"] = json!(["vbscript:x"])), "app 1 (wiki): logoutCallbackURLs[0]"),
        (
            spoiled(|apps| apps[0]["requiresPushedAuthorizationRequests"] = json!(true)),
            "app 1 (wiki): requiresPushedAuthorizationRequests is not offered here",
        ),
        (spoiled(|apps| apps[0]["secret"] = json!("short")), "app 1 (wiki): secret needs 16"),
        (spoiled(|apps| apps[1]["secret"] = json!(SECRET)), "app 2 (phone): secret cannot be given to a public client"),
        (spoiled(|apps| apps[1]["id"] = json!("wiki")), "app 2 (wiki): This id is taken"),
    ] {
        let complaint = instance.import(&apps).await.unwrap_err();
        assert!(complaint.contains(says), "{says}: {complaint}");
    }

    assert_eq!(instance.events().await.len(), 0, "nothing of it was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn pk01_an_app_from_a_file_asks_for_pkce_unless_the_file_says_no() {
    let instance = Instance::start().await;
    let mut admin = instance.process.node.admin.clone();
    let pkce = async |admin: &mut chancery_tests::visitor::Visitor| {
        admin.get("/api/oidc/clients/wiki").await.expect(200).json()["pkceEnabled"].clone()
    };

    instance.import(&apps()).await.unwrap();
    assert_eq!(pkce(&mut admin).await, true);
    let mut waived = apps();
    waived[0]["pkceEnabled"] = json!(false);
    assert_eq!(instance.import(&waived).await.unwrap(), "wiki: changed\nphone: unchanged\n");
    assert_eq!(pkce(&mut admin).await, false);
    assert_eq!(instance.import(&apps()).await.unwrap(), "wiki: unchanged\nphone: unchanged\n", "as it was");
}

#[tokio::test]
async fn c68_lifetimes_can_be_short() {
    let server = Server::with(&[("AUTHORIZATION_CODE_LIFETIME", "2"), ("SESSION_DURATION", "1")]).await;
    let mut ada = server.person("ada").await;
    let short = json!({ "accessTokenDurationMinutes": 1, "refreshTokenDurationMinutes": 2 });
    let wiki = server.client(&short).await;
    let scope = [("scope", "openid offline_access")];
    let late = ada.authorize(&wiki, &scope).await.expect(303).parameter("code").unwrap();
    server.later(Duration::seconds(2));
    wiki.redeem(&server, &late).await.expect(400);

    let code = ada.authorize(&wiki, &scope).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    assert_eq!(tokens["expires_in"], 60);
    server.later(Duration::minutes(1));
    ada.visitor.get("/api/users/me").await.expect(401);
    assert_eq!(wiki.introspect(&server, tokens["access_token"].as_str().unwrap()).await, json!({ "active": false }));
    server.later(Duration::minutes(1));
    wiki.refresh(&server, tokens["refresh_token"].as_str().unwrap()).await.expect(400);
}
