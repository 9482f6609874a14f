//! Enrollment links: set-up, invitation, recovery; attacks WR-07 and AD-09.

use chancery_api::accounts;
use chancery_api::http::caller::Caller;
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

async fn link(server: &Server, id: &str, body: &Value) -> String {
    let path = format!("/api/users/{id}/one-time-access-token");
    let made = server.admin.clone().post(&path, body).await.expect(201).json();
    made["token"].as_str().unwrap().to_owned()
}

async fn invited(server: &Server) -> (Person, String) {
    let user = json!({ "username": "ada", "firstName": "Ada" });
    let user = server.admin.clone().post("/api/users", &user).await.expect(201).json();
    let id = user["id"].as_str().unwrap().to_owned();
    let code = link(server, &id, &json!({})).await;
    let template = server.person("template").await;
    (Person { id, visitor: server.visitor(), authenticator: SoftAuthenticator::new(), ..template }, code)
}

#[tokio::test]
async fn a_link_that_a_tool_put_together_as_for_pocket_id_enrolls() {
    let server = Server::start().await;
    let (mut ada, code) = invited(&server).await;

    let opened = ada.visitor.get(&format!("/lc/{code}?redirect=/settings/account")).await.expect(303);

    assert_eq!(opened.header("location"), "/enroll");
    ada.redeem(&code, &json!({})).await.expect(204);
    assert!(server.visitor().get("/lc/k7PmQ2").await.expect(410).text.contains("id=\"error\""));
}

#[tokio::test]
async fn the_first_admin_sets_up_once() {
    let server = Server::start().await;
    let first =
        accounts::issue_setup_link(&server.app, &Caller::trusted(server.app.system()), Duration::DAY).await.unwrap();
    let mut root = server.first_admin().await;

    let me = root.visitor.get("/api/users/me").await.expect(200).json();
    assert_eq!((me["username"].as_str(), me["isAdmin"].as_bool()), (Some("root"), Some(true)));
    let answer = server.visitor().get(&format!("/enroll/{}", first.code)).await.expect(410);
    assert!(answer.text.contains("id=\"error\""), "a newer link took its place");
}

#[tokio::test]
async fn ad09_of_many_who_hold_the_set_up_link_one_becomes_the_first_admin() {
    let server = Server::start().await;
    let template = server.person("template").await;
    let link =
        accounts::issue_setup_link(&server.app, &Caller::trusted(server.app.system()), Duration::DAY).await.unwrap();

    let mut tries = Vec::new();
    for n in 0..20 {
        let mut person =
            Person { visitor: server.visitor(), authenticator: SoftAuthenticator::new(), ..template.clone() };
        let code = link.code.clone();
        let profile = json!({ "username": format!("root{n}"), "firstName": "Root" });
        tries.push(tokio::spawn(async move {
            let opened = person.visitor.get(&format!("/enroll/{code}")).await;
            if opened.status != 303 {
                return opened.status;
            }
            let options = person.visitor.post("/api/enrollment/start", &profile).await;
            if options.status != 200 {
                return options.status;
            }
            let base = person.visitor.base.clone();
            let response = person.authenticator.create(&options.json(), &base);
            person.visitor.post("/api/enrollment/finish", &response).await.status
        }));
    }
    let mut won = 0;
    for attempt in tries {
        let status = attempt.await.unwrap();
        won += i32::from(status == 204);
        assert!(matches!(status, 204 | 401 | 409 | 410), "{status}");
    }

    assert_eq!(won, 1);
    let admins = server.admin.clone().get("/api/users?filters[isAdmin]=true").await.json();
    assert_eq!(admins["pagination"]["totalItems"], 2, "the first one and the account of the static key");
}

#[tokio::test]
async fn ad09_set_up_stays_closed_even_when_the_first_admin_is_gone() {
    let server = Server::start().await;
    let root = server.first_admin().await;
    let mut admin = server.admin.clone();
    let mut other = admin.get(&format!("/api/users/{}", server.person("ada").await.id)).await.json();
    other["isAdmin"] = json!(true);
    let path = format!("/api/users/{}", other["id"].as_str().unwrap());
    admin.json(reqwest::Method::PUT, &path, &other).await.expect(200);
    admin.send(reqwest::Method::DELETE, &format!("/api/users/{}", root.id), None, &[]).await.expect(204);

    let link =
        accounts::issue_setup_link(&server.app, &Caller::trusted(server.app.system()), Duration::DAY).await.unwrap();
    let mut usurper = Person { visitor: server.visitor(), authenticator: SoftAuthenticator::new(), ..root };
    let answer = usurper.redeem(&link.code, &json!({ "username": "usurper", "firstName": "U" })).await;

    assert_eq!(answer.status, 409, "{}", answer.text);
}

#[tokio::test]
async fn opening_a_link_uses_nothing_up_and_keeps_the_code_out_of_the_address() {
    let server = Server::start().await;
    let (mut ada, code) = invited(&server).await;

    for _ in 0..3 {
        let answer = server.visitor().get(&format!("/enroll/{code}")).await.expect(303);
        assert_eq!(answer.header("location"), "/enroll");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    ada.redeem(&code, &json!({})).await.expect(204);
    assert_eq!(ada.visitor.get("/api/users/me").await.expect(200).json()["username"], "ada");
}

#[tokio::test]
async fn wr07_of_links_that_are_made_at_once_on_two_nodes_one_is_open() {
    let server = Server::start().await;
    let other = server.second().await;
    for round in 0..5 {
        let user = json!({ "username": format!("ada{round}"), "firstName": "Ada" });
        let user = server.admin.clone().post("/api/users", &user).await.expect(201).json();
        let making = (0..8).map(|number| {
            let mut admin = if number % 2 == 0 { server.admin.clone() } else { other.admin.clone() };
            let path = format!("/api/users/{}/one-time-access-token", user["id"].as_str().unwrap());
            tokio::spawn(async move { admin.post(&path, &json!({})).await.expect(201).json()["token"].clone() })
        });
        let mut codes = Vec::new();
        for made in making.collect::<Vec<_>>() {
            codes.push(made.await.unwrap());
        }

        let mut answers = Vec::new();
        for code in &codes {
            answers.push(server.visitor().get(&format!("/enroll/{}", code.as_str().unwrap())).await.status);
        }
        answers.sort_unstable();
        assert_eq!(answers, [303, 410, 410, 410, 410, 410, 410, 410]);
    }
}

#[tokio::test]
async fn wr07_a_link_enrolls_one_passkey_once() {
    let server = Server::start().await;
    let (mut ada, code) = invited(&server).await;
    let mut thief = Person { visitor: server.visitor(), authenticator: SoftAuthenticator::new(), ..ada.clone() };
    thief.visitor.get(&format!("/enroll/{code}")).await.expect(303);
    let options = thief.visitor.post("/api/enrollment/start", &json!({})).await.expect(200).json();
    let late = thief.authenticator.create(&options, server.issuer());
    ada.redeem(&code, &json!({})).await.expect(204);

    let answer = thief.visitor.post("/api/enrollment/finish", &late).await.expect(401);
    assert_eq!(answer.json()["code"], "token_invalid_or_expired");
    thief.visitor.get("/enroll").await.expect(410);
    thief.visitor.post("/api/enrollment/start", &json!({})).await.expect(401);
    let credentials = format!("/api/users/{}/webauthn-credentials", ada.id);
    assert_eq!(server.admin.clone().get(&credentials).await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn wr01_a_ceremony_that_took_too_long_uses_no_link_up() {
    let server = Server::start().await;
    let (mut ada, code) = invited(&server).await;
    ada.visitor.get(&format!("/enroll/{code}")).await.expect(303);
    let options = ada.visitor.post("/api/enrollment/start", &json!({})).await.expect(200).json();
    let response = ada.authenticator.create(&options, server.issuer());
    server.later(Duration::minutes(5));

    let answer = ada.visitor.post("/api/enrollment/finish", &response).await.expect(400);

    assert_eq!(answer.json()["code"], "invalid_webauthn_session");
    ada.visitor.get("/api/users/me").await.expect(401);
    ada.redeem(&code, &json!({})).await.expect(204);
}

#[tokio::test]
async fn wr07_expired_superseded_altered_links_and_skipped_steps_lead_nowhere() {
    let server = Server::start().await;
    let (mut ada, old) = invited(&server).await;
    let new = link(&server, &ada.id, &json!({ "ttl": "1h" })).await;

    server.visitor().get(&format!("/enroll/{old}")).await.expect(410);
    server.visitor().get(&format!("/enroll/{}A", new)).await.expect(410);
    server.visitor().get(&format!("/enroll/{}", &new[..new.len() - 1])).await.expect(410);
    server.visitor().post("/api/enrollment/start", &json!({})).await.expect(401);
    server.visitor().post("/api/enrollment/finish", &json!({})).await.expect(400);
    server.later(Duration::hours(1));
    ada.visitor.get(&format!("/enroll/{new}")).await.expect(410);
}

#[tokio::test]
async fn an_open_link_ends_when_an_administrator_revokes_it() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let (ada, _) = invited(&server).await;
    let (path, page) = (format!("/api/users/{}/one-time-access-token", ada.id), format!("/admin/people/{}", ada.id));
    let button = format!("action=\"{page}/revoke-link\"");

    for by_page in [true, false] {
        let code = link(&server, &ada.id, &json!({})).await;
        server.visitor().get(&format!("/enroll/{code}")).await.expect(303);
        assert!(root.visitor.get(&page).await.expect(200).text.contains(&button));
        let before = server.app.store.feed().head().await.unwrap();
        for _ in 0..2 {
            match by_page {
                true => drop(root.visitor.form(&format!("{page}/revoke-link"), &[]).await.expect(303)),
                false => drop(root.visitor.send(Method::DELETE, &path, None, &[]).await.expect(204)),
            }
        }

        let gone = server.visitor().get(&format!("/enroll/{code}")).await.expect(410);
        assert!(gone.text.contains("id=\"error\""), "{}", gone.text);
        assert!(!root.visitor.get(&page).await.expect(200).text.contains(&button), "there is none to revoke");
        let events = server.app.store.feed().read(before, 100).await.unwrap();
        let revoked: Vec<_> = events.iter().filter(|recorded| recorded.event.name() == "enrollment.revoked").collect();
        assert_eq!(revoked.len(), 1, "once");
        assert_eq!(revoked[0].context.actor.user(), Some(root.id.parse().unwrap()));
        let history = root.visitor.get(&format!("/admin/history?person={}", ada.id)).await.expect(200).text;
        assert!(history.contains("withdrew the link for"), "{history}");
    }
    let unknown = format!("/api/users/{}/one-time-access-token", uuid::Uuid::new_v4());
    root.visitor.send(Method::DELETE, &unknown, None, &[]).await.expect(404);
    let mut bob = server.person("bob").await;
    bob.visitor.send(Method::DELETE, &path, None, &[]).await.expect(403);
}

#[tokio::test]
async fn wr07_a_page_enrolls_by_its_own_link_and_not_by_one_that_was_opened_since() {
    let server = Server::start().await;
    let (mut ada, code) = invited(&server).await;
    let bob = json!({ "username": "bob", "firstName": "Bob" });
    let bob = server.admin.clone().post("/api/users", &bob).await.expect(201).json();
    let other = link(&server, bob["id"].as_str().unwrap(), &json!({})).await;
    ada.visitor.get(&format!("/enroll/{code}")).await.expect(303);
    let page = ada.visitor.get("/enroll").await.expect(200).text;
    let start = page.split("data-start=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    ada.visitor.post(&start, &json!({})).await.expect(200);
    ada.visitor.get(&format!("/enroll/{other}")).await.expect(303);
    let refused = ada.visitor.post(&start, &json!({})).await.expect(409);

    assert_eq!(refused.json()["code"], "another_link");
}

#[tokio::test]
async fn a_disabled_person_cannot_enroll() {
    let server = Server::start().await;
    let (mut ada, code) = invited(&server).await;
    let mut admin = server.admin.clone();
    let mut user = admin.get(&format!("/api/users/{}", ada.id)).await.json();
    user["disabled"] = json!(true);
    admin.json(reqwest::Method::PUT, &format!("/api/users/{}", ada.id), &user).await.expect(200);

    ada.visitor.get(&format!("/enroll/{code}")).await.expect(303);
    let answer = ada.visitor.post("/api/enrollment/start", &json!({})).await.expect(403);

    assert_eq!(answer.json()["code"], "user_disabled");
}

#[tokio::test]
async fn se02_whoever_enrolls_in_a_browser_ends_the_session_that_was_there() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let bob = server.admin.clone().post("/api/users", &json!({ "username": "bob", "firstName": "Bob" })).await;
    let bob = bob.expect(201).json()["id"].as_str().unwrap().to_owned();
    let code = link(&server, &bob, &json!({})).await;
    let mut before = ada.visitor.clone();
    ada.authenticator = SoftAuthenticator::new();

    ada.redeem(&code, &json!({})).await.expect(204);

    assert_eq!(ada.visitor.get("/api/users/me").await.expect(200).json()["id"], bob.as_str());
    before.get("/api/users/me").await.expect(401);
}
