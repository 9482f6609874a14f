//! `/admin/people`: everyone who has an account, and how somebody gets one.

use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::ids::{GroupId, UserId};
use chancery_domain::user::{Profile, ProfileInput, RegisteredVia};
use chancery_projections::page::{Page as Rows, Paging};
use chancery_projections::users::{self, UserFilter};
use chancery_projections::{groups, passkeys};

use super::account::{field_errors, form, profile_form, profile_input};
use super::frame::{Page, Steward, count, frame, portrait, require_step_up, shown, when};
use super::person::with_link;
use crate::accounts::{self, Wanted};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::form::query_params;
use crate::http::request::Circumstances;
use crate::http::session::SignedIn;
use crate::pages::house::{Choice, ClaimRow, ClaimsForm, NewPerson, Pages, People, PersonRow, ProfileRights, Room};
use crate::pages::render::page;

pub const PATH: &str = "/admin/people";

/// The ways to the neighboring pages of a list.
pub fn pages<T>(rows: &Rows<T>, path: &str, search: &str, one: &str, many: &str) -> Pages {
    let link = |to: i64| {
        let searched = Some(("search", search.to_owned())).filter(|_| !search.is_empty());
        let pairs = searched.into_iter().chain([("page", to.to_string())]);
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        format!("{path}?{query}")
    };
    let previous = (rows.current > 1).then(|| link(rows.current - 1));
    let next = (rows.current < rows.pages).then(|| link(rows.current + 1));
    Pages::numbered(count(rows.total, one, many), previous, next)
}

/// The page and search that a list was asked for.
pub fn asked(query: Option<&str>) -> (Paging, String) {
    let params = query_params(query);
    let page = params.value("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let search = params.value("search").unwrap_or_default().replace('\0', "");
    (Paging { page, limit: 50, ..Paging::default() }, search)
}

pub async fn list(State(app): State<App>, Steward(signed_in): Steward, OriginalUri(uri): OriginalUri) -> Response {
    let shown_page = async {
        let (paging, search) = asked(uri.query());
        let text = Some(search.clone()).filter(|text| !text.is_empty());
        let filter = UserFilter { search: text, people_only: true, ..UserFilter::default() };
        let mut connection = app.pool.acquire().await?;
        let rows = users::list(&mut connection, &filter, &paging).await?;
        let pages = pages(&rows, PATH, &search, "person", "people");
        let mut people = Vec::with_capacity(rows.rows.len());
        for user in &rows.rows {
            let held = passkeys::of_user(&mut *connection, user.id()).await?;
            let last = held.iter().filter_map(|row| row.last_used_at).max();
            people.push(PersonRow {
                id: user.user_id.to_string(),
                portrait: portrait(user),
                name: user.display_name.clone(),
                username: user.username.clone(),
                email: user.email.clone(),
                is_admin: user.is_admin,
                is_disabled: user.disabled,
                passkeys: match held.len() {
                    0 => "No passkey yet".to_owned(),
                    number => count(number as i64, "passkey", "passkeys"),
                },
                has_passkey: !held.is_empty(),
                last_sign_in: last.map(|at| when(&app, at)),
            });
        }
        Ok(page(&People { frame: frame(&app, &signed_in, Room::People), search, people, pages }))
    };
    shown(&app, shown_page.await)
}

pub async fn new(State(app): State<App>, Steward(signed_in): Steward) -> Response {
    let rights = (false, false, Vec::new());
    shown(&app, new_person(&app, &signed_in, &ProfileInput::default(), &[], rights).await)
}

async fn new_person(
    app: &App,
    signed_in: &SignedIn,
    input: &ProfileInput,
    errors: &[(&str, String)],
    (email_verified, is_admin, chosen): (bool, bool, Vec<GroupId>),
) -> Page {
    let groups = group_choices(app, &chosen).await?;
    let rights = ProfileRights::NewPerson { email_verified, is_admin, groups };
    let path = format!("{PATH}/new");
    let form = profile_form(&path, input, errors, rights, String::new());
    Ok(page(&NewPerson { frame: frame(app, signed_in, Room::People), form }))
}

/// All groups, those of the person chosen.
pub async fn group_choices(app: &App, chosen: &[GroupId]) -> Result<Vec<Choice>, ApiError> {
    let rows = groups::all(&app.pool).await?;
    let choice = |row: groups::GroupRow| {
        let is_chosen = chosen.contains(&row.id());
        Choice::new(row.group_id.to_string(), row.friendly_name, is_chosen)
    };
    Ok(rows.into_iter().map(choice).collect())
}

/// The values of a repeated form member.
pub fn repeated(body: &Bytes, name: &str) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(body);
    pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

/// The groups that a form names, as far as they exist.
pub async fn chosen_groups(app: &App, body: &Bytes) -> Result<Vec<GroupId>, ApiError> {
    let ids: Vec<GroupId> = repeated(body, "group_ids").iter().filter_map(|id| id.parse().ok()).collect();
    Ok(groups::existing(&app.pool, &ids).await?)
}

/// The claims that a form holds; empty pairs are dropped.
pub fn claims_of(body: &Bytes) -> Vec<CustomClaim> {
    let pairs = repeated(body, "key").into_iter().zip(repeated(body, "value"));
    let claims = pairs.map(|(key, value)| CustomClaim { key: key.trim().to_owned(), value });
    claims.filter(|claim| !claim.key.is_empty() || !claim.value.is_empty()).collect()
}

pub async fn claims_form(
    app: &App,
    action: String,
    seen: String,
    claims: &[CustomClaim],
    wrong: Option<&ApiError>,
) -> Result<ClaimsForm, ApiError> {
    let row = |(index, claim): (usize, &CustomClaim)| ClaimRow {
        key: claim.key.clone(),
        value: claim.value.clone(),
        wrong: wrong.and_then(|error| wrong_with(error, index, claim)).map(|says| format!("{says}.")),
    };
    let suggestions = users::claim_keys(&app.pool).await?;
    Ok(ClaimsForm { action, seen, claims: claims.iter().enumerate().map(row).collect(), suggestions })
}

/// What an error says of one claim: of the key that it names, of the claims by their place, or of all.
fn wrong_with(error: &ApiError, index: usize, claim: &CustomClaim) -> Option<String> {
    let key = error.details.as_ref().and_then(|details| details["key"].as_str());
    let fields = field_errors(error);
    if !fields.iter().any(|(field, _)| field.starts_with('[')) {
        return key.is_none_or(|key| key == claim.key).then(|| error.message.clone());
    }
    let place = format!("[{index}].");
    let of_it =
        |(field, says): &(String, String)| field.strip_prefix(&place).map(|member| format!("the {member} {says}"));
    let of_it: Vec<_> = fields.iter().filter_map(of_it).collect();
    (!of_it.is_empty()).then(|| accounts::sentence(&of_it.join(", ")))
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
        let params = form(&headers, &body)?;
        let input = profile_input(&params);
        let email_verified = params.value("email_verified").is_some();
        let is_admin = params.value("is_admin").is_some();
        let groups = chosen_groups(&app, &body).await?;
        let rights = (email_verified, is_admin, groups.clone());
        let profile = match Profile::parse(input.clone()) {
            Ok(profile) => profile,
            Err(errors) => {
                let errors: Vec<_> = errors.iter().map(|error| (error.field, error.message.to_owned())).collect();
                return new_person(&app, &signed_in, &input, &errors, rights).await;
            }
        };
        let id = UserId(app.entropy.uuid_v4());
        let wanted = Wanted { profile, email_verified, is_admin, disabled: false };
        let caller = signed_in.caller(&app, &circumstances);
        if let Err(error) = accounts::register(&app, &caller, id, wanted, RegisteredVia::Admin, groups).await {
            if error.status.is_server_error() {
                return Err(error.into());
            }
            let errors = field_errors(&error);
            let errors: Vec<_> = errors.iter().map(|(field, wrong)| (field.as_str(), wrong.clone())).collect();
            return new_person(&app, &signed_in, &input, &errors, rights).await;
        }
        // A new person needs their link next, so it comes at once.
        with_link(&app, &circumstances, &signed_in, id).await
    };
    shown(&app, shown_page.await)
}
