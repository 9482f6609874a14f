//! Every page, for everybody: no violation that axe-core finds, none of the content security policy, and nothing that is
//! wider than a phone. With `CHANCERY_SCREENSHOTS=<folder>`, each page is also photographed.

use std::path::PathBuf;

use chancery_tests::authenticator::SoftAuthenticator;
use chancery_tests::browser::{Browser, Page};
use chancery_tests::mailbox::Mailbox;
use chancery_tests::maxmind;
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use reqwest::Method;
use serde_json::json;
use time::Duration;

const SIGHTS: [(&str, u32, u32, bool); 4] = [
    ("desktop-light", 1280, 800, false),
    ("desktop-dark", 1280, 800, true),
    ("phone-light", 390, 844, false),
    ("phone-dark", 390, 844, true),
];

async fn look_at(page: &Page, name: &str, url: &str) {
    page.goto(url).await;
    look(page, name).await;
}

/// At the page that is open.
async fn look(page: &Page, name: &str) {
    for (sight, width, height, dark) in SIGHTS {
        page.look(width, height, dark).await;
        assert_eq!(page.axe().await, Vec::<String>::new(), "{name}, {sight}");
        let overflow = page.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(overflow, 0, "{name}, {sight}: wider than the screen");
        if let Some(folder) = std::env::var_os("CHANCERY_SCREENSHOTS") {
            page.screenshot(&PathBuf::from(folder).join(format!("{name}-{sight}.png"))).await;
        }
    }
}

/// Takes over the session of a person who signed in without a browser.
async fn act_as(page: &Page, server: &Server, person: &Person) {
    page.goto(&format!("{}/help", server.issuer())).await;
    page.set_cookies(server.issuer(), &person.visitor.cookies).await;
}

#[tokio::test]
async fn every_sheet_is_sound() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let wiki = server.client(&json!({})).await;
    let mut ada = server.person("ada").await;
    let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
    let names = json!({ "username": "ada", "firstName": "Ada", "displayName": long, "email": "ada@example.org" });
    server.admin.clone().json(Method::PUT, &format!("/api/users/{}", ada.id), &names).await.expect(200);
    let address = r#"{"formatted": "12 St James's Square\nLondon", "country": "GB"}"#;
    let claims = json!([
        { "key": "phone_number", "value": "442079460000" },
        { "key": "address", "value": address },
        { "key": "what_an_administrator_called_it_without_a_thought_for_phones", "value": "n".repeat(120) },
    ]);
    let path = format!("/api/custom-claims/user/{}", ada.id);
    server.admin.clone().json(Method::PUT, &path, &claims).await.expect(200);
    let at = |path: &str| format!("{}{path}", server.issuer());

    look_at(&page, "sign-in", &at("/login")).await;
    look_at(&page, "help", &at("/help")).await;
    look_at(&page, "error", &at("/authorize")).await;
    look_at(&page, "nothing", &at("/nowhere")).await;
    look_at(&page, "closed-link", &at("/enroll/x")).await;
    look_at(&page, "signed-out", &at("/sign-out")).await;
    let link = chancery_api::accounts::issue_setup_link(
        &server.app,
        &chancery_api::http::caller::Caller::trusted(server.app.system()),
        Duration::DAY,
    )
    .await
    .unwrap();
    look_at(&page, "set-up", &link.url).await;
    let interaction =
        ada.visitor.get(&wiki.authorize(&[("scope", "openid profile email groups offline_access")])).await;
    let interaction = interaction.parameter("interaction").unwrap();
    act_as(&page, &server, &ada).await;
    look_at(&page, "consent", &at(&format!("/consent?interaction={interaction}"))).await;
    look_at(&page, "select-account", &at(&format!("/select-account?interaction={interaction}"))).await;
    look_at(&page, "second-passkey", &at("/enroll/second")).await;
    look_at(&page, "reauthenticate", &at("/reauthenticate")).await;
    let asked = ada.visitor.get(&wiki.authorize(&[("prompt", "login")])).await.parameter("interaction").unwrap();
    look_at(&page, "reauthenticate-for-app", &at(&format!("/reauthenticate?interaction={asked}"))).await;
    look_at(&page, "sign-out", &at("/sign-out")).await;
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// Another passkey, from the provider of this AAGUID.
async fn second_passkey(person: &mut Person, server: &Server, aaguid: &str) {
    let options = person.visitor.get("/api/webauthn/register/start").await.expect(200).json();
    let aaguid = aaguid.parse::<uuid::Uuid>().unwrap().into_bytes();
    let made = SoftAuthenticator { aaguid, ..SoftAuthenticator::new() }.create(&options, server.issuer());
    person.visitor.post("/api/webauthn/register/finish", &made).await.expect(200);
}

#[tokio::test]
async fn every_page_of_the_house_is_sound() {
    let (mailbox, browser) = (Mailbox::open().await, Browser::launch().await);
    let port = mailbox.port();
    let settings = [
        ("GEOLITE_DB_PATH", maxmind::DATABASE),
        ("TRUST_PROXY", "127.0.0.1"),
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_PORT", port.as_str()),
        ("SMTP_TLS", "none"),
        ("SMTP_FROM", "id@example.org"),
    ];
    let server = Server::with(&settings).await;
    let page = browser.page().await;
    let mut root = server.first_admin().await;
    root.visitor.form("/admin/mail/test", &[]).await.expect(303);
    let mut ada = server.person("ada").await;
    second_passkey(&mut ada, &server, "bada5566-a7aa-401f-bd96-45619a55120d").await;
    let picture = chancery_adapters::pictures::Initials::of("Ωmega", "o", &[5; 16]).draw().unwrap();
    ada.visitor.upload(Method::PUT, "/api/users/me/profile-picture", "me.png", &picture).await.expect(204);
    let wiki = server.client(&json!({})).await;
    let code = ada.authorize(&wiki, &[]).await.expect(303).parameter("code").unwrap();
    wiki.redeem(&server, &code).await.expect(200);
    let mut thief = Person { visitor: server.visitor(), ..ada.clone() };
    thief.authenticator.bad_signature = true;
    thief.sign_in().await.expect(401);
    let group = json!({ "name": "editors", "friendlyName": "Editors" });
    let group = server.admin.clone().post("/api/user-groups", &group).await.expect(201).json()["id"].clone();
    let at = |path: &str| format!("{}{path}", server.issuer());

    act_as(&page, &server, &ada).await;
    for (name, path) in [
        ("account", "/account"),
        ("passkeys", "/account/passkeys"),
        ("sessions", "/account/sessions"),
        ("apps", "/account/apps"),
        ("activity", "/account/activity"),
    ] {
        look_at(&page, name, &at(path)).await;
    }
    act_as(&page, &server, &root).await;
    look_at(&page, "account-unverified", &at("/account")).await;
    look_at(&page, "verify-email", &at("/verify-email?token=x")).await;
    let (person, app) = (format!("/admin/people/{}", ada.id), format!("/admin/apps/{}", wiki.id));
    let group = format!("/admin/groups/{}", group.as_str().unwrap());
    for (name, path) in [
        ("overview", "/admin"),
        ("people", "/admin/people"),
        ("new-person", "/admin/people/new"),
        ("person", &person),
        ("static-account", "/admin/people/00000000-0000-0000-0000-000000000000"),
        ("groups", "/admin/groups"),
        ("new-group", "/admin/groups/new"),
        ("group", &group),
        ("clients", "/admin/apps"),
        ("new-client", "/admin/apps/new"),
        ("client", &app),
        ("api-keys", "/admin/api-keys"),
        ("mail", "/admin/mail"),
        ("history", "/admin/history"),
        ("diagnostics", "/admin/diagnostics"),
        ("raw-event", "/admin/history/12"),
    ] {
        look_at(&page, name, &at(path)).await;
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// Before what cannot be undone, a page asks; after a mistake, a form says what is wrong.
#[tokio::test]
async fn every_question_and_every_complaint_is_sound() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let mut admin = server.admin.clone();
    let mut root = server.first_admin().await;
    let mut ada = server.person("ada").await;
    second_passkey(&mut ada, &server, "bada5566-a7aa-401f-bd96-45619a55120d").await;
    let wiki = server.client(&json!({})).await;
    ada.authorize(&wiki, &[]).await.expect(303);
    let group = json!({ "name": "editors", "friendlyName": "Editors" });
    let group = admin.post("/api/user-groups", &group).await.expect(201).json()["id"].clone();
    let key = json!({ "name": "Deploy", "expiresAt": "2027-01-01T00:00:00Z" });
    let key = root.visitor.post("/api/api-keys", &key).await.expect(201).json()["apiKey"]["id"].clone();
    let first = |list: &serde_json::Value| list[0]["id"].as_str().unwrap().to_owned();
    let passkey = first(&ada.visitor.get("/api/webauthn/credentials").await.json());
    let secret = first(&admin.get(&format!("/api/oidc/clients/{}/secrets", wiki.id)).await.json());
    let link = format!("/api/users/{}/one-time-access-token", ada.id);
    let link = admin.post(&link, &json!({})).await.expect(201).json()["url"].as_str().unwrap().to_owned();
    let at = |path: &str| format!("{}{path}", server.issuer());

    look_at(&page, "recovery", &link).await;
    act_as(&page, &server, &ada).await;
    look_at(&page, "withdraw", &at(&format!("/account/apps/{}/withdraw", wiki.id))).await;
    look_at(&page, "remove-passkey", &at(&format!("/account/passkeys/{passkey}/remove"))).await;
    page.goto(&at("/account")).await;
    page.fill("[name=username]", "not a name").await;
    page.click("#save").await;
    page.wait_for("[aria-invalid]").await;
    page.until("the focus on the mistake", "document.activeElement.matches('[aria-invalid]')").await;
    look(&page, "mistake").await;
    act_as(&page, &server, &root).await;
    let renamed = json!({ "username": "ada", "firstName": "Augusta", "lastName": "Lindqvist" });
    page.look(1280, 800, false).await;
    page.goto(&at(&format!("/admin/people/{}", ada.id))).await;
    admin.json(Method::PUT, &format!("/api/users/{}", ada.id), &renamed).await.expect(200);
    page.fill("[name=first_name]", "Adelaide").await;
    page.click("#save").await;
    page.wait_for(".notice.mind").await;
    look(&page, "someone-was-faster").await;
    for (name, path) in [
        ("delete-person", format!("/admin/people/{}/delete", ada.id)),
        ("make-administrator", format!("/admin/people/{}/grant-admin", ada.id)),
        ("take-administration", format!("/admin/people/{}/revoke-admin", ada.id)),
        ("disable-person", format!("/admin/people/{}/disable", ada.id)),
        ("remove-persons-passkey", format!("/admin/people/{}/passkeys/{passkey}/remove", ada.id)),
        ("delete-group", format!("/admin/groups/{}/delete", group.as_str().unwrap())),
        ("remove-secret", format!("/admin/apps/{}/secrets/{secret}/remove", wiki.id)),
        ("delete-client", format!("/admin/apps/{}/delete", wiki.id)),
        ("revoke-key", format!("/admin/api-keys/{}/revoke", key.as_str().unwrap())),
    ] {
        look_at(&page, name, &at(&path)).await;
        page.wait_for("#confirm").await;
    }
    server.later(Duration::minutes(6));
    page.look(1280, 800, false).await;
    page.goto(&at("/admin/groups/new")).await;
    page.fill("[name=friendly_name]", "Editors").await;
    page.fill("[name=name]", "editors").await;
    page.click("#create").await;
    page.wait_for_path("/reauthenticate").await;
    page.click("#cancel").await;
    page.wait_for("#kept:not([hidden])").await;
    look(&page, "kept").await;
    assert_eq!(page.complaints(), Vec::<String>::new());
}
