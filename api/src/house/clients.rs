//! `/admin/apps`: the apps that may ask who someone is.

use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::client::{Client, ClientCommand, ClientSettings};
use chancery_domain::ids::{ClientId, GroupId};
use chancery_domain::oauth::params::Params;
use chancery_domain::signing_algorithm::SigningAlgorithm;
use chancery_projections::audit::AuditFilter;
use chancery_projections::{clients, groups};
use time::Date;
use time::macros::format_description;

use super::account::{field_errors, form};
use super::frame::{Page, Steward, frame, letter, require_step_up, shown, when};
use super::history::latest_about;
use super::people::{asked, chosen_groups, group_choices, pages};
use crate::accounts;
use crate::admin::clients::{ClientInput, change as change_client, client_error, client_id, existing, issue_secret};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::request::Circumstances;
use crate::http::session::SignedIn;
use crate::oidc::authorize::see_other;
use crate::pages::house::{
    Choice, ClientForm, ClientPage, ClientRow, Clients, Confirm, Endpoint, Field, NewClient, Notice, Revealed, Room,
    SecretRow,
};
use crate::pages::render::page;

const PATH: &str = "/admin/apps";

pub async fn list(State(app): State<App>, Steward(signed_in): Steward, OriginalUri(uri): OriginalUri) -> Response {
    let shown_page = async {
        let (paging, search) = asked(uri.query());
        let mut connection = app.pool.acquire().await?;
        let text = Some(search.as_str()).filter(|text| !text.is_empty());
        let rows = clients::list(&mut connection, text, &paging).await?;
        let pages = pages(&rows, PATH, &search, "app", "apps");
        let mut cards = Vec::with_capacity(rows.rows.len());
        for row in rows.rows {
            let settings = row.settings.0;
            let id: ClientId = row.client_id.parse().map_err(|_| ApiError::internal())?;
            let audience = match settings.is_group_restricted {
                false => "Everyone".to_owned(),
                true => audience(&app, &id).await?,
            };
            let last: Option<time::OffsetDateTime> =
                sqlx::query_scalar("SELECT max(last_used_at) FROM consents WHERE client_id = $1")
                    .bind(&row.client_id)
                    .fetch_one(&mut *connection)
                    .await?;
            cards.push(ClientRow {
                id: row.client_id,
                letter: letter(&settings.name),
                warnings: warnings(&settings).len(),
                name: settings.name,
                audience,
                is_disabled: row.disabled,
                last_used: last.map(|at| when(&app, at)),
            });
        }
        Ok(page(&Clients { frame: frame(&app, &signed_in, Room::Clients), search, clients: cards, pages }))
    };
    shown(&app, shown_page.await)
}

async fn audience(app: &App, id: &ClientId) -> Result<String, ApiError> {
    let allowed = clients::allowed_groups(&app.pool, id).await?;
    let names: Vec<_> =
        groups::all(&app.pool).await?.into_iter().filter(|group| allowed.contains(&group.id())).collect();
    if names.is_empty() {
        return Ok("Nobody yet".to_owned());
    }
    Ok(names.into_iter().map(|group| group.friendly_name).collect::<Vec<_>>().join(", "))
}

/// What is weaker than it could be, each as a sentence.
fn warnings(settings: &ClientSettings) -> Vec<String> {
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

/// What a form holds, and beside it what is wrong with it.
struct Entered {
    input: ClientInput,
    groups: Vec<GroupId>,
    errors: Vec<(String, String)>,
}

fn entered(params: &Params) -> ClientInput {
    let text = |name| params.value(name).unwrap_or_default().trim().to_owned();
    let lines = |name| text(name).lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let number = |name| params.value(name).and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let ticked = |name| params.value(name).is_some();
    ClientInput {
        id: params.value("id").map(str::to_owned),
        name: text("name"),
        description: text("description"),
        callback_urls: lines("callback_urls"),
        logout_callback_urls: lines("logout_callback_urls"),
        is_public: ticked("is_public"),
        pkce_enabled: ticked("pkce_enabled"),
        requires_reauthentication: ticked("requires_reauthentication"),
        skip_consent: ticked("skip_consent"),
        launch_url: params.value("launch_url").map(str::to_owned),
        is_group_restricted: params.value("audience") == Some("groups"),
        access_token_duration_minutes: number("access_token_minutes"),
        refresh_token_duration_minutes: number("refresh_token_minutes"),
        id_token_signing_alg: params.value("id_token_algorithm").map(str::to_owned),
        minimal_id_token: false,
    }
}

fn input_of(settings: &ClientSettings) -> ClientInput {
    let texts = |uris: &[chancery_domain::oauth::redirect_uri::RedirectUri]| {
        uris.iter().map(|uri| uri.as_str().to_owned()).collect()
    };
    ClientInput {
        id: None,
        name: settings.name.clone(),
        description: settings.description.clone(),
        callback_urls: texts(&settings.redirect_uris),
        logout_callback_urls: texts(&settings.post_logout_redirect_uris),
        is_public: settings.is_public,
        pkce_enabled: settings.pkce_required,
        requires_reauthentication: settings.requires_reauthentication,
        skip_consent: settings.skip_consent,
        launch_url: settings.launch_url.clone(),
        is_group_restricted: settings.is_group_restricted,
        access_token_duration_minutes: settings.access_token_seconds / 60,
        refresh_token_duration_minutes: settings.refresh_token_seconds / 60,
        id_token_signing_alg: Some(settings.id_token_algorithm.to_string()),
        minimal_id_token: settings.minimal_id_token,
    }
}

async fn client_form(app: &App, action: String, entered: &Entered, is_new: bool) -> Result<ClientForm, ApiError> {
    let Entered { input, groups, errors } = entered;
    // Errors of a list are named by its elements, `callbackURLs[0]`.
    let wrong = |name: &str| errors.iter().find(|(field, _)| field.split('[').next() == Some(name));
    let field = |name: &str, value: String| Field {
        value,
        wrong: wrong(name).map(|(_, wrong)| format!("{}.", accounts::sentence(wrong).trim_end_matches('.'))),
    };
    let minutes = |value: i64, default: i64| if value == 0 { default } else { value }.to_string();
    let chosen = input.id_token_signing_alg.as_deref().unwrap_or("RS256");
    let algorithm = |algorithm: SigningAlgorithm| {
        let label = match algorithm {
            SigningAlgorithm::RS256 => "RS256 (every app knows it)",
            SigningAlgorithm::ES256 => "ES256",
            SigningAlgorithm::EdDSA => "EdDSA",
        };
        Choice::new(algorithm.as_str(), label, algorithm.as_str() == chosen)
    };
    Ok(ClientForm {
        action,
        id: is_new.then(|| field("id", input.id.clone().unwrap_or_default())),
        name: field("name", input.name.clone()),
        description: field("description", input.description.clone()),
        launch_url: field("launchURL", input.launch_url.clone().unwrap_or_default()),
        callback_urls: field("callbackURLs", input.callback_urls.join("\n")),
        logout_callback_urls: field("logoutCallbackURLs", input.logout_callback_urls.join("\n")),
        is_public: input.is_public,
        pkce_enabled: input.pkce_enabled,
        skip_consent: input.skip_consent,
        requires_reauthentication: input.requires_reauthentication,
        is_group_restricted: input.is_group_restricted,
        groups: group_choices(app, groups).await?,
        access_token_minutes: field("accessTokenDurationMinutes", minutes(input.access_token_duration_minutes, 60)),
        refresh_token_minutes: field(
            "refreshTokenDurationMinutes",
            minutes(input.refresh_token_duration_minutes, 43_200),
        ),
        id_token_algorithms: SigningAlgorithm::ALL.map(algorithm).to_vec(),
    })
}

pub async fn new(State(app): State<App>, Steward(signed_in): Steward) -> Response {
    let input = ClientInput { pkce_enabled: true, ..ClientInput::default() };
    let entered = Entered { input, groups: Vec::new(), errors: Vec::new() };
    shown(&app, new_client(&app, &signed_in, &entered).await)
}

async fn new_client(app: &App, signed_in: &SignedIn, entered: &Entered) -> Page {
    let form = client_form(app, format!("{PATH}/new"), entered, true).await?;
    Ok(page(&NewClient { frame: frame(app, signed_in, Room::Clients), form }))
}

pub async fn create(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown_page = async {
        require_step_up(&app, &signed_in, &format!("{PATH}/new"))?;
        let input = entered(&form(&headers, &body)?);
        let groups = chosen_groups(&app, &body).await?;
        match register(&app, &circumstances, &signed_in, &input, &groups).await {
            Ok(id) => Ok(see_other(&format!("{PATH}/{id}"))),
            Err(error) if error.status.is_server_error() => Err(error.into()),
            Err(error) => {
                let errors = match error.code {
                    "client_id_already_exists" => vec![("id".to_owned(), error.message.clone())],
                    _ => field_errors(&error),
                };
                new_client(&app, &signed_in, &Entered { input, groups, errors }).await
            }
        }
    };
    shown(&app, shown_page.await)
}

async fn register(
    app: &App,
    circumstances: &Circumstances,
    signed_in: &SignedIn,
    input: &ClientInput,
    groups: &[GroupId],
) -> Result<ClientId, ApiError> {
    let settings = input.settings(app)?;
    let restricted = settings.is_group_restricted;
    let id = input.id.clone().unwrap_or_else(|| app.entropy.uuid_v4().to_string());
    let bad = || ApiError::validation(&[("id".into(), "client_id".into(), "has 2 to 128 of a-z A-Z 0-9 . _ -".into())]);
    let id: ClientId = id.parse().map_err(|_| bad())?;
    let mut unit = app.store.unit(&circumstances.context(app, signed_in.actor()));
    unit.execute::<Client>(id.as_str(), ClientCommand::Register { settings }).await.map_err(client_error)?;
    if restricted {
        let restrict = ClientCommand::RestrictAccess { groups: groups.to_vec() };
        unit.execute::<Client>(id.as_str(), restrict).await.map_err(client_error)?;
    }
    unit.commit().await?;
    Ok(id)
}

#[derive(Default)]
struct Extra {
    notice: Option<Notice>,
    secret: Option<Revealed>,
    expires_at: Field,
    entered: Option<Entered>,
}

pub async fn show(State(app): State<App>, Steward(signed_in): Steward, Path(id): Path<String>) -> Response {
    let shown_page = async { client(&app, &signed_in, &client_id(&id)?, Extra::default()).await };
    shown(&app, shown_page.await)
}

async fn client(app: &App, signed_in: &SignedIn, id: &ClientId, extra: Extra) -> Page {
    let row = existing(app, id).await?;
    let settings = &row.settings.0;
    let secrets = clients::secrets(&app.pool, id).await?;
    let entered = match extra.entered {
        Some(entered) => entered,
        None => Entered {
            input: input_of(settings),
            groups: clients::allowed_groups(&app.pool, id).await?,
            errors: Vec::new(),
        },
    };
    app.history_reached(app.store.head()).await;
    let filter = AuditFilter { client: Some(id.clone()), ..AuditFilter::default() };
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
        form: client_form(app, format!("{PATH}/{id}"), &entered, false).await?,
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
        let mut input = entered(&form(&headers, &body)?);
        // What the form does not show stays as it is.
        input.minimal_id_token = before.settings.minimal_id_token;
        let groups = chosen_groups(&app, &body).await?;
        let context = circumstances.context(&app, signed_in.actor());
        let changed = async {
            let settings = input.settings(&app)?;
            let restricted = settings.is_group_restricted;
            change_client(&app, &context, &id, settings).await?;
            if restricted {
                let restrict = ClientCommand::RestrictAccess { groups: groups.clone() };
                app.store.execute::<Client>(id.as_str(), restrict, &context).await.map_err(client_error)?;
            }
            Ok::<_, ApiError>(())
        };
        let extra = match changed.await {
            Ok(()) => Extra { notice: Some(Notice::good("Saved.")), ..Extra::default() },
            Err(error) if error.status.is_server_error() => return Err(error.into()),
            Err(error) => {
                let errors = field_errors(&error);
                Extra { entered: Some(Entered { input, groups, errors }), ..Extra::default() }
            }
        };
        client(&app, &signed_in, &id, extra).await
    };
    shown(&app, shown_page.await)
}

pub async fn add_secret(
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
        let params = form(&headers, &body)?;
        let day = params.value("expires_at");
        let parsed = day.map(|text| Date::parse(text, format_description!("[year]-[month]-[day]")));
        let expires_at = match parsed {
            None => None,
            Some(Ok(day)) => Some(day.midnight().assume_utc()),
            Some(Err(_)) => {
                let expires_at = Field::refused(day.unwrap_or_default(), "This is no day.");
                return client(&app, &signed_in, &id, Extra { expires_at, ..Extra::default() }).await;
            }
        };
        let context = circumstances.context(&app, signed_in.actor());
        let extra = match issue_secret(&app, &context, &id, None, expires_at).await {
            Ok(made) => {
                let says = "Copy it into the app now; it is not shown again.".to_owned();
                let secret = Revealed { label: "Client secret".to_owned(), value: made.secret, says };
                Extra { secret: Some(secret), ..Extra::default() }
            }
            Err(error) if error.status.is_server_error() || error.code == "not_found" => return Err(error.into()),
            Err(error) => {
                let wrong = field_errors(&error).into_iter().next().map(|(_, wrong)| wrong).unwrap_or_default();
                Extra {
                    expires_at: Field::refused(day.unwrap_or_default(), accounts::sentence(&wrong)),
                    ..Extra::default()
                }
            }
        };
        client(&app, &signed_in, &id, extra).await
    };
    shown(&app, shown_page.await)
}

pub async fn ask_remove_secret(
    State(app): State<App>,
    Steward(signed_in): Steward,
    Path((id, secret)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let client_id = client_id(&id)?;
        let row = existing(&app, &client_id).await?;
        let path = format!("{PATH}/{id}/secrets/{secret}/remove");
        require_step_up(&app, &signed_in, &path)?;
        let secrets = clients::secrets(&app.pool, &client_id).await?;
        let found = secrets.iter().find(|row| row.secret_id.to_string() == secret).ok_or_else(ApiError::not_found)?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::Clients),
            asks: format!("Remove the secret {}…?", found.prefix),
            says: format!("{} can no longer use it from that moment on.", row.settings.name),
            consequences: match secrets.len() {
                1 => vec!["It is the only one: nobody can sign in to the app until it has another.".to_owned()],
                _ => Vec::new(),
            },
            action: path,
            members: Vec::new(),
            button: "Remove".to_owned(),
            back: format!("{PATH}/{id}"),
        }))
    };
    shown(&app, shown_page.await)
}

pub async fn remove_secret(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path((id, secret)): Path<(String, String)>,
) -> Response {
    let shown_page = async {
        let id = client_id(&id)?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}"))?;
        let secret_id = secret.parse().map_err(|_| ApiError::not_found())?;
        let context = circumstances.context(&app, signed_in.actor());
        let remove = ClientCommand::RemoveSecret { secret_id };
        app.store.execute::<Client>(id.as_str(), remove, &context).await.map_err(client_error)?;
        Ok(see_other(&format!("{PATH}/{id}")))
    };
    shown(&app, shown_page.await)
}

pub async fn ask_delete(State(app): State<App>, Steward(signed_in): Steward, Path(id): Path<String>) -> Response {
    let shown_page = async {
        let row = existing(&app, &client_id(&id)?).await?;
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}/delete"))?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::Clients),
            asks: format!("Delete {}?", row.settings.name),
            says: "This cannot be undone.".to_owned(),
            consequences: vec![
                "Nobody can sign in to it through here any more, and all its tokens end.".to_owned(),
                "Its id is never given again.".to_owned(),
            ],
            action: format!("{PATH}/{id}/delete"),
            members: Vec::new(),
            button: "Delete".to_owned(),
            back: format!("{PATH}/{id}"),
        }))
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
        require_step_up(&app, &signed_in, &format!("{PATH}/{id}/delete"))?;
        let context = circumstances.context(&app, signed_in.actor());
        app.store.execute::<Client>(id.as_str(), ClientCommand::Delete, &context).await.map_err(client_error)?;
        Ok(see_other(PATH))
    };
    shown(&app, shown_page.await)
}
