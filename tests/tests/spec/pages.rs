//! The pages over HTTP: who may see them, and that their forms do what they say.

use chancery_tests::node::Person;
use chancery_tests::server::Server;
use chancery_tests::visitor::Answer;
use serde_json::{Value, json};
use time::Duration;

const OWN: [&str; 5] = ["/account", "/account/passkeys", "/account/sessions", "/account/apps", "/account/activity"];
const ADMIN: [&str; 10] = [
    "/admin",
    "/admin/people",
    "/admin/people/new",
    "/admin/groups",
    "/admin/groups/new",
    "/admin/apps",
    "/admin/apps/new",
    "/admin/api-keys",
    "/admin/history",
    "/admin/diagnostics",
];

#[track_caller]
pub fn assert_page(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.text.matches("<h1").count(), 1, "one heading");
    assert_eq!(answer.header("cache-control"), "no-store");
}

/// The path that a form's answer leads to.
#[track_caller]
pub fn led_to(answer: Answer) -> String {
    answer.expect(303).header("location").to_owned()
}

/// Where somebody goes who cancels.
pub fn cancel(page: &str) -> String {
    let (_, rest) = page.split_once("id=\"cancel\" href=\"").unwrap_or_else(|| panic!("{page}"));
    rest.split_once('"').unwrap().0.to_owned()
}

pub async fn post(person: &mut Person, path: &str, pairs: &[(&str, &str)]) -> Answer {
    person.visitor.form(path, pairs).await
}

#[tokio::test]
async fn pages_are_for_those_they_are_for() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let mut ada = server.person("ada").await;
    let mut stranger = server.visitor();

    for path in OWN {
        assert_page(&ada.visitor.get(path).await);
        let answer = stranger.get(path).await.expect(303);
        assert_eq!(answer.header("location"), format!("/login?next={path}"));
    }
    for path in ADMIN {
        assert_page(&root.visitor.get(path).await);
        ada.visitor.get(path).await.expect(403);
        stranger.get(path).await.expect(303);
    }
}

/// The account of `STATIC_API_KEY`, which made Ada's, is nobody's.
#[tokio::test]
async fn the_list_of_people_shows_and_counts_people_alone() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    server.person("ada").await;

    let list = root.visitor.get("/admin/people").await.expect(200).text;

    assert!(list.contains("2 people"), "{list}");
    assert!(!list.contains("Static API User"));
}

#[tokio::test]
async fn a_person_changes_their_profile_and_hears_what_is_wrong() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    server.person("bob").await;
    let profile = |username| {
        [
            ("username", username),
            ("first_name", "Ada"),
            ("last_name", "Lovelace"),
            ("display_name", ""),
            ("email", "ada@example.org"),
        ]
    };

    let saved = post(&mut ada, "/account", &profile("ada")).await;
    assert_page(&saved);
    assert!(saved.text.contains("Ada Lovelace"));
    let taken = post(&mut ada, "/account", &profile("Bob")).await.expect(200);
    assert!(taken.text.contains("already in use"), "{}", taken.text);
    let bad = post(&mut ada, "/account", &profile("a b")).await.expect(200);
    assert!(bad.text.contains("aria-invalid"), "{}", bad.text);
    assert_eq!(ada.visitor.get("/api/users/me").await.json()["username"], "ada");
}

#[tokio::test]
async fn passkeys_are_renamed_and_removed_behind_a_ceremony() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let first = ada.visitor.get("/api/webauthn/credentials").await.json()[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/account/passkeys/{first}");

    assert_eq!(
        led_to(post(&mut ada, &format!("{path}/rename"), &[("name", "Blue laptop")]).await),
        "/account/passkeys"
    );
    let page = ada.visitor.get("/account/passkeys").await;
    assert_page(&page);
    assert!(page.text.contains("Blue laptop") && page.text.contains("Synced"));
    let kept = post(&mut ada, &format!("{path}/remove"), &[]).await.expect(200);
    assert!(kept.text.contains("last passkey"), "{}", kept.text);

    server.later(Duration::minutes(6));
    let ceremony = format!("/reauthenticate?next={path}/remove&back=/account/passkeys");
    assert_eq!(led_to(ada.visitor.get(&format!("{path}/remove")).await), ceremony);
    assert_eq!(cancel(&ada.visitor.get(&ceremony).await.expect(200).text), "/account/passkeys");
    ada.step_up().await.expect(204);
    assert_page(&ada.visitor.get(&format!("{path}/remove")).await);
}

#[tokio::test]
async fn sessions_are_seen_and_ended() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let mut phone = Person { visitor: server.visitor(), ..ada.clone() };
    phone.sign_in().await.expect(200);

    assert_page(&ada.visitor.get("/account/sessions").await);
    assert_eq!(led_to(post(&mut ada, "/account/sessions/end-others", &[]).await), "/account/sessions");
    phone.visitor.get("/api/users/me").await.expect(401);
    ada.visitor.form_with("/account/sessions/end-all", &[], &[("origin", "https://evil.example")]).await.expect(403);
    ada.visitor.get("/api/users/me").await.expect(200);
    assert_eq!(led_to(post(&mut ada, "/account/sessions/end-all", &[]).await), "/login");
    ada.visitor.get("/api/users/me").await.expect(401);
}

#[tokio::test]
async fn a_consent_is_withdrawn_and_ends_what_it_gave() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    let tokens = wiki.redeem(&server, &code).await.expect(200).json();
    let path = format!("/account/apps/{}/withdraw", wiki.id);

    assert!(ada.visitor.get("/account/apps").await.text.contains("Wiki"));
    assert_page(&ada.visitor.get(&path).await);
    assert_eq!(led_to(post(&mut ada, &path, &[]).await), "/account/apps");

    chancery_tests::node::userinfo(&server, tokens["access_token"].as_str().unwrap()).await.expect(401);
    assert!(!ada.visitor.get("/account/apps").await.text.contains("Wiki"));
}

#[tokio::test]
async fn un01_a_username_that_is_the_address_of_somebody_else_gets_nobody_into_a_group() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    server.person("ada").await;
    let mut eve = server.person("eve").await;
    let profile = json!({ "username": "ada@example.org", "firstName": "Ada", "email": "eve@example.org" });
    eve.visitor.json(reqwest::Method::PUT, "/api/users/me", &profile).await.expect(200);
    let names = [("friendly_name", "Editors"), ("name", "editors")];
    let group = led_to(post(&mut root, "/admin/groups/new", &names).await);
    let members = format!("{group}/members");

    let which = post(&mut root, &members, &[("username", "Ada@example.org")]).await.expect(200);
    assert!(which.text.contains("There is nobody called so."), "two are");
    for unmistakable in ["ada", "eve@example.org"] {
        assert_eq!(led_to(post(&mut root, &members, &[("username", unmistakable)]).await), group);
    }
}

#[tokio::test]
async fn an_administrator_invites_groups_and_lets_in() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;

    let person = [("username", "ada"), ("first_name", "Ada"), ("last_name", "L"), ("email", "ada@example.org")];
    let made = post(&mut root, "/admin/people/new", &person).await;
    assert_page(&made);
    let link = made.text.split("value=\"").find_map(|rest| rest.split('"').next().filter(|v| v.contains("/enroll/")));
    let code = link.unwrap().rsplit('/').next().unwrap().to_owned();
    let mut ada = server.person("template").await;
    ada.visitor = server.visitor();
    ada.authenticator = chancery_tests::authenticator::SoftAuthenticator::new();
    ada.redeem(&code, &json!({})).await.expect(204);
    let id = ada.visitor.get("/api/users/me").await.json()["id"].as_str().unwrap().to_owned();
    assert_page(&root.visitor.get(&format!("/admin/people/{id}")).await);

    let names = [("friendly_name", "Editors"), ("name", "editors")];
    let group = led_to(post(&mut root, "/admin/groups/new", &names).await);
    assert_eq!(led_to(post(&mut root, &format!("{group}/members"), &[("username", "ada")]).await), group);
    let nobody = post(&mut root, &format!("{group}/members"), &[("username", "nobody")]).await.expect(200);
    assert!(nobody.text.contains("There is nobody called so."));
    let claims = [("key", "team"), ("value", "ops"), ("key", ""), ("value", "")];
    let saved = led_to(post(&mut root, &format!("{group}/claims"), &claims).await);
    assert!(saved.starts_with(&group) && root.visitor.get(&saved).await.text.contains("Saved."), "{saved}");
    let reserved = post(&mut root, &format!("{group}/claims"), &[("key", "sub"), ("value", "x")]).await.expect(200);
    assert!(reserved.text.contains("meaning of its own"), "{}", reserved.text);

    let app = [
        ("name", "Wiki"),
        ("callback_urls", "https://wiki.example/cb\n"),
        ("pkce_enabled", "on"),
        ("audience", "groups"),
        ("group_ids", group.rsplit('/').next().unwrap()),
        ("access_token_minutes", "60"),
        ("refresh_token_minutes", "43200"),
        ("id_token_algorithm", "RS256"),
    ];
    let app = led_to(post(&mut root, "/admin/apps/new", &app).await);
    let secret = post(&mut root, &format!("{app}/secrets"), &[]).await;
    assert_page(&secret);
    assert!(secret.text.contains("chs_"));
    assert!(!root.visitor.get(&app).await.text.contains("chs_A\""), "shown once");
    let bad = [("name", "Bad"), ("callback_urls", "https://*.example"), ("audience", "everyone")];
    let refused = post(&mut root, "/admin/apps/new", &bad).await.expect(200);
    assert!(refused.text.contains("wildcard"), "{}", refused.text);

    let path = format!("/admin/people/{id}");
    assert_eq!(led_to(post(&mut root, &format!("{path}/disable"), &[]).await), path);
    ada.visitor.get("/api/users/me").await.expect(401);
    assert_eq!(led_to(post(&mut root, &format!("{path}/enable"), &[]).await), path);
    assert_page(&root.visitor.get(&format!("{path}/delete")).await);
    assert_eq!(led_to(post(&mut root, &format!("{path}/delete"), &[]).await), "/admin/people");
    root.visitor.get(&path).await.expect(404);
    let own = root.id.clone();
    let kept = post(&mut root, &format!("/admin/people/{own}/disable"), &[]).await.expect(200);
    assert!(kept.text.contains("remain to administer"), "{}", kept.text);
}

#[tokio::test]
async fn a_key_is_made_once_and_revoked() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;

    let key = [("name", "Deploy"), ("description", ""), ("expires_at", "2027-01-01")];
    let made = post(&mut root, "/admin/api-keys", &key).await;
    assert_page(&made);
    assert!(made.text.contains("chk_"));
    assert!(!root.visitor.get("/admin/api-keys").await.text.contains("value=\"chk_"));
    let past = [("name", "Old"), ("expires_at", "2020-01-01")];
    assert!(post(&mut root, "/admin/api-keys", &past).await.expect(200).text.contains("future"));
    let id = root.visitor.get("/api/api-keys").await.json()["data"][0]["id"].as_str().unwrap().to_owned();
    assert_page(&root.visitor.get(&format!("/admin/api-keys/{id}/revoke")).await);
    assert_eq!(led_to(post(&mut root, &format!("/admin/api-keys/{id}/revoke"), &[]).await), "/admin/api-keys");
}

#[tokio::test]
async fn what_is_wrong_is_told_beside_the_field_that_has_it() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let beside = |text: &str| text.matches("class=\"wrong\"").count();

    let names = post(&mut root, "/admin/groups/new", &[("friendly_name", ""), ("name", "x")]).await.expect(200);
    assert!(names.text.contains("Is required") && names.text.contains("Has 2 to 255 characters"), "{}", names.text);
    let path = led_to(post(&mut root, "/admin/groups/new", &[("friendly_name", "Ops"), ("name", "ops")]).await);
    let claims = [("key", "team"), ("value", "ops"), ("key", ""), ("value", "x")];
    let malformed = post(&mut root, &format!("{path}/claims"), &claims).await.expect(200);
    assert!(malformed.text.contains("The key is required."), "{}", malformed.text);
    assert_eq!(beside(&malformed.text), 1);
    let reserved = [("key", "team"), ("value", "ops"), ("key", "sub"), ("value", "x")];
    let reserved = post(&mut root, &format!("{path}/claims"), &reserved).await.expect(200);
    assert_eq!(beside(&reserved.text), 1, "{}", reserved.text);
}

#[tokio::test]
async fn a_group_of_many_has_its_members_on_several_pages() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let mut admin = server.admin.clone();
    let mut ids = Vec::new();
    for number in 0..51 {
        let user = json!({ "username": format!("member-{number:02}") });
        ids.push(admin.post("/api/users", &user).await.expect(201).json()["id"].clone());
    }
    let path = led_to(post(&mut root, "/admin/groups/new", &[("friendly_name", "Ops"), ("name", "ops")]).await);
    let users = format!("/api/user-groups/{}/users", path.rsplit('/').next().unwrap());
    admin.json(reqwest::Method::PUT, &users, &json!({ "userIds": ids })).await.expect(200);

    let shown = |text: &str| -> Vec<String> {
        let members = ids.iter().filter_map(Value::as_str).filter(|id| text.contains(&format!("/members/{id}/remove")));
        members.map(str::to_owned).collect()
    };
    let first = root.visitor.get(&path).await.expect(200).text;
    assert!(first.contains("51 members") && first.contains("page=2"), "{first}");
    let (first, second) = (shown(&first), shown(&root.visitor.get(&format!("{path}?page=2")).await.expect(200).text));
    assert_eq!((first.len(), second.len()), (50, 1));
    assert!(!first.contains(&second[0]));
}

#[tokio::test]
async fn administering_from_another_site_or_without_a_ceremony_is_refused() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let names = [("friendly_name", "Editors"), ("name", "editors")];

    root.visitor.form_with("/admin/groups/new", &names, &[("sec-fetch-site", "cross-site")]).await.expect(403);
    server.later(Duration::minutes(6));
    let next = led_to(post(&mut root, "/admin/groups/new", &names).await);
    assert_eq!(next, "/reauthenticate?next=/admin/groups/new");
    assert_eq!(server.admin.clone().get("/api/user-groups").await.json()["data"], json!([]));
}

#[tokio::test]
async fn a_search_of_the_history_that_finds_nothing_says_so() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;

    let nothing = root.visitor.get("/admin/history?text=nobody-wrote-this").await;

    assert_page(&nothing);
    assert!(nothing.text.contains("Nothing matches."), "{}", nothing.text);
}

/// Attacks OR-01: the way back leads nowhere else.
#[tokio::test]
async fn a_form_from_another_site_is_refused_on_a_page() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    let elsewhere = [("sec-fetch-site", "cross-site")];
    let refused = ada.visitor.form_with("/account", &[("username", "x")], &elsewhere).await.expect(403);

    assert!(refused.header("content-type").starts_with("text/html"), "{}", refused.text);
    assert!(refused.text.contains("came from another site"), "{}", refused.text);
}
