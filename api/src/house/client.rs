//! `/admin/apps/{id}`: one app, its settings, and its end.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::client::{ClientCommand, ClientSettings};
use chancery_domain::ids::ClientId;
use chancery_projections::audit::AuditFilter;
use chancery_projections::clients;

use super::account::{field_errors, form};
use super::client_form::{Entered, client_form, entered, input_of};
use super::clients::PATH;
use super::frame::{Page, Steward, frame, letter, outrun, require_step_up, require_step_up_from, shown, when};
use super::people::chosen_groups;
use super::roll::latest_about;
use crate::admin::clients::{changing, client_id, execute_all, existing, full_json, held};
use crate::app::App;
use crate::http::precondition::{Seen, entity_tag, is_outrun};
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::SignedIn;
use crate::pages::house::{ClientPage, Confirm, Endpoint, Field, Notice, Revealed, Room, SecretRow};
use crate::pages::render::page;

/// What differs from the plain page of an app.
#[derive(Default)]
pub struct Extra {
    pub notice: Option<Notice>,
    pub secret: Option<Revealed>,
    pub expires_at: Field,
    pub entered: Option<Entered>,
}

pub async fn show(State(app): State<App>, Steward(signed_in): Steward, Path(id): Path<String>) -> Response {
    let shown_page = async { client(&app, &signed_in, &client_id(&id)?, Extra::default()).await };
    shown(&app, shown_page.await)
}

pub async fn client(app: &App, signed_in: &SignedIn, id: &ClientId, extra: Extra) -> Page {
    let row = existing(app, id).await?;
    let settings = &row.settings.0;
    let secrets = clients::secrets(&app.pool, id).await?;
    let seen = entity_tag(&full_json(app, id).await?);
    let entered = match extra.entered {
        Some(entered) => entered,
        None => Entered {
            input: input_of(settings),
            groups: clients::allowed_groups(&app.pool, id).await?,
            errors: Vec::new(),
        },
    };
    app.history_reached(app.store.head()).await;
    let filter = AuditFilter { clients: Some(vec![id.clone()]), ..AuditFilter::default() };
    let mut frame = frame(app, signed_in, Room::Clients);
    frame.notice = extra.notice;
    Ok(page(&ClientPage {
        frame,
        id: id.to_string(),
        name: settings.name.clone(),
        letter: letter(&settings.name),
        description: settings.description.clone(),
        is_public: settings.is_public,
        warnings: warnings(settings),
        secret: extra.secret,
        secrets: secrets
            .iter()
            .map(|secret| SecretRow {
                id: secret.secret_id.to_string(),
                prefix: secret.prefix.clone(),
                created: when(app, secret.created_at),
                expires: secret.expires_at.map(|at| when(app, at)),
                is_expired: !secret.active_at(app.now()),
            })
            .collect(),
        expires_at: extra.expires_at,
        issuer: app.issuer.clone(),
        endpoints: endpoints(&app.issuer),
        form: client_form(app, format!("{PATH}/{id}"), seen, &entered, false).await?,
        latest: latest_about(app, &filter).await?,
    }))
}

/// What an app without discovery asks for.
fn endpoints(issuer: &str) -> Vec<Endpoint> {
    let endpoint = |id: &str, label: &str, path: &str| Endpoint {
        id: id.to_owned(),
        label: label.to_owned(),
        value: format!("{issuer}{path}"),
    };
    vec![
        endpoint("discovery", "Discovery URL", "/.well-known/openid-configuration"),
        endpoint("authorization", "Authorization URL", "/authorize"),
        endpoint("token", "Token URL", "/api/oidc/token"),
        endpoint("userinfo", "UserInfo URL", "/api/oidc/userinfo"),
        endpoint("jwks", "JWKS URL", "/.well-known/jwks.json"),
        endpoint("end-session", "Logout URL", "/api/oidc/end-session"),
    ]
}

pub async fn change(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown_page = async {
        let id = client_id(&id)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let before = existing(&app, &id).await?;
        let params = form(&headers, &body)?;
        let input = entered(&params);
        let groups = chosen_groups(&app, &body).await?;
        let caller = signed_in.caller(&app, &circumstances);
        let changed = async {
            let settings = input.settings(&app, Some(&before.settings))?;
            let held = held(&app, &id, &Seen::in_form(&params)).await?;
            execute_all(&app, &caller, &id, changing(settings, Some(groups.clone())), &held).await
        };
        let extra = match changed.await {
            Ok(()) => Extra { notice: Some(Notice::good("Saved.")), ..Extra::default() },
            Err(error) if error.status.is_server_error() => return Err(error.into()),
            Err(error) => {
                let notice = is_outrun(&error).then(outrun);
                let errors = field_errors(&error);
                let entered = Entered { input, groups, errors };
                Extra { notice, entered: Some(entered), ..Extra::default() }
            }
        };
        client(&app, &signed_in, &id, extra).await
    };
    shown(&app, shown_page.await)
}

pub async fn ask_delete(State(app): State<App>, Steward(signed_in): Steward, Path(id): Path<String>) -> Response {
    let shown_page = async {
        let row = existing(&app, &client_id(&id)?).await?;
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &format!("{PATH}/{id}/delete"))?;
        let consequences = vec![
            "Nobody can sign in to it through here any more, and all its tokens end.".to_owned(),
            "Its id is never given again.".to_owned(),
        ];
        let frame = frame(&app, &signed_in, Room::Clients);
        Ok(page(&Confirm::deletion(frame, &row.settings.name, &format!("{PATH}/{id}"), consequences)))
    };
    shown(&app, shown_page.await)
}

pub async fn delete(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
) -> Response {
    let shown_page = async {
        let id = client_id(&id)?;
        require_step_up_from(&app, &signed_in, &format!("{PATH}/{id}"), &format!("{PATH}/{id}/delete"))?;
        let caller = signed_in.caller(&app, &circumstances);
        execute_all(&app, &caller, &id, vec![ClientCommand::Delete], &None).await?;
        Ok(see_other(PATH))
    };
    shown(&app, shown_page.await)
}

/// What is weaker than it could be, each as a sentence.
pub fn warnings(settings: &ClientSettings) -> Vec<String> {
    let mut warnings = Vec::new();
    if !settings.requires_pkce() {
        warnings
            .push("PKCE is not required: a code that leaks can be used by others. Turn it on if the app can.".into());
    }
    let insecure = |uri: &chancery_domain::oauth::redirect_uri::RedirectUri| {
        let text = uri.as_str();
        text.starts_with("http://")
            && !["http://127.0.0.1", "http://[::1]", "http://localhost"].iter().any(|own| text.starts_with(own))
    };
    if settings.redirect_uris.iter().any(insecure) {
        warnings.push("A callback goes over plain http: whoever is on the way can read the code.".into());
    }
    if settings.redirect_uris.is_empty() {
        warnings.push("There is no callback URL yet, so nobody can sign in to it.".into());
    }
    warnings
}
