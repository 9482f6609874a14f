//! `/admin/api-keys`: keys with which programs act for an administrator.

use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chancery_domain::api_key::{ApiKey as ApiKeyAggregate, ApiKeyCommand};
use chancery_domain::ids::ApiKeyId;
use chancery_projections::api_keys;
use chancery_projections::page::Paging;
use time::macros::format_description;
use time::{Date, Duration};

use super::account::{field_errors, form};
use super::frame::{Page, Steward, frame, require_step_up, shown, when};
use super::people::{asked, pages};
use crate::accounts;
use crate::admin::api_keys::{key_error, new_key};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::SignedIn;
use crate::pages::house::{ApiKey, ApiKeys, Confirm, Field, Revealed, Room};
use crate::pages::render::page;

const PATH: &str = "/admin/api-keys";

#[derive(Default)]
struct Extra {
    key: Option<Revealed>,
    fields: Option<(Field, Field, Field)>,
    paging: Option<Paging>,
}

pub async fn show(State(app): State<App>, Steward(signed_in): Steward, OriginalUri(uri): OriginalUri) -> Response {
    let (paging, _) = asked(uri.query());
    shown(&app, list(&app, &signed_in, Extra { paging: Some(paging), ..Extra::default() }).await)
}

async fn list(app: &App, signed_in: &SignedIn, extra: Extra) -> Page {
    let mut connection = app.pool.acquire().await?;
    let paging = extra.paging.unwrap_or_else(|| asked(None).0);
    let rows = api_keys::of_user(&mut connection, signed_in.user.id(), &[], &paging).await?;
    let pages = pages(&rows, PATH, "", "key", "keys");
    let keys = rows.rows.into_iter().map(|row| ApiKey {
        id: row.api_key_id.to_string(),
        created: when(app, row.created_at),
        expires: when(app, row.expires_at),
        is_expired: row.expires_at <= app.now(),
        last_used: app.key_uses.last(row.id()).map(|at| when(app, at)),
        description: row.description.unwrap_or_default(),
        name: row.name,
    });
    let in_a_year = (app.now() + Duration::days(365)).date();
    let in_a_year = in_a_year.format(format_description!("[year]-[month]-[day]")).unwrap_or_default();
    let (name, description, expires_at) =
        extra.fields.unwrap_or_else(|| (Field::default(), Field::default(), Field::new(in_a_year)));
    let keys = keys.collect();
    Ok(page(&ApiKeys {
        frame: frame(app, signed_in, Room::ApiKeys),
        key: extra.key,
        keys,
        pages,
        name,
        description,
        expires_at,
    }))
}

pub async fn create(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown_page = async {
        require_step_up(&app, &signed_in, PATH)?;
        let params = form(&headers, &body)?;
        let text = |name| params.value(name).unwrap_or_default().trim().to_owned();
        let (name, description, day) = (text("name"), text("description"), text("expires_at"));
        let parsed = Date::parse(&day, format_description!("[year]-[month]-[day]"));
        let (key, digest) = new_key(&app);
        let command = ApiKeyCommand::Create {
            user_id: signed_in.user.id(),
            name: name.clone(),
            description: Some(description.clone()).filter(|text| !text.is_empty()),
            digest,
            expires_at: parsed.map_or(time::OffsetDateTime::UNIX_EPOCH, |day| day.midnight().assume_utc()),
            now: app.now(),
        };
        let id = ApiKeyId(app.entropy.uuid_v4());
        let caller = signed_in.caller(&app, &circumstances);
        match accounts::make_key(&app, &caller, &signed_in, id, command).await {
            Ok(()) => {
                let says = "Keep it safe: it acts for you, and is not shown again.".to_owned();
                let key = Some(Revealed { label: "API key".to_owned(), value: key, says });
                list(&app, &signed_in, Extra { key, ..Extra::default() }).await
            }
            Err(error) if error.status.is_server_error() || error.status == StatusCode::UNAUTHORIZED => {
                Err(error.into())
            }
            Err(error) => {
                let expiration = error.code == "invalid_api_key_expiration";
                let wrong = field_errors(&error).into_iter().next().map(|(_, wrong)| accounts::sentence(&wrong));
                let field = |value, refused: bool| Field { value, wrong: wrong.clone().filter(|_| refused) };
                let fields = (field(name, !expiration), Field::new(description), field(day, expiration));
                list(&app, &signed_in, Extra { fields: Some(fields), ..Extra::default() }).await
            }
        }
    };
    shown(&app, shown_page.await)
}

pub async fn ask_revoke(State(app): State<App>, Steward(signed_in): Steward, Path(id): Path<String>) -> Response {
    let shown_page = async {
        let key = id.parse().map_err(|_| ApiError::not_found())?;
        let row = api_keys::find(&app.pool, key).await?.filter(|row| row.user() == signed_in.user.id());
        let row = row.ok_or_else(ApiError::not_found)?;
        Ok(page(&Confirm {
            frame: frame(&app, &signed_in, Room::ApiKeys),
            asks: format!("Revoke {}?", row.name),
            says: "Programs that use it are refused from that moment on.".to_owned(),
            consequences: Vec::new(),
            action: format!("{PATH}/{id}/revoke"),
            button: "Revoke".to_owned(),
            back: PATH.to_owned(),
        }))
    };
    shown(&app, shown_page.await)
}

pub async fn revoke(
    State(app): State<App>,
    circumstances: Circumstances,
    Steward(signed_in): Steward,
    Path(id): Path<String>,
) -> Response {
    let shown_page = async {
        let key: ApiKeyId = id.parse().map_err(|_| ApiError::not_found())?;
        let caller = signed_in.caller(&app, &circumstances);
        let revoke = ApiKeyCommand::Revoke { user_id: signed_in.user.id() };
        let context = caller.may_about(signed_in.user.id(), &revoke)?;
        app.store.execute::<ApiKeyAggregate>(key, revoke, context).await.map_err(key_error)?;
        Ok(see_other(PATH))
    };
    shown(&app, shown_page.await)
}
