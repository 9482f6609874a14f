//! The pages of an app as they might be.

use super::samples::{frame, roll, shown, when};
use super::samples_admin::{choices, revealed};
use super::*;

fn client_form(say: &str, id: Option<Field>) -> ClientForm {
    ClientForm {
        seen: "\"the entity tag\"".into(),
        action: "/admin/apps/forgejo".into(),
        id,
        name: Field::new(format!("Forgejo{say}")),
        description: Field::new(format!("Where the code lives{say}")),
        launch_url: Field::new(format!("https://code.example.org{say}")),
        callback_urls: Field::refused(
            format!("https://code.example.org/user/oauth2/hearth/callback\njavascript:x{say}"),
            "Line 2 is not an address that a browser can come back to.",
        ),
        logout_callback_urls: Field::default(),
        is_public: false,
        pkce_enabled: true,
        skip_consent: false,
        requires_reauthentication: false,
        is_group_restricted: true,
        groups: choices(say),
        access_token_minutes: Field::new("60"),
        refresh_token_minutes: Field::new("43200"),
        id_token_algorithms: vec![
            Choice::new("RS256", "RS256, understood by every app", true),
            Choice::new("ES256", "ES256", false),
            Choice::new("EdDSA", "EdDSA", false),
        ],
    }
}

pub fn all(say: &str) -> Vec<(&'static str, String)> {
    let row = |name: &str, audience: &str, warnings: usize| ClientRow {
        id: "forgejo".into(),
        name: format!("{name}{say}"),
        letter: name[..1].into(),
        audience: format!("{audience}{say}"),
        is_disabled: warnings > 0,
        warnings,
        last_used: (warnings == 0).then(|| when("4 minutes ago")),
    };
    let list = Clients {
        frame: frame(Room::Clients),
        search: String::new(),
        clients: vec![row("Forgejo", "Everyone", 0), row("Coder", "family, editors", 2)],
        pages: Pages::default(),
    };
    let endpoint = |id: &str, label: &str, path: &str| Endpoint {
        id: id.into(),
        label: label.into(),
        value: format!("https://id.example.org{path}{say}"),
    };
    let secret = |id: &str, prefix: &str, is_expired: bool| SecretRow {
        id: id.into(),
        prefix: format!("{prefix}{say}"),
        created: when("3 March 2026"),
        expires: is_expired.then(|| when("yesterday")),
        is_expired,
    };
    let page = ClientPage {
        frame: frame(Room::Clients),
        id: "forgejo".into(),
        name: format!("Forgejo{say}"),
        letter: "F".into(),
        description: format!("Where the code lives{say}"),
        is_public: false,
        warnings: vec![format!("It may sign in without PKCE: turn that on as soon as the app can do it.{say}")],
        secret: Some(revealed("Client secret", say)),
        secrets: vec![secret("1", "chs_aB3x", false), secret("2", "chs_Qq9z", true)],
        expires_at: Field::default(),
        issuer: "https://id.example.org".into(),
        endpoints: vec![
            endpoint("copy-discovery", "Discovery document", "/.well-known/openid-configuration"),
            endpoint("copy-authorize", "Authorization endpoint", "/authorize"),
            endpoint("copy-token", "Token endpoint", "/api/oidc/token"),
            endpoint("copy-userinfo", "User info endpoint", "/api/oidc/userinfo"),
            endpoint("copy-end-session", "Sign-out endpoint", "/api/oidc/end-session"),
            endpoint("copy-jwks", "Keys (JWKS)", "/.well-known/jwks.json"),
        ],
        form: client_form(say, None),
        latest: roll(say),
    };
    let public = ClientPage { is_public: true, secret: None, warnings: Vec::new(), ..page.clone() };
    let new = NewClient {
        frame: frame(Room::Clients),
        form: ClientForm { groups: Vec::new(), ..client_form(say, Some(Field::default())) },
    };
    vec![
        ("clients", shown(&list)),
        ("clients_none", shown(&Clients { clients: Vec::new(), ..list.clone() })),
        ("client", shown(&page)),
        ("client_bare", shown(&ClientPage { secret: None, secrets: Vec::new(), ..page.clone() })),
        ("client_public", shown(&public)),
        ("client_new", shown(&new)),
    ]
}
