//! Which part of the history somebody asks for.

use std::fmt;

use chancery_domain::country;
use chancery_domain::ids::{ClientId, UserId};
use sqlx::{FromRow, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::page::like;

/// All that is set must hold. A list is of alternatives; from an empty one nothing comes.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// About this person or by them.
    pub people: Option<UserId>,
    /// What a person may see without being an administrator: what is about them, whoever did it.
    pub own: Option<UserId>,
    /// About one of these people.
    pub about: Option<Vec<UserId>>,
    pub clients: Option<Vec<ClientId>>,
    /// The events.
    pub names: Option<Vec<String>>,
    pub kind: Option<Kind>,
    pub place: Option<PlaceFilter>,
    /// Whether from a network that is nowhere on the map, or from elsewhere.
    pub internal: Option<Vec<bool>>,
    pub from: Option<OffsetDateTime>,
    /// Not included.
    pub to: Option<OffsetDateTime>,
    /// Words, each of which must be somewhere.
    pub text: Option<String>,
}

/// A country by its code, a city of it, or a network that is in no country.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct PlaceFilter {
    pub country: Option<String>,
    pub city: Option<String>,
}

impl PlaceFilter {
    /// `SE`, `SE/Linköping`, `/LAN`.
    pub fn parse(text: &str) -> Self {
        let (country, city) = text.split_once('/').unwrap_or((text, ""));
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self { country: some(country), city: some(city) }
    }
}

impl fmt::Display for PlaceFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.country.as_deref().unwrap_or_default())?;
        self.city.as_ref().map_or(Ok(()), |city| write!(formatter, "/{city}"))
    }
}

/// What a history is mostly searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    SignIns,
    Refusals,
    AdminChanges,
    Passkeys,
    AppsAndTokens,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::SignIns, Self::Refusals, Self::AdminChanges, Self::Passkeys, Self::AppsAndTokens];

    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::SignIns => {
                "(event_name LIKE 'session.%' OR event_name IN ('sign_in_attempt.failed', 'user.signed_out_everywhere'))"
            }
            Self::Refusals => "refused",
            Self::AdminChanges => ADMIN_CHANGES,
            Self::Passkeys => "(event_name LIKE 'user.%passkey%' OR event_name LIKE 'enrollment.%')",
            Self::AppsAndTokens => "event_name LIKE ANY ('{client.%,consent.%,grant.%}')",
        }
    }
}

/// What people do to others, to apps and to groups, and whatever is done on the server; not what they do to their own
/// account.
const ADMIN_CHANGES: &str = "(event_name LIKE ANY ('{client.%,group.%}')
     OR event_name IN ('enrollment.issued', 'enrollment.revoked')
     OR event_name LIKE 'user.%' AND actor_id <> user_id
     OR event_name = 'session.ended' AND actor_id <> user_id
     OR actor = 'operator')";

/// Unknown where nothing is known of the origin: for what no request asked, or once it was erased.
const IS_INTERNAL: &str = "(CASE WHEN country IS NULL AND city IS NOT NULL THEN true
                                 WHEN country IS NOT NULL OR address IS NOT NULL THEN false END)";

impl AuditFilter {
    /// Adds the WHERE clause.
    pub(super) fn restrict(&self, query: &mut QueryBuilder<'_, Postgres>) {
        query.push(" WHERE true");
        if let Some(user) = self.people {
            query.push(" AND (user_id = ").push_bind(user.0).push(" OR actor_id = ").push_bind(user.0).push(")");
        }
        if let Some(user) = self.own {
            query.push(" AND user_id = ").push_bind(user.0);
        }
        if let Some(people) = &self.about {
            let ids: Vec<Uuid> = people.iter().map(|user| user.0).collect();
            query.push(" AND user_id = ANY(").push_bind(ids).push(")");
        }
        if let Some(clients) = &self.clients {
            let ids: Vec<String> = clients.iter().map(ToString::to_string).collect();
            query.push(" AND client_id = ANY(").push_bind(ids).push(")");
        }
        if let Some(names) = &self.names {
            query.push(" AND event_name = ANY(").push_bind(names.clone()).push(")");
        }
        if let Some(kind) = self.kind {
            query.push(" AND ").push(kind.condition());
        }
        if let Some(PlaceFilter { country, city }) = &self.place {
            query.push(" AND country IS NOT DISTINCT FROM ").push_bind(country.clone());
            if let Some(city) = city {
                query.push(" AND city = ").push_bind(city.clone());
            }
        }
        if let Some(internal) = &self.internal {
            query.push(format!(" AND {IS_INTERNAL} = ANY(")).push_bind(internal.clone()).push(")");
        }
        if let Some(from) = self.from {
            query.push(" AND recorded_at >= ").push_bind(from);
        }
        if let Some(to) = self.to {
            query.push(" AND recorded_at < ").push_bind(to);
        }
        // In one's own history, others go by the name that is read there: a search must not try out their addresses.
        let names = if self.own.is_some() { "display_name" } else { "concat_ws(' ', display_name, username, email)" };
        for word in self.text.iter().flat_map(|text| text.split_whitespace()).take(WORDS) {
            search(query, word, names);
        }
    }
}

/// In what the events hold, in what people, apps and other things are called now, and in the names of countries.
fn search(query: &mut QueryBuilder<'_, Postgres>, word: &str, names: &str) {
    let pattern = format!("%{}%", like(word));
    query.push(" AND (search LIKE ").push_bind(pattern.to_lowercase());
    query
        .push(" OR concat_ws(' ', event_name, address, user_agent, city, client_id) ILIKE ")
        .push_bind(pattern.clone());
    query.push(" OR country = ANY(").push_bind(country::codes_of(word)).push(")");
    for column in ["user_id", "actor_id"] {
        query.push(format!(" OR {column} IN (SELECT user_id FROM users WHERE {names} ILIKE "));
        query.push_bind(pattern.clone()).push(")");
    }
    query.push(" OR client_id IN (SELECT client_id FROM clients WHERE name ILIKE ").push_bind(pattern.clone());
    // What the sentence names by its id only.
    query.push(") OR jsonb_path_query_array(sentence, '$.parts[*].thing.id') ?| ARRAY(");
    query.push("SELECT group_id::text FROM groups WHERE friendly_name ILIKE ").push_bind(pattern.clone());
    for (id, table) in [("passkey_id", "passkeys"), ("api_key_id", "api_keys")] {
        query.push(format!(" UNION ALL SELECT {id}::text FROM {table} WHERE name ILIKE ")).push_bind(pattern.clone());
    }
    query.push(format!(" LIMIT {THINGS}))"));
}

/// Of a search, as many words count.
const WORDS: usize = 10;
/// Of those that a word names, so many are looked for: each is compared with each row.
const THINGS: usize = 500;
