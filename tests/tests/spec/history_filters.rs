//! What the history is searched for: by person, app, kind, place, time and free text, in any combination.

use chancery_tests::maxmind::DATABASE;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::json;
use time::Duration;

const BOXFORD: &str = "2.125.160.216";
const LINKOEPING: &str = "89.160.20.112";

/// The sentences of a page, as they are read.
fn sentences(page: &str) -> Vec<String> {
    let says = page.split("<span class=\"says\">").skip(1).map(|rest| rest.split("</span>").next().unwrap());
    let without_tags = |html: &str| {
        let pieces = html.split('<').enumerate();
        pieces.map(|(nth, piece)| if nth == 0 { piece } else { piece.split_once('>').unwrap().1 }).collect()
    };
    says.map(without_tags).collect()
}

async fn shown(who: &mut Person, path: &str, filters: &[(&str, &str)]) -> Vec<String> {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(filters).finish();
    sentences(&who.visitor.get(&format!("{path}?{query}")).await.expect(200).text)
}

async fn found(admin: &mut Person, filters: &[(&str, &str)]) -> Vec<String> {
    shown(admin, "/admin/history", filters).await
}

async fn sign_in_from(server: &Server, who: &Person, address: &str) {
    let mut there = Person { visitor: server.visitor(), ..who.clone() };
    there.visitor.headers = vec![("x-forwarded-for".to_owned(), address.to_owned())];
    there.sign_in().await.expect(200);
}

async fn with_places() -> (Server, Person, Person) {
    let server = Server::with(&[("GEOLITE_DB_PATH", DATABASE), ("TRUST_PROXY", "127.0.0.1")]).await;
    let (root, ada) = (server.first_admin().await, server.person("ada").await);
    (server, root, ada)
}

#[tokio::test]
async fn what_is_read_in_a_row_finds_it_again_word_by_word() {
    let (server, mut root, mut ada) = with_places().await;
    let wiki = server.client(&json!({})).await;
    ada.authorize(&wiki, &[]).await.expect(303);
    let group = json!({ "name": "ops", "friendlyName": "Night watch" });
    let group = root.visitor.post("/api/user-groups", &group).await.expect(201).json();
    let members = json!({ "userIds": [ada.id] });
    let path = format!("/api/user-groups/{}/users", group["id"].as_str().unwrap());
    root.visitor.json(Method::PUT, &path, &members).await.expect(200);
    let passkey = ada.visitor.get("/api/webauthn/credentials").await.expect(200).json()[0].clone();
    let path = format!("/api/webauthn/credentials/{}", passkey["id"].as_str().unwrap());
    ada.visitor.json(Method::PATCH, &path, &json!({ "name": "Kitchen" })).await.expect(200);
    sign_in_from(&server, &ada, LINKOEPING).await;

    let authorized = "Ada Lindqvist signed in to Wiki";
    assert_eq!(found(&mut root, &[("text", authorized)]).await, [authorized]);
    assert_eq!(found(&mut root, &[("text", "wiki  LINDQVIST signed")]).await, [authorized]);
    let joined = "Root added Ada Lindqvist to Night watch";
    assert_eq!(found(&mut root, &[("text", "added night watch")]).await, [joined], "by what the group is called");
    let with_passkey = found(&mut root, &[("text", "signed in with Kitchen")]).await;
    assert!(with_passkey.contains(&"Ada Lindqvist signed in with Kitchen".to_owned()), "{with_passkey:?}");
    for place in ["Sweden", "Linköping Sweden"] {
        let there = found(&mut root, &[("text", place)]).await;
        assert_eq!(there, ["Ada Lindqvist signed in with Kitchen"], "{place}");
    }
    for nothing in ["signed in to Wiki yesterday", "%", "Night_watch", "Norway"] {
        assert_eq!(found(&mut root, &[("text", nothing)]).await, [] as [&str; 0], "{nothing}");
    }
}

#[tokio::test]
async fn a_place_is_a_country_or_a_city_of_it_and_no_part_of_a_name() {
    let (server, mut root, ada) = with_places().await;
    sign_in_from(&server, &ada, BOXFORD).await;
    sign_in_from(&server, &ada, LINKOEPING).await;
    sign_in_from(&server, &ada, "192.168.1.20").await;

    let page = root.visitor.get("/admin/history").await.expect(200).text;
    for option in [
        "<option value=\"GB\">United Kingdom</option>",
        "<option value=\"GB/Boxford\">Boxford, United Kingdom</option>",
        "<option value=\"SE\">Sweden</option>",
        "<option value=\"SE/Linköping\">Linköping, Sweden</option>",
    ] {
        assert!(page.contains(option), "{option}: {page}");
    }
    assert!(page.contains("<option value=\"/"), "networks that are nowhere: {page}");
    for (place, count) in [
        ("GB", 1),
        ("GB/Boxford", 1),
        ("SE", 1),
        ("SE/Linköping", 1),
        // Bolivia is not where Boxford is, nor Liechtenstein where Linköping is.
        ("BO", 0),
        ("LI", 0),
        ("GB/Linköping", 0),
        ("SE/Link", 0),
        ("Boxford", 0),
    ] {
        assert_eq!(found(&mut root, &[("place", place)]).await.len(), count, "{place}");
    }
    let network = page.split("<option value=\"/").nth(1).unwrap().split('"').next().unwrap();
    assert!(!found(&mut root, &[("place", &format!("/{network}"))]).await.is_empty(), "{network}");
}

#[tokio::test]
async fn an_app_that_was_deleted_can_still_be_looked_up() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    server.client(&json!({ "id": "old-app", "name": "Old notes" })).await;
    root.visitor.send(Method::DELETE, "/api/oidc/clients/old-app", None, &[]).await.expect(204);

    let page = root.visitor.get("/admin/history?app=old-app").await.expect(200).text;

    assert!(page.contains("<option value=\"old-app\" selected>Old notes (deleted)</option>"), "{page}");
    let newest = sentences(&page).remove(0);
    assert_eq!(newest, "Root deleted Old notes");
}

/// The ways to newer and older entries.
fn ways(page: &str) -> (Option<String>, Option<String>) {
    let nav = page.split("<nav class=\"pages\"").nth(1).map(|rest| rest.split("</nav>").next().unwrap());
    let links = nav.into_iter().flat_map(|nav| nav.split("href=\"").skip(1));
    let links: Vec<String> =
        links.map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")).collect();
    let way = |name: &str| links.iter().find(|link| link.contains(name)).cloned();
    (way("after="), way("before="))
}

#[tokio::test]
async fn pages_lead_to_each_other_and_end_where_the_history_does() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    for n in 0..100 {
        root.visitor.post("/api/users", &json!({ "username": format!("made-up-{n}") })).await.expect(201);
    }

    let first = root.visitor.get("/admin/history?text=made-up").await.expect(200).text;
    let (newer, older) = ways(&first);
    assert_eq!((sentences(&first).len(), newer), (50, None), "there is nothing newer");
    let second = root.visitor.get(&older.unwrap()).await.expect(200).text;
    let (newer, older) = ways(&second);
    assert_eq!((sentences(&second).len(), older), (50, None), "there is nothing older");
    let back = root.visitor.get(&newer.unwrap()).await.expect(200).text;
    let (newer, older) = ways(&back);
    assert_eq!((sentences(&back), newer), (sentences(&first), None));
    let again = root.visitor.get(&older.unwrap()).await.expect(200).text;
    assert_eq!(sentences(&again), sentences(&second));
}

#[tokio::test]
async fn every_filter_narrows_what_the_others_leave() {
    let (server, mut root, ada) = with_places().await;
    let bob = server.person("bob").await;
    let (wiki, mail) = (server.client(&json!({})).await, server.client(&json!({ "name": "Mail" })).await);
    for (person, app) in [(&ada, &wiki), (&ada, &mail), (&bob, &wiki)] {
        let mut there = Person { visitor: server.visitor(), ..person.clone() };
        there.visitor.headers = vec![("x-forwarded-for".to_owned(), LINKOEPING.to_owned())];
        there.sign_in().await.expect(200);
        there.authorize(app, &[]).await.expect(303);
    }
    let all = [
        ("person", ada.id.as_str()),
        ("app", wiki.id.as_str()),
        ("kind", "apps"),
        ("place", "SE/Linköping"),
        ("text", "signed in to"),
    ];

    assert_eq!(found(&mut root, &all).await, ["Ada Lindqvist signed in to Wiki"]);
    for (nth, other) in [
        (0, ("person", root.id.clone())),
        (1, ("app", "nothing".to_owned())),
        (2, ("kind", "passkeys".to_owned())),
        (3, ("place", "GB".to_owned())),
        (4, ("text", "signed out".to_owned())),
    ] {
        let mut filters = all;
        filters[nth] = (other.0, &other.1);
        assert_eq!(found(&mut root, &filters).await, [] as [&str; 0], "{other:?}");
    }
    // The log's clock is the database's: all of this was today.
    let today = time::OffsetDateTime::now_utc().date();
    let (yesterday, tomorrow) = ((today - Duration::DAY).to_string(), (today + Duration::DAY).to_string());
    assert_eq!(
        found(&mut root, &[&all[..], &[("from", yesterday.as_str()), ("to", tomorrow.as_str())]].concat()).await.len(),
        1
    );
    for off in [[("from", tomorrow.as_str())], [("to", yesterday.as_str())]] {
        assert_eq!(found(&mut root, &[&all[..], &off].concat()).await, [] as [&str; 0], "{off:?}");
    }
}

#[tokio::test]
async fn a_person_filters_their_own_history_and_learns_nothing_about_others() {
    let (server, mut root, mut ada) = with_places().await;
    let wiki = server.client(&json!({})).await;
    ada.authorize(&wiki, &[]).await.expect(303);
    sign_in_from(&server, &ada, LINKOEPING).await;
    sign_in_from(&server, &root, BOXFORD).await;
    let mut changed = root.visitor.get(&format!("/api/users/{}", ada.id)).await.expect(200).json();
    changed["locale"] = json!("en");
    root.visitor.json(Method::PUT, &format!("/api/users/{}", ada.id), &changed).await.expect(200);

    let own = "/account/activity";
    assert_eq!(shown(&mut ada, own, &[("place", "SE")]).await.len(), 1);
    assert_eq!(shown(&mut ada, own, &[("app", &wiki.id), ("text", "signed in to")]).await.len(), 1);
    let sign_ins = shown(&mut ada, own, &[("kind", "sign_ins")]).await;
    assert!(!sign_ins.is_empty() && sign_ins.iter().all(|says| says.contains("signed in with")), "{sign_ins:?}");
    let page = ada.visitor.get(own).await.expect(200).text;
    assert!(page.contains("Linköping, Sweden</option>") && !page.contains("Boxford"), "{page}");
    assert!(!page.contains("name=\"person\"") && !page.contains("Changes by admins"), "{page}");

    // Who acted is told, but not how else they could be found.
    assert_eq!(shown(&mut ada, own, &[("text", "root changed")]).await, ["Root changed the profile of Ada Lindqvist"]);
    assert_eq!(shown(&mut ada, own, &[("text", "root@example.org")]).await, [] as [&str; 0]);
    let listed = ada.visitor.get("/api/audit-logs?search=root@example").await.expect(200).json();
    assert_eq!(listed["pagination"]["totalItems"], 0);
    assert!(!found(&mut root, &[("text", "root@example.org")]).await.is_empty(), "administrators may");
    assert_eq!(shown(&mut ada, own, &[("person", &root.id), ("kind", "sign_ins")]).await, sign_ins, "nobody else's");
}
