//! Which part of the history somebody asks for.

use chancery_domain::ids::{ClientId, UserId};
use sqlx::{Postgres, QueryBuilder};
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
    /// A city or network by a part of its name, a country by its code.
    pub place: Option<String>,
    /// Whether from a network that is nowhere on the map, or from elsewhere.
    pub internal: Option<Vec<bool>>,
    pub from: Option<OffsetDateTime>,
    /// Not included.
    pub to: Option<OffsetDateTime>,
    pub text: Option<String>,
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
        if let Some(place) = &self.place {
            query.push(" AND (country = ").push_bind(place.to_uppercase());
            query.push(" OR city ILIKE ").push_bind(containing(place)).push(")");
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
        if let Some(text) = &self.text {
            search(query, text);
        }
    }
}

/// In what the events hold, and in what people and apps are called now.
fn search(query: &mut QueryBuilder<'_, Postgres>, text: &str) {
    let pattern = containing(text);
    query.push(" AND (search LIKE ").push_bind(pattern.to_lowercase());
    query
        .push(" OR concat_ws(' ', event_name, address, user_agent, city, client_id) ILIKE ")
        .push_bind(pattern.clone());
    for column in ["user_id", "actor_id"] {
        query.push(format!(
            " OR {column} IN (SELECT user_id FROM users WHERE concat_ws(' ', display_name, username, email) ILIKE "
        ));
        query.push_bind(pattern.clone()).push(")");
    }
    query.push(" OR client_id IN (SELECT client_id FROM clients WHERE name ILIKE ").push_bind(pattern).push("))");
}

fn containing(text: &str) -> String {
    format!("%{}%", like(text.trim()))
}
