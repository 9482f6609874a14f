//! `/api/audit-logs` as Pocket ID's tools ask it: filters, what events and places are called, what `data` holds.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::maxmind::DATABASE;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use chancery_tests::visitor::Visitor;
use reqwest::Method;
use serde_json::{Value, json};

/// All that a filter finds in everybody's history; a page holds it.
async fn found(server: &Server, filter: &str) -> Vec<Value> {
    entries(server.admin.clone(), &format!("/api/audit-logs/all?pagination[limit]=100&{filter}")).await
}

async fn entries(mut visitor: Visitor, path: &str) -> Vec<Value> {
    let list = visitor.get(path).await.expect(200).json();
    let entries = list["data"].as_array().unwrap().clone();
    assert_eq!(list["pagination"]["totalItems"], entries.len());
    entries
}

/// The different values of a member, in order.
fn values(entries: &[Value], pointer: &str) -> Vec<String> {
    let values = entries.iter().map(|entry| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    let mut values: Vec<_> = values.map(str::to_owned).collect();
    values.sort_unstable();
    values.dedup();
    values
}

async fn second_passkey(server: &Server, person: &mut Person) -> Value {
    let options = person.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let made = SoftAuthenticator::hardware().create(&options, server.issuer());
    person.visitor.post("/api/webauthn/register/finish", &made).await.expect(200).json()
}

fn hexadecimal(passkey: &Value) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(passkey["credentialID"].as_str().unwrap()).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn apps_are_filtered_by_the_names_that_the_api_gives_them() {
    let server = Server::start().await;
    let mut admin = server.admin.clone();
    // One app has the name of another as its id, one shares its name, and one is gone.
    for (id, name) in [("app-1", "Wiki"), ("app-2", "Wiki"), ("Wiki", "Notes"), ("old-app", "Old")] {
        admin.post("/api/oidc/clients", &json!({ "id": id, "name": name })).await.expect(201);
    }
    admin.send(Method::DELETE, "/api/oidc/clients/old-app", None, &[]).await.expect(204);

    let names = admin.get("/api/audit-logs/filters/client-names").await.expect(200).json();
    assert_eq!(names, json!(["Notes", "Wiki", "old-app"]));
    for (name, count) in [("Notes", 1), ("Wiki", 2), ("old-app", 2)] {
        let entries = found(&server, &format!("filters[clientName]={name}")).await;
        assert_eq!((values(&entries, "/data/clientName"), entries.len()), (vec![name.to_owned()], count));
    }
    for several in [
        "filters[clientName]=Notes&filters[clientName]=Wiki",
        "filters[clientName][0]=Wiki&filters[clientName][1]=Notes&filters[clientName][2]=Nothing",
    ] {
        assert_eq!(values(&found(&server, several).await, "/data/clientName"), ["Notes", "Wiki"], "{several}");
    }
    for nothing in ["Nothing", "app-1", "Old", "wiki", "%20"] {
        assert_eq!(found(&server, &format!("filters[clientName]={nothing}")).await, [] as [Value; 0], "{nothing}");
    }
}

#[tokio::test]
async fn people_are_filtered_by_their_ids() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let bob = server.person("bob").await;

    for person in [&ada, &bob] {
        let entries = found(&server, &format!("filters[userID]={}", person.id)).await;
        assert_eq!(values(&entries, "/userID"), [person.id.as_str()]);
    }
    let both = found(&server, &format!("filters[userID]={}&filters[userID]={}", ada.id, bob.id)).await;
    let mut ids = [ada.id.clone(), bob.id.clone()];
    ids.sort_unstable();
    assert_eq!(values(&both, "/userID"), ids);
    let and = found(&server, &format!("filters[userID]={}&filters[event]=PASSKEY_ADDED", ada.id)).await;
    assert_eq!((and.len(), values(&and, "/userID")), (1, vec![ada.id.clone()]));
    for nobody in ["00000000-0000-4000-8000-000000000001", "nobody", ""] {
        assert_eq!(found(&server, &format!("filters[userID]={nobody}")).await, [] as [Value; 0], "{nobody:?}");
    }
    let of_bob = format!("/api/audit-logs?filters[userID]={}", bob.id);
    assert_eq!(entries(ada.visitor, &of_bob).await, [] as [Value; 0]);
}

#[tokio::test]
async fn events_are_filtered_by_the_names_that_the_api_gives_them() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let mut thief = Person { visitor: server.visitor(), ..ada.clone() };
    thief.authenticator.bad_signature = true;
    thief.sign_in().await.expect(401);

    let all = found(&server, "").await;
    let names = values(&all, "/event");
    for name in ["SIGN_IN", "SIGN_IN_ATTEMPT_FAILED", "ENROLLMENT_REDEEMED", "PASSKEY_ADDED"] {
        assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
    }
    for name in &names {
        let entries = found(&server, &format!("filters[event]={name}")).await;
        let count = all.iter().filter(|entry| entry["event"] == **name).count();
        assert_eq!((values(&entries, "/event"), entries.len()), (vec![name.clone()], count));
    }
    let several = found(&server, "filters[event]=SIGN_IN_ATTEMPT_FAILED&filters[event]=SIGN_IN&filters[event]=X").await;
    assert_eq!(values(&several, "/event"), ["SIGN_IN", "SIGN_IN_ATTEMPT_FAILED"]);
    for nothing in ["TOKEN_SIGN_IN", "SESSION_STARTED", "session.started", "sign_in", "X", ""] {
        assert_eq!(found(&server, &format!("filters[event]={nothing}")).await, [] as [Value; 0], "{nothing:?}");
    }
    let own = entries(ada.visitor, "/api/audit-logs?filters[event]=SIGN_IN&filters[event]=PASSKEY_ADDED").await;
    assert_eq!(values(&own, "/event"), ["PASSKEY_ADDED", "SIGN_IN"]);
}

#[tokio::test]
async fn places_are_filtered_and_called_as_pocket_id_calls_them() {
    let server = Server::with(&[("GEOLITE_DB_PATH", DATABASE), ("TRUST_PROXY", "127.0.0.1")]).await;
    let ada = server.person("ada").await;
    let from = async |address: &str| {
        let mut there = Person { visitor: server.visitor(), ..ada.clone() };
        there.visitor.headers = vec![("x-forwarded-for".to_owned(), address.to_owned())];
        there.sign_in().await.expect(200);
    };
    for (address, country, city) in [
        ("127.0.0.1", "Internal Network", "LAN"),
        ("192.168.1.20", "Internal Network", "LAN"),
        ("fe80::1", "Internal Network", "LAN"),
        ("100.64.0.1", "Internal Network", "Tailscale"),
        ("89.160.20.112", "Sweden", "Linköping"),
        ("8.8.8.8", "", ""),
    ] {
        from(address).await;
        let newest = found(&server, "filters[event]=SIGN_IN").await.remove(0);
        assert_eq!([&newest["ipAddress"], &newest["country"], &newest["city"]], [address, country, city]);
    }

    let internal = found(&server, "filters[location]=internal").await;
    assert_eq!(values(&internal, "/country"), ["Internal Network"]);
    let external = found(&server, "filters[location]=external").await;
    assert_eq!(values(&external, "/ipAddress"), ["8.8.8.8", "89.160.20.112"]);
    let both = found(&server, "filters[location]=internal&filters[location]=external").await;
    assert_eq!(both.len(), internal.len() + external.len());
    for nothing in ["moon", "Internal", ""] {
        assert_eq!(found(&server, &format!("filters[location]={nothing}")).await, [] as [Value; 0], "{nothing:?}");
    }
}

#[tokio::test]
async fn a_wider_consent_is_a_new_authorization_too() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    for scope in ["openid", "openid email", "openid"] {
        ada.authorize(&wiki, &[("scope", scope)]).await.expect(303).parameter("code").unwrap();
    }

    let new = found(&server, "filters[event]=NEW_CLIENT_AUTHORIZATION").await;

    assert_eq!(new.len(), 2);
    assert_eq!(values(&new, "/event"), ["NEW_CLIENT_AUTHORIZATION"]);
    assert_eq!(values(&new, "/data/clientName"), ["Wiki"]);
    assert_eq!(found(&server, "filters[event]=CLIENT_AUTHORIZATION").await.len(), 3);
}

#[tokio::test]
async fn of_passkeys_it_says_which_and_who_else_acted() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let mut ada = server.person("ada").await;
    let first = ada.visitor.get("/api/webauthn/credentials").await.expect(200).json()[0].clone();
    let by_ada = second_passkey(&server, &mut ada).await;
    let path = format!("/api/webauthn/credentials/{}", by_ada["id"].as_str().unwrap());
    ada.visitor.json(Method::PATCH, &path, &json!({ "name": "Spare" })).await.expect(200);
    ada.visitor.send(Method::DELETE, &path, None, &[]).await.expect(204);
    let by_root = second_passkey(&server, &mut ada).await;
    let path = format!("/api/users/{}/webauthn-credentials/{}", ada.id, by_root["id"].as_str().unwrap());
    root.visitor.send(Method::DELETE, &path, None, &[]).await.expect(204);
    let of_ada = format!("filters[userID]={}&filters[event]", ada.id);

    let added = found(&server, &format!("{of_ada}=PASSKEY_ADDED")).await;
    let removed = found(&server, &format!("{of_ada}=PASSKEY_REMOVED")).await;

    let name = first["name"].as_str().unwrap();
    assert_eq!(
        added.last().unwrap()["data"],
        json!({
            "description": format!("Ada Lindqvist added the passkey {name} through a link"),
            "credentialID": hexadecimal(&first), "passkeyName": name
        })
    );
    assert_eq!(
        removed[1]["data"],
        json!({
            "description": "Ada Lindqvist removed Spare", "credentialID": hexadecimal(&by_ada), "passkeyName": "Spare"
        })
    );
    let name = by_root["name"].as_str().unwrap();
    assert_eq!(
        removed[0]["data"],
        json!({
            "description": format!("Root removed {name} of Ada Lindqvist"), "credentialID": hexadecimal(&by_root),
            "passkeyName": name, "actorUserID": root.id, "actorUsername": "root"
        })
    );
    assert_eq!((&removed[0]["actorUsername"], &removed[1]["actorUsername"]), (&json!("root"), &json!("")));

    server.admin.clone().send(Method::DELETE, &format!("/api/users/{}", ada.id), None, &[]).await.expect(204);
    let left = found(&server, &format!("{of_ada}=PASSKEY_REMOVED")).await;
    assert_eq!(
        left[0]["data"],
        json!({
            "description": "Root removed a passkey of a person who was erased",
            "actorUserID": root.id, "actorUsername": "root"
        })
    );
}
