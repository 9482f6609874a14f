//! Sentences with the names of the day, ready for a page.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::AuditRow;
use super::sentence::{Part, Thing};

/// An entry as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub row: AuditRow,
    pub parts: Vec<NamedPart>,
    pub changes: Vec<ToldChange>,
}

/// A piece of a sentence with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPart {
    pub text: String,
    pub strong: bool,
    /// What it leads to, while that exists.
    pub thing: Option<Thing>,
}

/// What changed, in words; an empty text is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldChange {
    pub what: String,
    pub before: String,
    pub after: String,
}

impl Told {
    /// The sentence in one text.
    pub fn text(&self) -> String {
        self.parts.iter().map(|part| part.text.as_str()).collect()
    }
}

/// Fills in what everything is called now; what is gone goes by the last name the history knows, a person by none.
///
/// # Errors
/// Those of the database.
pub async fn resolve(connection: &mut PgConnection, rows: &[AuditRow]) -> Result<Vec<Told>, sqlx::Error> {
    let names = Names::of(connection, rows).await?;
    Ok(rows.iter().map(|row| names.tell(row)).collect())
}

/// What things are called.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub now: HashMap<Thing, String>,
    /// Of what is gone.
    pub last: HashMap<Thing, String>,
}

impl Names {
    async fn of(connection: &mut PgConnection, rows: &[AuditRow]) -> Result<Self, sqlx::Error> {
        let things: Vec<&Thing> = rows.iter().flat_map(things).collect();
        if things.is_empty() {
            return Ok(Self::default());
        }
        let ids: Vec<Uuid> = things.iter().filter_map(|thing| thing.uuid()).collect();
        let clients: Vec<&str> = things.iter().filter_map(|thing| thing.client()).collect();
        let found: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT 'person', user_id::text, display_name FROM users WHERE user_id = ANY($1)
             UNION ALL SELECT 'group', group_id::text, friendly_name FROM groups WHERE group_id = ANY($1)
             UNION ALL SELECT 'passkey', passkey_id::text, name FROM passkeys WHERE passkey_id = ANY($1)
             UNION ALL SELECT 'api_key', api_key_id::text, name FROM api_keys WHERE api_key_id = ANY($1)
             UNION ALL SELECT 'app', client_id, name FROM clients WHERE client_id = ANY($2)",
        )
        .bind(&ids)
        .bind(&clients)
        .fetch_all(&mut *connection)
        .await?;
        let now = read(found);
        let gone = |thing: &&&Thing| !now.contains_key(**thing) && !matches!(thing, Thing::Person(_));
        let missing: Vec<String> = things.iter().filter(gone).map(|thing| thing.id()).collect();
        let last = if missing.is_empty() { HashMap::new() } else { last_names(connection, &missing).await? };
        Ok(Self { now, last })
    }

    pub(super) fn tell(&self, row: &AuditRow) -> Told {
        let sentence = &row.sentence.0;
        let mut parts: Vec<NamedPart> = sentence.parts.iter().map(|part| self.part(part)).collect();
        if let Some(first) = parts.first_mut().filter(|part| part.thing.is_none() && !part.strong) {
            first.text = capitalized(&first.text);
        }
        let flat = |parts: &[Part]| parts.iter().map(|part| self.part(part).text).collect();
        let changes = sentence.changes.iter().map(|change| ToldChange {
            what: change.what.clone(),
            before: flat(&change.before),
            after: flat(&change.after),
        });
        Told { row: row.clone(), parts, changes: changes.collect() }
    }

    fn part(&self, part: &Part) -> NamedPart {
        match part {
            Part::Text(text) => NamedPart { text: text.clone(), strong: false, thing: None },
            Part::Strong(text) => NamedPart { text: text.clone(), strong: true, thing: None },
            Part::Thing { thing, name } => {
                // The name of that day, where the event has it: a passkey was enrolled under it.
                let exists = self.now.get(thing);
                let known = match thing {
                    Thing::Person(_) => exists,
                    _ => name.as_ref().or(exists).or_else(|| self.last.get(thing)),
                };
                // An app's id is a name of its own.
                let strong = known.is_some() || matches!(thing, Thing::App(_));
                NamedPart { text: called(thing, known), strong, thing: exists.map(|_| thing.clone()) }
            }
        }
    }
}

fn called(thing: &Thing, name: Option<&String>) -> String {
    match (thing, name) {
        (Thing::ApiKey(_), Some(name)) => format!("the API key {name}"),
        (_, Some(name)) => name.clone(),
        (Thing::Person(_), None) => "a person who was erased".to_owned(),
        (Thing::App(id), None) => id.to_string(),
        (Thing::Group(_), None) => "a deleted group".to_owned(),
        (Thing::Passkey(_), None) => "a passkey".to_owned(),
        (Thing::ApiKey(_), None) => "an API key".to_owned(),
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn things(row: &AuditRow) -> impl Iterator<Item = &Thing> {
    let sentence = &row.sentence.0;
    let changes = sentence.changes.iter().flat_map(|change| change.before.iter().chain(&change.after));
    sentence.parts.iter().chain(changes).filter_map(|part| match part {
        Part::Thing { thing, .. } => Some(thing),
        Part::Text(_) | Part::Strong(_) => None,
    })
}

/// The last names of deleted things, from the entries that named them.
pub(super) async fn last_names(
    connection: &mut PgConnection,
    ids: &[String],
) -> Result<HashMap<Thing, String>, sqlx::Error> {
    let found = sqlx::query_as(
        "SELECT DISTINCT ON (1, 2) part->'thing'->>'kind', part->'thing'->>'id', part->'thing'->>'name'
         FROM audit, jsonb_array_elements(sentence->'parts') AS part
         WHERE event_name IN ('client.registered', 'client.changed', 'group.created', 'group.changed',
                              'user.passkey_enrolled', 'user.passkey_renamed', 'api_key.created')
           AND part->'thing'->>'id' = ANY($1) AND part->'thing'->>'name' IS NOT NULL
         ORDER BY 1, 2, position DESC",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(read(found))
}

fn read(rows: Vec<(String, String, String)>) -> HashMap<Thing, String> {
    rows.into_iter().filter_map(|(kind, id, name)| Some((Thing::parse(&kind, &id)?, name))).collect()
}
