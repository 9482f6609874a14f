//! The history: sentences that people understand, for those who may read them.

use chancery_api::accounts;
use chancery_api::http::caller::Caller;
use chancery_domain::actor::Actor;
use chancery_domain::context::Context;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// In every private RSA key: the algorithm's identifier (RFC 5208), long enough not to turn up in ciphertext.
const PKCS_8: &str = "ADANBgkqhkiG9w0BAQEF";

async fn busy(server: &Server) -> (Person, Person) {
    let root = server.first_admin().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    wiki.redeem(server, &code).await.expect(200);
    let mut thief = Person { visitor: server.visitor(), ..ada.clone() };
    thief.authenticator.bad_signature = true;
    thief.sign_in().await.expect(401);
    (root, ada)
}

fn events(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["event"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn tools_of_pocket_id_read_it_and_see_more() {
    let server = Server::start().await;
    let (mut root, mut ada) = busy(&server).await;

    let all = root.visitor.get("/api/audit-logs/all?pagination[limit]=100").await.expect(200).json();
    for name in ["SIGN_IN", "ACCOUNT_CREATED", "CLIENT_AUTHORIZATION", "PASSKEY_ADDED", "SIGN_IN_ATTEMPT_FAILED"] {
        assert!(events(&all).contains(&name), "{name} in {:?}", events(&all));
    }
    let sign_in = all["data"].as_array().unwrap().iter().find(|row| row["event"] == "SIGN_IN").unwrap();
    for member in ["id", "createdAt", "ipAddress", "country", "city", "device", "userID", "username", "actorUsername"] {
        assert!(sign_in[member].is_string(), "{member}: no member is null");
    }
    assert_eq!(sign_in["ipAddress"], "127.0.0.1");
    assert_eq!(sign_in["country"], "Internal Network");
    let filtered = root.visitor.get("/api/audit-logs/all?filters[event]=CLIENT_AUTHORIZATION").await.json();
    assert_eq!(events(&filtered), ["CLIENT_AUTHORIZATION"]);
    assert_eq!(filtered["data"][0]["data"]["clientName"], "Wiki");
    assert_eq!(root.visitor.get("/api/audit-logs/filters/client-names").await.json(), json!(["Wiki"]));
    assert_eq!(root.visitor.get("/api/audit-logs/filters/users").await.json()[&ada.id], "ada");

    ada.visitor.get("/api/audit-logs/all").await.expect(403);
    ada.visitor.get("/api/events").await.expect(403);
    let own = ada.visitor.get("/api/audit-logs?pagination[limit]=100").await.expect(200).json();
    assert!(own["data"].as_array().unwrap().iter().all(|row| row["userID"] == ada.id));
}

#[tokio::test]
async fn what_was_changed_in_one_form_is_told_in_full() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let before = root.visitor.get(&format!("/api/users/{}", ada.id)).await.expect(200).json();

    let mut after = before.clone();
    (after["lastName"], after["emailVerified"]) = (json!("Byron"), json!(!before["emailVerified"].as_bool().unwrap()));
    root.visitor.json(Method::PUT, &format!("/api/users/{}", ada.id), &after).await.expect(200);
    let secrets = format!("/api/oidc/clients/{}/secrets", wiki.id);
    let secret = root.visitor.get(&secrets).await.expect(200).json()[0].clone();
    let path = format!("{secrets}/{}", secret["id"].as_str().unwrap());
    root.visitor.send(Method::DELETE, &path, None, &[]).await.expect(204);

    let history = root.visitor.get("/admin/history").await.expect(200).text;
    assert!(history.contains("<dt>E-mail address verified</dt>"), "{history}");
    let prefix = secret["visiblePrefix"].as_str().unwrap();
    assert!(history.contains(&format!(" beginning with <b>{prefix}</b>")), "{prefix}: {history}");
}

#[tokio::test]
async fn the_log_is_read_by_position_opened_for_those_who_may() {
    let server = Server::start().await;
    let (mut root, _ada) = busy(&server).await;

    let first = root.visitor.get("/api/events?limit=5").await.expect(200).json();
    let positions: Vec<_> =
        first["events"].as_array().unwrap().iter().map(|event| event["position"].as_i64()).collect();
    assert_eq!(positions, (1..=5).map(Some).collect::<Vec<_>>());
    let rest = root.visitor.get("/api/events?after=5&limit=1000").await.expect(200);
    assert!(rest.text.contains("ada@example.org"), "personal values are opened");
    assert_eq!(rest.json()["events"][0]["position"], 6);
}

#[tokio::test]
async fn people_read_sentences_and_administrators_the_raw_event() {
    let server = Server::start().await;
    let (mut root, mut ada) = busy(&server).await;

    let page = root.visitor.get("/admin/history").await.expect(200);
    for words in ["signed in with", "was refused", "Wiki"] {
        assert!(page.text.contains(words), "{words}");
    }
    assert!(!page.text.contains("session.started"), "no JSON, no event names");
    let refusals = root.visitor.get("/admin/history?kind=refusals").await.expect(200);
    assert!(refusals.text.contains("was refused") && !refusals.text.contains("signed in with"));
    let nothing = root.visitor.get("/admin/history?text=no-such-thing").await.expect(200);
    assert!(!nothing.text.contains("class=\"entry"));
    for query in ["person=x&app=y&kind=z&place=%00&from=a&to=b&before=c", "from=2026-11-23&to=2026-11-23", "after=1"] {
        root.visitor.get(&format!("/admin/history?{query}")).await.expect(200);
    }
    let raw = root.visitor.get("/admin/history/1").await.expect(200);
    assert!(raw.text.contains("signing_key.staged"));
    assert!(raw.text.contains("$sealed") && !raw.text.contains(PKCS_8), "a private key stays sealed");
    assert!(!root.visitor.get("/api/events?limit=10").await.text.contains(PKCS_8));
    for nowhere in ["999999", "x", "0", "-1", "-9223372036854775808"] {
        root.visitor.get(&format!("/admin/history/{nowhere}")).await.expect(404);
    }

    let own = ada.visitor.get("/account/activity").await.expect(200);
    assert!(own.text.contains("signed in with"));
    assert!(!own.text.contains("/admin/history/"));
}

#[tokio::test]
async fn the_page_is_filtered_by_app_and_person() {
    let server = Server::start().await;
    let (mut root, ada) = busy(&server).await;
    server.client(&json!({ "id": "mail", "name": "Mail" })).await;

    let of_app = root.visitor.get("/admin/history?app=mail").await.expect(200).text;
    assert!(of_app.contains("added the app") && !of_app.contains("signed in with"), "{of_app}");
    let of_person = root.visitor.get(&format!("/admin/history?person={}", ada.id)).await.expect(200).text;
    assert!(of_person.contains("signed in with") && !of_person.contains("added the app"), "{of_person}");
}

/// A node that cannot reach the database says so beside the checkpoint; with nothing new to take, nobody else would take it
/// back, and an alert would go on for as long as nothing happens.
#[tokio::test]
async fn ad10_days_that_no_calendar_of_ours_has_filter_nothing() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;

    for day in ["-9999-01-01", "0000-01-01", "9999-12-31", "10000-01-01", "2026-02-30"] {
        for filter in ["from", "to"] {
            root.visitor.get(&format!("/admin/history?{filter}={day}")).await.expect(200);
        }
    }
}

#[tokio::test]
async fn that_the_database_was_away_is_forgotten_once_it_is_back() {
    let server = Server::start().await;
    assert!(server.app.history_reached(server.app.store.head()).await);
    sqlx::query("UPDATE checkpoints SET failure = 'the connection was closed'")
        .execute(&server.app.pool)
        .await
        .unwrap();

    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let failed = "SELECT count(*) FROM checkpoints WHERE failure IS NOT NULL";
    while sqlx::query_scalar::<_, i64>(failed).fetch_one(&server.app.pool).await.unwrap() > 0 {
        assert!(std::time::Instant::now() < deadline, "it is still said to have stopped");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_done_on_the_server_is_among_the_changes_by_admins() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let operator = Context::internal(Actor::Operator, Uuid::new_v4());
    accounts::sign_out_everybody(&server.app, &Caller::trusted(operator)).await.unwrap();

    root.sign_in().await.expect(200);
    let page = root.visitor.get("/admin/history?kind=admin_changes").await.expect(200).text;

    assert!(page.contains("Somebody on the server"), "{page}");
}
