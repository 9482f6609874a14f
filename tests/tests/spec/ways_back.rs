//! Where pages lead: back, on, and never to a dead end; attacks OR.

use chancery_domain::ids::UserId;
use chancery_domain::user::{User, UserCommand};
use chancery_projections::passkeys;
use chancery_tests::server::Server;
use serde_json::json;
use time::Duration;

use crate::pages::{assert_page, cancel, led_to, post};

#[tokio::test]
async fn or01_whoever_has_signed_in_is_sent_to_our_own_pages_only() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    for (next, leads_to) in [
        ("/account/sessions", "/account/sessions"),
        ("/verify-email?token=x", "/verify-email?token=x"),
        ("", "/account"),
        ("account", "/account"),
        ("https://evil.example/", "/account"),
        ("//evil.example", "/account"),
        ("///evil.example", "/account"),
        ("/\\evil.example", "/account"),
        ("\\\\evil.example", "/account"),
        ("/\t/evil.example", "/account"),
        ("/\r\nlocation: https://evil.example", "/account"),
        (" //evil.example", "/account"),
        ("https:evil.example", "/account"),
        ("javascript:alert(1)", "/account"),
        ("data:text/html,x", "/account"),
        // A browser keeps this on our host.
        ("/%09/evil.example", "/%09/evil.example"),
    ] {
        for page in ["/login", "/reauthenticate"] {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
            let text = ada.visitor.get(&format!("{page}?{query}")).await.expect(200).text;
            assert!(text.contains(&format!("data-next=\"{leads_to}\"")), "{page} with {next:?}");
            assert!(!text.contains("//evil.example\""), "{page} with {next:?}");
        }
    }
}

#[tokio::test]
async fn help_leads_back_to_what_one_came_from() {
    let server = Server::start().await;
    let wiki = server.client(&json!({})).await;
    let mut stranger = server.visitor();
    let sign_in = led_to(stranger.get(&wiki.authorize(&[])).await);
    let interaction = sign_in.split_once("interaction=").unwrap().1.to_owned();

    let help = format!("/help?next=%2Fauthorize%3Finteraction%3D{interaction}");
    assert!(stranger.get(&sign_in).await.text.contains(&format!("href=\"{help}\"")));
    assert!(stranger.get(&help).await.text.contains(&format!("href=\"/authorize?interaction={interaction}\"")));
    for elsewhere in ["/help", "/help?next=//evil.example", "/help?next=https://evil.example"] {
        assert!(stranger.get(elsewhere).await.text.contains("href=\"/account\""), "{elsewhere}");
    }
}

#[tokio::test]
async fn who_gives_or_takes_rights_is_asked_first_and_comes_back() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let ada = server.person("ada").await;
    let path = format!("/admin/people/{}", ada.id);

    for (act, asks) in [
        ("grant-admin", "Make Ada Lindqvist an administrator?"),
        ("revoke-admin", "Take administration away from Ada Lindqvist?"),
        ("disable", "Disable Ada Lindqvist?"),
    ] {
        let person = root.visitor.get(&path).await.expect(200).text;
        assert!(person.contains(&format!("href=\"{path}/{act}\"")), "{act}: {person}");
        assert!(!person.contains(&format!("action=\"{path}/{act}\"")), "{act}: not at once");
        let question = root.visitor.get(&format!("{path}/{act}")).await;
        assert_page(&question);
        assert!(question.text.contains(asks), "{}", question.text);
        assert_eq!(cancel(&question.text), path);
        server.later(Duration::minutes(6));
        let ceremony = format!("/reauthenticate?next={path}/{act}&back={path}");
        assert_eq!(led_to(root.visitor.get(&format!("{path}/{act}")).await), ceremony);
        assert_eq!(led_to(post(&mut root, &format!("{path}/{act}"), &[]).await), ceremony);
        assert_eq!(cancel(&root.visitor.get(&ceremony).await.expect(200).text), path);
        root.step_up().await.expect(204);
        assert_eq!(led_to(post(&mut root, &format!("{path}/{act}"), &[]).await), path);
    }
    for act in ["groups", "enrollment-link", "revoke-link", "enable", "nothing"] {
        root.visitor.get(&format!("{path}/{act}")).await.expect(404);
    }
}

#[tokio::test]
async fn who_restores_a_passkey_that_may_have_been_copied_is_asked_first() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let mut ada = server.person("ada").await;
    let id = ada.id.parse::<UserId>().unwrap();
    let passkey_id = passkeys::of_user(&server.app.pool, id).await.unwrap()[0].id();
    let person = format!("/admin/people/{id}");
    let path = format!("{person}/passkeys/{passkey_id}/restore");
    root.visitor.get(&path).await.expect(404);
    let suspend = UserCommand::SuspendPasskey { passkey_id, stored: 5, presented: 4 };
    server.app.store.execute::<User>(id, suspend, &server.app.system()).await.unwrap();

    let shown = root.visitor.get(&person).await.expect(200).text;
    assert!(shown.contains(&format!("href=\"{path}\"")), "{shown}");
    assert!(!shown.contains(&format!("action=\"{path}\"")), "not at once");
    let question = root.visitor.get(&path).await;
    assert_page(&question);
    assert!(question.text.contains("whoever has the copy can sign in, too"), "{}", question.text);
    assert_eq!(cancel(&question.text), person);
    server.later(Duration::minutes(6));
    let ceremony = format!("/reauthenticate?next={path}&back={person}");
    assert_eq!(led_to(root.visitor.get(&path).await), ceremony);
    assert_eq!(led_to(post(&mut root, &path, &[]).await), ceremony);
    ada.sign_in().await.expect(401);
    root.step_up().await.expect(204);
    assert_eq!(led_to(post(&mut root, &path, &[]).await), person);

    ada.sign_in().await.expect(200);
}

/// Attacks OR-01: the way back leads nowhere else.
#[tokio::test]
async fn or01_who_cancels_a_ceremony_goes_back_to_a_page_of_ours() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;

    for (query, leads_to) in [
        ("", "/account"),
        ("?next=/account/sessions", "/account/sessions"),
        ("?next=/account/passkeys/1/remove&back=/account/passkeys", "/account/passkeys"),
        ("?next=/account/sessions&back=https://evil.example", "/account"),
        ("?back=//evil.example", "/account"),
        ("?next=//evil.example", "/account"),
    ] {
        let sheet = ada.visitor.get(&format!("/reauthenticate{query}")).await.expect(200).text;
        assert_eq!(cancel(&sheet), leads_to, "{query}");
    }
}

#[tokio::test]
async fn whoever_is_signed_out_meanwhile_signs_in_and_goes_on() {
    let server = Server::start().await;
    let mut stranger = server.visitor();
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let asked = ada.visitor.get(&wiki.authorize(&[])).await.expect(303).parameter("interaction").unwrap();
    ada.visitor.post("/api/webauthn/logout", &json!({})).await.expect(204);

    assert_eq!(led_to(stranger.get("/admin/history?text=a%20b").await), "/login?next=/admin/history%3Ftext%3Da%2520b");
    // The address of a form may be no page: to the one that has it, for what was entered is filled in again there.
    let id = &ada.id;
    for (form, page) in [
        ("/account".to_owned(), "/account".to_owned()),
        ("/account/verify-email".to_owned(), "/account".to_owned()),
        (format!("/account/passkeys/{id}/rename"), "/account/passkeys".to_owned()),
        ("/account/sessions/end-others".to_owned(), "/account/sessions".to_owned()),
        ("/admin/mail/test".to_owned(), "/admin/mail".to_owned()),
        ("/admin/api-keys".to_owned(), "/admin/api-keys".to_owned()),
        ("/admin/people/new".to_owned(), "/admin/people/new".to_owned()),
        (format!("/admin/people/{id}/groups"), format!("/admin/people/{id}")),
        (format!("/admin/groups/{id}/members"), format!("/admin/groups/{id}")),
        (format!("/admin/apps/{id}"), format!("/admin/apps/{id}")),
    ] {
        assert_eq!(led_to(stranger.form(&form, &[]).await), format!("/login?next={page}"), "{form}");
    }
    let next = "/login?next=%2Faccount%2Fsessions";
    assert_eq!(led_to(stranger.get("/reauthenticate?next=/account/sessions").await), next);
    assert_eq!(led_to(stranger.form("/enroll/second", &[]).await), "/login");
    let next = "/login?next=%2Fverify-email%3Ftoken%3Dx";
    assert_eq!(led_to(stranger.form("/verify-email", &[("token", "x")]).await), next);
    let on = format!("/authorize?interaction={asked}");
    for (sheet, answer) in [("/consent", "allow"), ("/select-account", "continue"), ("/select-account", "switch")] {
        let form = [("interaction", asked.as_str()), ("answer", answer)];
        assert_eq!(led_to(post(&mut ada, sheet, &form).await), on, "{sheet}");
    }
    ada.sign_in().await.expect(200);
    assert_eq!(led_to(ada.visitor.get(&on).await), format!("/consent?interaction={asked}"));
}

#[tokio::test]
async fn c29_who_cancels_a_ceremony_for_an_app_does_not_allow_it() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let asked = ada.visitor.get(&wiki.authorize(&[("prompt", "login")])).await.expect(303);
    let interaction = asked.parameter("interaction").unwrap();

    let sheet = ada.visitor.get(asked.header("location")).await.expect(200);
    let policy = sheet.header("content-security-policy");
    assert!(policy.contains("form-action 'self';"), "{policy}");
    assert!(sheet.text.contains("action=\"/consent\"") && sheet.text.contains(&interaction), "{}", sheet.text);
    let form = [("interaction", interaction.as_str()), ("answer", "cancel")];
    let answer = post(&mut ada, "/consent", &form).await.expect(200);

    assert_eq!(answer.parameter("error").as_deref(), Some("access_denied"));
}

/// Content Security Policy Level 3 §6.4.1: browsers hold `form-action` against all redirects after a form's post. A page in
/// between ends that, so that the app may lead on to anywhere.
#[tokio::test]
async fn se08_no_form_is_answered_with_a_redirect_to_an_app() {
    let server = Server::start().await;
    let mut ada = server.person("ada").await;
    let wiki = server.client(&json!({})).await;
    let state = [("state", "a b&c;url=//evil.example")];
    let interaction = ada.visitor.get(&wiki.authorize(&state)).await.parameter("interaction").unwrap();

    let form = [("interaction", interaction.as_str()), ("answer", "cancel")];
    let cancelled = post(&mut ada, "/consent", &form).await.expect(200);
    assert!(cancelled.headers.get("location").is_none());
    assert_eq!(cancelled.parameter("state").as_deref(), Some(state[0].1));
    let (to, answer) = (cancelled.location(), &cancelled);
    assert_eq!((to.host_str(), to.path()), (Some("wiki.example"), "/cb"));
    assert!(answer.text.contains("Returning to the app") && answer.text.contains(&escaped(&to)), "{}", answer.text);

    let bye = ("post_logout_redirect_uri", "https://wiki.example/bye");
    let left = post(&mut ada, "/sign-out", &[("client_id", wiki.id.as_str()), bye, ("state", "s 1")]).await.expect(200);
    assert!(left.headers.get("location").is_none());
    assert_eq!(left.location().as_str(), "https://wiki.example/bye?state=s+1");
    assert!(
        left.text.contains("You are signed out") && left.text.contains(&escaped(&left.location())),
        "{}",
        left.text
    );
    assert!(left.header("set-cookie").contains("Max-Age=0"), "{:?}", left.headers);
    ada.visitor.get("/api/users/me").await.expect(401);
}

/// An address as the page has it in a link.
fn escaped(address: &url::Url) -> String {
    format!("href=\"{}\"", address.as_str().replace('&', "&#38;"))
}

#[tokio::test]
async fn no_page_is_a_dead_end_or_offers_what_cannot_be() {
    let server = Server::start().await;
    let mut root = server.first_admin().await;
    let mut ada = server.person("ada").await;

    let closed = server.visitor().get("/enroll/x").await.expect(410);
    assert!(closed.text.contains("href=\"/login\""), "{}", closed.text);
    let not_theirs = ada.visitor.get("/admin/people").await.expect(403);
    assert!(not_theirs.text.contains("href=\"/account\""), "{}", not_theirs.text);
    let path = format!("/admin/people/{}", ada.id);
    assert!(root.visitor.get(&path).await.text.contains("id=\"make-link\""));
    post(&mut root, &format!("{path}/disable"), &[]).await.expect(303);
    assert!(!root.visitor.get(&path).await.text.contains("id=\"make-link\""), "it would let nobody in");
    let group = led_to(post(&mut root, "/admin/groups/new", &[("friendly_name", "Ops"), ("name", "ops")]).await);
    let refused = post(&mut root, &group, &[("friendly_name", "Ops"), ("name", "x")]).await.expect(200);
    assert!(refused.text.contains("know this group as <span class=\"mono\">ops</span>"), "{}", refused.text);
}
