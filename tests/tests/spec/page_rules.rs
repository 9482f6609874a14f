//! Every page has its rule: who may see it, who may press its buttons, and what a recent ceremony is needed for; attacks AD-01.

use std::collections::BTreeSet;
use std::path::Path;

use chancery_tests::server::Server;
use chancery_tests::visitor::{Answer, Visitor};
use time::Duration;
use uuid::Uuid;

/// Whom a page is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Anybody,
    Person,
    /// With a ceremony of the last five minutes.
    ProvenPerson,
    Admin,
    ProvenAdmin,
}

use Who::{Admin, Anybody, Person, ProvenAdmin, ProvenPerson};

const RULES: &[(&str, Who)] = &[
    ("GET /", Anybody),
    ("GET /account", Person),
    ("POST /account", Person),
    ("GET /account/activity", Person),
    ("GET /account/apps", Person),
    ("GET /account/apps/{id}/withdraw", Person),
    ("POST /account/apps/{id}/withdraw", Person),
    ("GET /account/passkeys", Person),
    ("GET /account/passkeys/{id}/remove", ProvenPerson),
    ("POST /account/passkeys/{id}/remove", ProvenPerson),
    ("POST /account/passkeys/{id}/rename", Person),
    ("POST /account/picture", Person),
    ("POST /account/picture/remove", Person),
    ("GET /account/sessions", Person),
    ("POST /account/sessions/end-all", Person),
    ("POST /account/sessions/end-others", Person),
    ("POST /account/sessions/{id}/end", Person),
    ("POST /account/verify-email", Person),
    ("GET /admin", Admin),
    ("GET /admin/api-keys", Admin),
    ("POST /admin/api-keys", ProvenAdmin),
    ("GET /admin/api-keys/{id}/revoke", Admin),
    // Whoever ends their own key gives away what they could do.
    ("POST /admin/api-keys/{id}/revoke", Admin),
    ("GET /admin/apps", Admin),
    ("GET /admin/apps/new", Admin),
    ("POST /admin/apps/new", ProvenAdmin),
    ("GET /admin/apps/{id}", Admin),
    ("POST /admin/apps/{id}", ProvenAdmin),
    ("GET /admin/apps/{id}/delete", Admin),
    ("POST /admin/apps/{id}/delete", ProvenAdmin),
    ("POST /admin/apps/{id}/secrets", ProvenAdmin),
    ("GET /admin/apps/{id}/secrets/{secret}/remove", Admin),
    ("POST /admin/apps/{id}/secrets/{secret}/remove", ProvenAdmin),
    ("GET /admin/diagnostics", Admin),
    ("GET /admin/groups", Admin),
    ("GET /admin/groups/new", Admin),
    ("POST /admin/groups/new", ProvenAdmin),
    ("GET /admin/groups/{id}", Admin),
    ("POST /admin/groups/{id}", ProvenAdmin),
    ("POST /admin/groups/{id}/claims", ProvenAdmin),
    ("GET /admin/groups/{id}/delete", Admin),
    ("POST /admin/groups/{id}/delete", ProvenAdmin),
    ("POST /admin/groups/{id}/members", ProvenAdmin),
    ("POST /admin/groups/{id}/members/{user}/remove", ProvenAdmin),
    ("GET /admin/history", Admin),
    ("GET /admin/history/{position}", Admin),
    ("GET /admin/mail", Admin),
    ("POST /admin/mail/test", ProvenAdmin),
    ("GET /admin/people", Admin),
    ("GET /admin/people/new", Admin),
    ("POST /admin/people/new", ProvenAdmin),
    ("GET /admin/people/{id}", Admin),
    ("POST /admin/people/{id}", ProvenAdmin),
    ("GET /admin/people/{id}/delete", Admin),
    ("POST /admin/people/{id}/delete", ProvenAdmin),
    ("GET /admin/people/{id}/passkeys/{passkey}/remove", Admin),
    ("POST /admin/people/{id}/passkeys/{passkey}/remove", ProvenAdmin),
    ("GET /admin/people/{id}/passkeys/{passkey}/restore", Admin),
    ("POST /admin/people/{id}/passkeys/{passkey}/restore", ProvenAdmin),
    ("POST /admin/people/{id}/picture", ProvenAdmin),
    ("POST /admin/people/{id}/picture/remove", ProvenAdmin),
    ("POST /admin/people/{id}/sessions/end-all", ProvenAdmin),
    ("POST /admin/people/{id}/sessions/{session}/end", ProvenAdmin),
    ("GET /admin/people/{id}/{act}", Admin),
    ("POST /admin/people/{id}/{act}", ProvenAdmin),
    ("GET /assets/{hash}/{name}", Anybody),
    ("GET /authorize", Anybody),
    ("POST /authorize", Anybody),
    // Whoever holds the request that waits, by this browser's cookie (attacks AZ-13, AZ-17).
    ("GET /consent", Anybody),
    ("POST /consent", Anybody),
    ("GET /select-account", Anybody),
    ("POST /select-account", Anybody),
    // Whoever holds the link (attacks WR-07).
    ("GET /enroll", Anybody),
    ("GET /enroll/{code}", Anybody),
    ("GET /lc/{code}", Anybody),
    ("GET /enroll/second", Person),
    ("POST /enroll/second", Person),
    ("GET /healthz", Anybody),
    ("GET /help", Anybody),
    ("GET /login", Anybody),
    // On an address of its own, for whoever watches the node.
    ("GET /metrics", Anybody),
    ("GET /readyz", Anybody),
    ("GET /reauthenticate", Person),
    ("GET /sign-out", Anybody),
    ("POST /sign-out", Anybody),
    ("GET /verify-email", Person),
    ("POST /verify-email", Person),
];

/// What the buttons on a person's page do.
const ACTS: [&str; 8] =
    ["groups", "claims", "grant-admin", "revoke-admin", "disable", "enable", "enrollment-link", "revoke-link"];

/// Method and path of every route in the sources that is none of the API's.
fn routes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes(&path, found);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for rest in text.split(".route(").skip(1) {
            let Some((path, rest)) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) else {
                continue;
            };
            if path.starts_with("/api/") || path.starts_with("/.well-known/") {
                continue;
            }
            let handlers = rest.split(".route(").next().unwrap().split("\n}").next().unwrap();
            let methods = ["get", "post", "put", "patch", "delete", "any"];
            let is_method = |method: &&str| {
                [format!(" {method}("), format!(".{method}("), format!("({method}(")]
                    .iter()
                    .any(|call| handlers.contains(call))
            };
            let methods: Vec<_> = methods.into_iter().filter(is_method).collect();
            assert!(!methods.is_empty(), "{path}: {handlers}");
            found.extend(methods.iter().map(|method| format!("{} {path}", method.to_uppercase())));
        }
    }
}

#[test]
fn ad01_every_route_of_the_pages_has_a_rule() {
    let mut found = BTreeSet::new();
    routes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/src"), &mut found);
    let known: BTreeSet<String> = RULES.iter().map(|(route, _)| (*route).to_owned()).collect();

    assert_eq!(found.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "routes without a rule");
    assert_eq!(known.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "rules without a route");
}

/// The route with its parameters filled in, once for each act where it has one.
fn paths(path: &str, person: &str) -> Vec<String> {
    let fill = |act: &str| {
        let part = |part: &str| match part {
            "{id}" | "{user}" => person.to_owned(),
            "{act}" => act.to_owned(),
            "{position}" => "1".to_owned(),
            parameter if parameter.starts_with('{') => Uuid::new_v4().to_string(),
            part => part.to_owned(),
        };
        path.split('/').map(part).collect::<Vec<_>>().join("/")
    };
    if path.contains("{act}") { ACTS.map(fill).to_vec() } else { vec![fill("")] }
}

async fn ask(visitor: &Visitor, method: &str, path: &str) -> Answer {
    let mut visitor = visitor.clone();
    if method == "GET" { visitor.get(path).await } else { visitor.form(path, &[("username", "mallory")]).await }
}

#[tokio::test]
async fn ad01_every_page_is_for_those_it_is_for_and_for_nobody_else() {
    let server = Server::start().await;
    let root = server.first_admin().await;
    let ada = server.person("ada").await;
    server.later(Duration::minutes(6));
    let before = server.app.store.feed().head().await.unwrap();

    for (route, who) in RULES.iter().filter(|(_, who)| *who != Anybody) {
        let (method, path) = route.split_once(' ').unwrap();
        for path in paths(path, &ada.id) {
            let to = |answer: &Answer, page: &str| answer.status == 303 && answer.header("location").starts_with(page);
            let stranger = ask(&server.visitor(), method, &path).await;
            assert!(to(&stranger, "/login") || stranger.status == 401, "{method} {path}: {}", stranger.status);
            if matches!(who, Admin | ProvenAdmin) {
                let person = ask(&ada.visitor, method, &path).await;
                assert_eq!(person.status, 403, "{method} {path}: {}", person.text);
            }
            let proven = match who {
                ProvenAdmin => &root.visitor,
                ProvenPerson => &ada.visitor,
                _ => continue,
            };
            let answer = ask(proven, method, &path).await;
            assert!(to(&answer, "/reauthenticate?next=/a"), "{method} {path}: {} {}", answer.status, answer.text);
        }
    }

    assert_eq!(server.app.store.feed().head().await.unwrap(), before, "nothing refused left a trace");
}
