//! Profile pictures, for the API and the pages alike (decision 17): made small, sealed, recorded, served.

use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::http::StatusCode;
use chancery_adapters::event_store::StoreError;
use chancery_adapters::pictures::{Initials, MAX_BYTES, PictureError, portrait};
use chancery_domain::Subject;
use chancery_domain::digest::Digest;
use chancery_domain::ids::UserId;
use chancery_domain::user::UserCommand;
use chancery_projections::pictures;
use chancery_projections::users::{self, User};
use serde_json::json;

use crate::accounts::{self, sentence};
use crate::admin::users::user_not_found;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;

/// The largest body that brings a picture: the file and what the form needs around it.
pub const MAX_BODY: usize = MAX_BYTES + 64 * 1024;
/// What the vault is told that it seals.
const PURPOSE: &str = "picture";

/// Where everybody finds a person's picture, as the claim `picture` says it.
pub fn url(app: &App, id: UserId) -> String {
    format!("{}/api/users/{id}/profile-picture.png", app.issuer)
}

/// The same for our own pages, which show a new picture at once; None for whoever has none or is disabled.
pub fn path(user: &User) -> Option<String> {
    let digest = user.picture().filter(|_| !user.disabled)?;
    let version: String = String::from(digest).chars().take(12).collect();
    Some(format!("/api/users/{}/profile-picture.png?v={version}", user.user_id))
}

/// Who sends a file, and the file. Whoever is nobody is refused before they send it. It may take its time, so they are looked
/// up again when it is here: what somebody may do is decided when all is said (attacks SE-03).
pub struct Upload<C> {
    pub by: C,
    /// `validation_failed` without a file, `file_too_large` beyond [`MAX_BODY`].
    pub file: Result<Vec<u8>, ApiError>,
}

impl<C: FromRequestParts<App> + Send> FromRequest<App> for Upload<C> {
    type Rejection = C::Rejection;

    async fn from_request(request: Request, app: &App) -> Result<Self, C::Rejection> {
        let (mut parts, body) = request.into_parts();
        C::from_request_parts(&mut parts, app).await?;
        let form = Multipart::from_request(Request::from_parts(parts.clone(), body), app).await;
        let file = uploaded(form).await;
        let by = C::from_request_parts(&mut parts, app).await?;
        Ok(Self { by, file })
    }
}

async fn uploaded(form: Result<Multipart, MultipartRejection>) -> Result<Vec<u8>, ApiError> {
    let unreadable = |error: MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => refused(&PictureError::TooLarge),
        _ => missing(),
    };
    let mut form = form.map_err(|_| missing())?;
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        if field.name() == Some("file") {
            return Ok(field.bytes().await.map_err(unreadable)?.to_vec());
        }
    }
    Err(missing())
}

/// Gives a person a picture, in place of the one they have.
///
/// # Errors
/// `invalid_image` or `file_too_large`; whatever keeps it from being recorded.
pub async fn set(app: &App, caller: &Caller, user: &User, file: Vec<u8>) -> Result<(), ApiError> {
    let png = make(app, file).await?;
    let sealed = app.store.vault().seal_bytes(&Subject::user(user.id()), PURPOSE, &png).await;
    let sealed = sealed.map_err(StoreError::from)?;
    let digest = Digest::of(&sealed);
    pictures::keep(&app.pool, user.id(), digest, &sealed, app.now()).await?;
    accounts::execute(app, caller, user.id(), UserCommand::SetPicture { picture: digest }).await?;
    drop_former(app, user).await;
    Ok(())
}

/// Takes a person's picture away; their initials are shown again.
///
/// # Errors
/// Whatever keeps it from being recorded.
pub async fn remove(app: &App, caller: &Caller, user: &User) -> Result<(), ApiError> {
    accounts::execute(app, caller, user.id(), UserCommand::RemovePicture).await?;
    drop_former(app, user).await;
    Ok(())
}

/// What was recorded stands: if the old picture cannot be dropped now, the sweep does it.
async fn drop_former(app: &App, user: &User) {
    let Some(former) = user.picture() else { return };
    if let Err(error) = pictures::drop_former(&app.pool, user.id(), former).await {
        tracing::debug!(%error, "a former picture was not dropped");
    }
}

/// One at a time: a picture takes far more memory while it is made than a request usually does.
async fn make(app: &App, file: Vec<u8>) -> Result<Vec<u8>, ApiError> {
    let _turn = app.portraits.acquire().await.map_err(|_| ApiError::unavailable())?;
    let made = tokio::task::spawn_blocking(move || portrait(&file)).await;
    // A decoder that panics has met a file that is no picture.
    made.unwrap_or(Err(PictureError::NotAnImage)).map_err(|error| refused(&error))
}

/// Whom a picture shows: a disabled person is told to nobody.
///
/// # Errors
/// `user_not_found`, for whoever is disabled too.
pub async fn sitter(app: &App, id: UserId) -> Result<User, ApiError> {
    users::find(&app.pool, id).await?.filter(|user| !user.disabled && !user.is_static).ok_or_else(user_not_found)
}

/// What tells a person's picture from every other one: an entity tag (RFC 9110 §8.8.3) without its quotes.
pub fn tag(user: &User) -> String {
    user.picture().map_or_else(|| initials(user).tag(), String::from)
}

/// A person's picture: the one they uploaded, or their initials.
///
/// # Errors
/// Those of the database and the vault.
pub async fn of(app: &App, user: &User) -> Result<Vec<u8>, ApiError> {
    if let Some(digest) = user.picture() {
        return uploaded_one(app, user.id(), digest).await;
    }
    initials(user).draw().map_err(|_| ApiError::internal())
}

async fn uploaded_one(app: &App, id: UserId, digest: Digest) -> Result<Vec<u8>, ApiError> {
    // Gone since the person was looked up: replaced, removed or erased.
    let Some(sealed) = pictures::find(&app.pool, id, digest).await? else { return Err(user_not_found()) };
    if Digest::of(&sealed) != digest {
        tracing::error!(user = %id, "a picture is not the one that the log names");
        return Err(ApiError::internal());
    }
    let opened = app.store.vault().open_bytes(&Subject::user(id), PURPOSE, &sealed).await.map_err(StoreError::from)?;
    opened.ok_or_else(user_not_found)
}

fn initials(user: &User) -> Initials {
    Initials::of(&user.display_name, &user.username, user.user_id.as_bytes())
}

fn missing() -> ApiError {
    ApiError::field("file", "required", "is required, in a multipart form")
}

fn refused(error: &PictureError) -> ApiError {
    match error {
        PictureError::NotAnImage => ApiError::new(StatusCode::BAD_REQUEST, "invalid_image", sentence(error)),
        PictureError::TooLarge => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "file_too_large", sentence(error))
            .with_details(json!({ "max_size": format!("{} MB", MAX_BYTES / 1024 / 1024) })),
    }
}
