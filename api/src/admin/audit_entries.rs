//! Entries of the history as Pocket ID's tools read them; the sentence and the position are ours.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::country;
use chancery_domain::ids::PasskeyId;
use chancery_projections::audit::AuditRow;
use chancery_projections::audit::sentence::{Part, Thing};
use chancery_projections::audit::told::{self, Told};
use chancery_projections::{clients, passkeys, users};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::audit_logs::rfc3339;
use super::event_names::api_name;
use crate::user_agent::UserAgent;

/// `with_usernames` is for those who read everybody's history: in one's own, Pocket ID leaves them out.
pub async fn entries(
    connection: &mut PgConnection,
    rows: &[AuditRow],
    with_usernames: bool,
) -> Result<Vec<Value>, sqlx::Error> {
    let told = told::resolve(connection, rows).await?;
    let names = Names::of(connection, rows).await?;
    Ok(told.iter().map(|told| names.entry(told, with_usernames)).collect())
}

/// What rows hold by id only.
struct Names {
    usernames: HashMap<Uuid, String>,
    apps: HashMap<String, String>,
    /// base64url.
    credential_ids: HashMap<PasskeyId, String>,
}

impl Names {
    async fn of(connection: &mut PgConnection, rows: &[AuditRow]) -> Result<Self, sqlx::Error> {
        let people: Vec<Uuid> = rows.iter().flat_map(|row| row.user_id.into_iter().chain(row.actor_id)).collect();
        let apps: Vec<&str> = rows.iter().filter_map(|row| row.client_id.as_deref()).collect();
        let owners: Vec<Uuid> =
            rows.iter().filter(|row| is_about_a_passkey(row)).filter_map(|row| row.user_id).collect();
        let credential_ids = match owners.is_empty() {
            true => HashMap::new(),
            false => passkeys::credential_ids(&mut *connection, &owners).await?,
        };
        Ok(Self {
            usernames: users::usernames(&mut *connection, &people).await?,
            apps: clients::names(&mut *connection, &apps).await?,
            credential_ids,
        })
    }

    fn entry(&self, told: &Told, with_usernames: bool) -> Value {
        let row = &told.row;
        let name = |id: Option<Uuid>| id.and_then(|id| self.usernames.get(&id)).cloned().unwrap_or_default();
        let username = if with_usernames { name(row.user_id) } else { String::new() };
        let (country, city) = place(row);
        json!({
            "id": row.event_id, "createdAt": rfc3339(row.recorded_at), "event": api_name(&row.event_name),
            "ipAddress": row.address.clone().unwrap_or_default(), "country": country, "city": city,
            "device": row.user_agent.as_deref().map(|text| UserAgent::read(text).to_string()).unwrap_or_default(),
            "userID": row.user_id.map(|id| id.to_string()).unwrap_or_default(), "username": username,
            "actorUsername": name(another(row)), "data": self.data(told), "position": row.position
        })
    }

    /// All values are texts; what is not known is left out.
    fn data(&self, told: &Told) -> Map<String, Value> {
        let row = &told.row;
        let mut data = Map::from_iter([("description".to_owned(), json!(told.text()))]);
        let mut put = |name: &str, value: &str| data.insert(name.to_owned(), json!(value));
        if let Some(id) = &row.client_id {
            put("clientName", self.apps.get(id).unwrap_or(id));
        }
        if let Some((id, actor)) = another(row).and_then(|id| Some((id, self.usernames.get(&id)?))) {
            put("actorUserID", &id.to_string());
            put("actorUsername", actor);
        }
        if let Some((passkey, name)) = passkey(told).filter(|_| is_about_a_passkey(row)) {
            if let Some(credential_id) = self.credential_ids.get(&passkey).and_then(|text| hexadecimal(text)) {
                put("credentialID", &credential_id);
            }
            if let Some(name) = name {
                put("passkeyName", name);
            }
        }
        data
    }
}

/// Of these Pocket ID tells which passkey it was.
fn is_about_a_passkey(row: &AuditRow) -> bool {
    matches!(row.event_name.as_str(), "user.passkey_enrolled" | "user.passkey_removed")
}

/// Who acted, where it is not whom it is about.
fn another(row: &AuditRow) -> Option<Uuid> {
    row.actor_id.filter(|actor| Some(*actor) != row.user_id)
}

/// The passkey that the sentence names, with its name if it has one.
fn passkey(told: &Told) -> Option<(PasskeyId, Option<&str>)> {
    let mut parts = told.row.sentence.parts.iter().zip(&told.parts);
    parts.find_map(|(part, named)| match part {
        Part::Thing { thing: Thing::Passkey(id), .. } => Some((*id, named.strong.then_some(named.text.as_str()))),
        _ => None,
    })
}

/// Pocket ID writes credential ids in lower-case hexadecimal here.
fn hexadecimal(base64url: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(base64url).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Country and city as Pocket ID names them. A place that is on no map is an internal network, of which it knows two.
fn place(row: &AuditRow) -> (&str, &str) {
    match (row.country.as_deref(), row.city.as_deref()) {
        (Some(code), city) => (country::english_name(code).unwrap_or(code), city.unwrap_or_default()),
        (None, Some("Localhost" | "Link-local")) => (INTERNAL, "LAN"),
        (None, Some("Tailscale/CGNAT")) => (INTERNAL, "Tailscale"),
        (None, Some(network)) => (INTERNAL, network),
        (None, None) => ("", ""),
    }
}

const INTERNAL: &str = "Internal Network";
