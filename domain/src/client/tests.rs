use serde_json::json;
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::event::assert_stored_form;
use crate::oauth::redirect_uri::RedirectUri;
use crate::signing_algorithm::SigningAlgorithm;

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn settings(name: &str) -> ClientSettings {
    let callback = RedirectUri::register("https://wiki.example/cb", false).unwrap();
    ClientSettings { redirect_uris: vec![callback], ..ClientSettings::named(name) }
}

fn public() -> ClientSettings {
    ClientSettings { is_public: true, ..settings("App") }
}

fn registered(settings: ClientSettings) -> ClientEvent {
    ClientEvent::Registered { settings }
}

fn secret_id(n: u128) -> ClientSecretId {
    ClientSecretId(Uuid::from_u128(n))
}

fn add_secret(n: u128, expires_at: Option<OffsetDateTime>) -> ClientCommand {
    let (prefix, digest) = ("chs_abcd".into(), Digest::of("secret"));
    ClientCommand::AddSecret { secret_id: secret_id(n), prefix, digest, expires_at, now: NOON }
}

fn secret_added(n: u128, expires_at: Option<OffsetDateTime>) -> ClientEvent {
    ClientEvent::SecretAdded {
        secret_id: secret_id(n),
        prefix: "chs_abcd".into(),
        digest: Digest::of("secret"),
        expires_at,
    }
}

fn secret_removed(n: u128) -> ClientEvent {
    ClientEvent::SecretRemoved { secret_id: secret_id(n), prefix: Some("chs_abcd".into()) }
}

fn changed() -> ClientEvent {
    ClientEvent::Changed { before: Box::new(settings("Wiki")), after: Box::new(settings("Notes")) }
}

fn group(n: u128) -> GroupId {
    GroupId(Uuid::from_u128(n))
}

fn restricted() -> ClientEvent {
    ClientEvent::AccessRestricted { before: vec![], after: vec![group(1), group(2)] }
}

#[track_caller]
fn given_when_then(given: &[ClientEvent], when: ClientCommand, then: Result<Vec<ClientEvent>, ClientRefusal>) {
    assert_eq!(Client::after(given.to_vec()).decide(when), then);
}

#[test]
fn a_client_id_is_given_once_for_ever() {
    let register = ClientCommand::Register { settings: settings("Wiki") };
    let wiki = registered(settings("Wiki"));
    given_when_then(&[], register.clone(), Ok(vec![wiki.clone()]));
    given_when_then(std::slice::from_ref(&wiki), register.clone(), Err(ClientRefusal::AlreadyRegistered));
    given_when_then(&[wiki, ClientEvent::Deleted], register, Err(ClientRefusal::AlreadyRegistered));
}

#[test]
fn a_change_says_what_was_before() {
    let given = [registered(settings("Wiki"))];
    given_when_then(&given, ClientCommand::Change { settings: settings("Notes") }, Ok(vec![changed()]));
    given_when_then(&given, ClientCommand::Change { settings: settings("Wiki") }, Ok(vec![]));
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    let callback = RedirectUri::register("https://wiki.example/cb", false).unwrap();
    let many = vec![callback; 51];
    let url = |url: &str| ClientSettings { launch_url: Some(url.into()), ..settings("Wiki") };
    let wrong = [
        (settings(""), "name", "required"),
        (settings(&"x".repeat(51)), "name", "too_long"),
        (settings("a\nb"), "name", "invalid_format"),
        (ClientSettings { description: "x".repeat(151), ..settings("Wiki") }, "description", "too_long"),
        (ClientSettings { redirect_uris: many.clone(), ..settings("Wiki") }, "callbackURLs", "too_long"),
        (ClientSettings { post_logout_redirect_uris: many, ..settings("Wiki") }, "logoutCallbackURLs", "too_long"),
        (
            ClientSettings { access_token_seconds: 59, ..settings("Wiki") },
            "accessTokenDurationMinutes",
            "token_duration",
        ),
        (
            ClientSettings { refresh_token_seconds: 31_536_001, ..settings("Wiki") },
            "refreshTokenDurationMinutes",
            "token_duration",
        ),
        (url("javascript:alert(1)"), "launchURL", "invalid_format"),
        (url("https://ada:secret@wiki.example"), "launchURL", "invalid_format"),
    ];
    for (settings, field, code) in wrong {
        for command in [ClientCommand::Register { settings: settings.clone() }, ClientCommand::Change { settings }] {
            let given = match command {
                ClientCommand::Register { .. } => vec![],
                _ => vec![registered(self::settings("Wiki"))],
            };
            match Client::after(given).decide(command) {
                Err(ClientRefusal::Settings(wrong)) => {
                    let wrong: Vec<_> = wrong.iter().map(|error| (error.field, error.code)).collect();
                    assert_eq!(wrong, [(field, code)]);
                }
                other => panic!("{field}: {other:?}"),
            }
        }
    }
    assert_eq!(url("https://wiki.example").check(), Ok(()));
    let both = ClientSettings { access_token_seconds: 0, ..settings("") };
    let wrong = both.check().unwrap_err();
    let named: Vec<_> = wrong.iter().map(|error| error.field).collect();
    assert_eq!(named, ["name", "accessTokenDurationMinutes"], "all at once");
}

#[test]
fn public_clients_and_careful_operators_require_pkce() {
    assert!(public().requires_pkce());
    assert!(ClientSettings { pkce_required: false, ..public() }.requires_pkce());
    assert!(settings("Wiki").requires_pkce());
    assert!(!ClientSettings { pkce_required: false, ..settings("Wiki") }.requires_pkce());
}

#[test]
fn a_client_has_several_secrets_each_with_its_end() {
    let end = Some(NOON + Duration::SECOND);
    let given = [registered(settings("Wiki")), secret_added(1, None)];
    given_when_then(&given, add_secret(2, end), Ok(vec![secret_added(2, end)]));
    given_when_then(&given, add_secret(2, Some(NOON)), Err(ClientRefusal::BadExpiration));
    given_when_then(&[registered(public())], add_secret(1, None), Err(ClientRefusal::PublicClient));
}

#[test]
fn a_client_has_20_secrets_at_most() {
    let mut given = vec![registered(settings("Wiki"))];
    given.extend((0..20).map(|n| secret_added(n, None)));
    given_when_then(&given, add_secret(20, None), Err(ClientRefusal::TooManySecrets));
    given.push(secret_removed(3));
    given_when_then(&given, add_secret(20, None), Ok(vec![secret_added(20, None)]));
}

#[test]
fn a_secret_is_removed_once() {
    let remove = ClientCommand::RemoveSecret { secret_id: secret_id(1) };
    let given = [registered(settings("Wiki")), secret_added(1, None)];
    given_when_then(&given, remove.clone(), Ok(vec![secret_removed(1)]));
    given_when_then(&[&given[..], &[secret_removed(1)]].concat(), remove, Err(ClientRefusal::NoSuchSecret));
}

#[test]
fn access_is_restricted_to_a_set_of_groups() {
    let restrict = |groups: &[u128]| {
        let groups = groups.iter().map(|n| group(*n)).collect();
        ClientCommand::RestrictAccess { groups }
    };
    let given = [registered(settings("Wiki"))];
    given_when_then(&given, restrict(&[2, 1, 2]), Ok(vec![restricted()]));
    given_when_then(&[&given[..], &[restricted()]].concat(), restrict(&[1, 2]), Ok(vec![]));
    given_when_then(&given, restrict(&[]), Ok(vec![]));
}

#[test]
fn a_client_is_disabled_and_enabled_once() {
    let up = [registered(settings("Wiki"))];
    let down = [registered(settings("Wiki")), ClientEvent::Disabled];
    given_when_then(&up, ClientCommand::Disable, Ok(vec![ClientEvent::Disabled]));
    given_when_then(&down, ClientCommand::Disable, Ok(vec![]));
    given_when_then(&down, ClientCommand::Enable, Ok(vec![ClientEvent::Enabled]));
    given_when_then(&up, ClientCommand::Enable, Ok(vec![]));
}

#[test]
fn nothing_is_asked_of_a_client_that_is_not_there() {
    let gone = [registered(settings("Wiki")), ClientEvent::Deleted];
    for when in [
        ClientCommand::Change { settings: settings("Notes") },
        add_secret(1, None),
        ClientCommand::RemoveSecret { secret_id: secret_id(1) },
        ClientCommand::RestrictAccess { groups: vec![] },
        ClientCommand::Disable,
        ClientCommand::Enable,
        ClientCommand::Delete,
    ] {
        given_when_then(&[], when.clone(), Err(ClientRefusal::Unknown));
        given_when_then(&gone, when, Err(ClientRefusal::Unknown));
    }
    given_when_then(&gone[..1], ClientCommand::Delete, Ok(vec![ClientEvent::Deleted]));
}

#[test]
fn stored_form() {
    let stored = |name: &str| {
        json!({
            "name": name, "description": "", "redirect_uris": ["https://wiki.example/cb"],
            "post_logout_redirect_uris": [], "is_public": false, "pkce_required": true,
            "requires_reauthentication": false, "skip_consent": false, "launch_url": null,
            "is_group_restricted": false, "id_token_algorithm": "RS256", "minimal_id_token": false,
            "access_token_seconds": 3600, "refresh_token_seconds": 2_592_000
        })
    };
    let [eddsa, es256] = [SigningAlgorithm::EdDSA, SigningAlgorithm::ES256]
        .map(|algorithm| registered(ClientSettings { id_token_algorithm: algorithm, ..settings("Wiki") }));
    let [mut as_eddsa, mut as_es256] = [stored("Wiki"), stored("Wiki")];
    as_eddsa["id_token_algorithm"] = json!("EdDSA");
    as_es256["id_token_algorithm"] = json!("ES256");
    let id = |n| format!("00000000-0000-0000-0000-00000000000{n}");
    let digest = "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols";
    assert_stored_form(
        &[
            registered(settings("Wiki")),
            eddsa,
            es256,
            changed(),
            secret_added(1, None),
            secret_added(2, Some(NOON)),
            ClientEvent::SecretRemoved { secret_id: secret_id(1), prefix: None },
            secret_removed(2),
            restricted(),
            ClientEvent::Disabled,
            ClientEvent::Enabled,
            ClientEvent::Deleted,
        ],
        json!([
            { "client.registered": { "settings": stored("Wiki") } },
            { "client.registered": { "settings": as_eddsa } },
            { "client.registered": { "settings": as_es256 } },
            { "client.changed": { "before": stored("Wiki"), "after": stored("Notes") } },
            { "client.secret_added": {
                "secret_id": id(1), "prefix": "chs_abcd", "digest": digest, "expires_at": null
            } },
            { "client.secret_added": {
                "secret_id": id(2), "prefix": "chs_abcd", "digest": digest, "expires_at": "2026-11-23T12:00:00Z"
            } },
            { "client.secret_removed": { "secret_id": id(1) } },
            { "client.secret_removed": { "secret_id": id(2), "prefix": "chs_abcd" } },
            { "client.access_restricted": { "before": [], "after": [id(1), id(2)] } },
            "client.disabled",
            "client.enabled",
            "client.deleted",
        ]),
    );
}
