//! Personal values in an event's JSON, sealed in place and opened again.
//!
//! `{"$personal": {"subject", "value"}}` becomes `{"$sealed": {"subject", "key", "box"}}`; an erased one comes back as
//! `{"$personal": {"subject"}}`, which the domain reads as the gap it is.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chancery_domain::Subject;
use chancery_domain::personal::PERSONAL;
use serde_json::{Value, json};

use super::{DataKey, Vault, VaultError, decrypt, encrypt};

const SEALED: &str = "$sealed";

/// Where a sealed value belongs. Moved anywhere else, it does not open.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    pub aggregate_type: &'a str,
    pub aggregate_id: &'a str,
    pub sequence: i64,
    pub event_type: &'a str,
    /// As stored, before any upcast.
    pub event_version: &'a str,
    /// `payload` or `metadata`: an event may hold one value of a subject in each.
    pub part: &'static str,
}

impl Binding<'_> {
    fn aad(&self, subject: &Subject, key_version: i32) -> Vec<u8> {
        let Self { aggregate_type, aggregate_id, sequence, event_type, event_version, part } = self;
        format!(
            "{aggregate_type}|{aggregate_id}|{sequence}|{event_type}|{event_version}|{part}|{subject}|{key_version}"
        )
        .into_bytes()
    }
}

impl Vault {
    /// Seals every personal value in `json`.
    ///
    /// # Errors
    /// [`VaultError::Erased`] for a subject that has been erased; nothing is recorded about them any more.
    pub async fn seal(&self, binding: Binding<'_>, json: &mut Value) -> Result<(), VaultError> {
        let mut subjects = Vec::new();
        subjects_of(json, PERSONAL, &mut subjects);
        let mut keys = HashMap::new();
        for subject in subjects {
            let key = self.sealing_key(&subject).await?;
            // One value for each event and subject, so that two cannot be swapped.
            if keys.insert(subject.clone(), key).is_some() {
                return Err(VaultError::TwoValues(subject));
            }
        }
        if keys.is_empty() {
            return Ok(());
        }
        replace(json, PERSONAL, &mut |body| seal_one(binding, &keys, body))
    }

    /// Opens every sealed value in the given JSON documents, each with its own binding.
    ///
    /// # Errors
    /// [`VaultError::Unsealing`] for a value that was altered or moved.
    pub async fn unseal(&self, documents: &mut [(Binding<'_>, &mut Value)]) -> Result<(), VaultError> {
        self.unseal_where(documents, |_| true).await
    }

    /// The same for people to read: secrets of the instance stay sealed.
    ///
    /// # Errors
    /// As [`Vault::unseal`].
    pub async fn unseal_for_people(&self, documents: &mut [(Binding<'_>, &mut Value)]) -> Result<(), VaultError> {
        self.unseal_where(documents, |subject| !subject.is_secret()).await
    }

    async fn unseal_where(
        &self,
        documents: &mut [(Binding<'_>, &mut Value)],
        opens: fn(&Subject) -> bool,
    ) -> Result<(), VaultError> {
        let mut subjects = Vec::new();
        for (_, json) in documents.iter() {
            subjects_of(json, SEALED, &mut subjects);
        }
        if subjects.is_empty() {
            return Ok(());
        }
        subjects.retain(opens);
        let distinct: Vec<_> = subjects.into_iter().collect::<HashSet<_>>().into_iter().collect();
        let keys = self.opening_keys(&distinct).await?;
        documents.iter_mut().try_for_each(|(binding, json)| {
            let binding = *binding;
            replace(json, SEALED, &mut |body| match opens(&subject_of(body)) {
                true => unseal_one(binding, &keys, body),
                false => Ok(json!({ SEALED: body })),
            })
        })
    }
}

fn seal_one(binding: Binding<'_>, keys: &HashMap<Subject, DataKey>, body: &Value) -> Result<Value, VaultError> {
    let subject = subject_of(body);
    // A gap stays a gap.
    let (Some(value), Some(key)) = (body.get("value"), keys.get(&subject)) else {
        return Ok(json!({ PERSONAL: body }));
    };
    let plain = serde_json::to_vec(value).map_err(|_| VaultError::Sealing)?;
    let sealed = encrypt(&key.cipher, &binding.aad(&subject, key.version), &plain)?;
    Ok(json!({ SEALED: { "subject": subject, "key": key.version, "box": STANDARD_NO_PAD.encode(sealed) } }))
}

fn unseal_one(binding: Binding<'_>, keys: &HashMap<Subject, DataKey>, body: &Value) -> Result<Value, VaultError> {
    let subject = subject_of(body);
    let Some(key) = keys.get(&subject) else {
        return Ok(json!({ PERSONAL: { "subject": subject } }));
    };
    let sealed = body.get("box").and_then(Value::as_str).ok_or(VaultError::Unsealing)?;
    let sealed = STANDARD_NO_PAD.decode(sealed).map_err(|_| VaultError::Unsealing)?;
    let plain = decrypt(&key.cipher, &binding.aad(&subject, key.version), &sealed)?;
    let value: Value = serde_json::from_slice(&plain).map_err(|_| VaultError::Unsealing)?;
    Ok(json!({ PERSONAL: { "subject": subject, "value": value } }))
}

fn subject_of(body: &Value) -> Subject {
    Subject::from(body.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// The body of `{marker: body}`, if that is what `json` is.
fn marked<'a>(json: &'a Value, marker: &str) -> Option<&'a Value> {
    let object = json.as_object().filter(|object| object.len() == 1)?;
    object.get(marker)
}

fn subjects_of(json: &Value, marker: &str, found: &mut Vec<Subject>) {
    if let Some(body) = marked(json, marker) {
        if marker == SEALED || body.get("value").is_some() {
            found.push(subject_of(body));
        }
        return;
    }
    match json {
        Value::Array(items) => items.iter().for_each(|item| subjects_of(item, marker, found)),
        Value::Object(members) => members.values().for_each(|member| subjects_of(member, marker, found)),
        _ => {}
    }
}

fn replace(
    json: &mut Value,
    marker: &str,
    with: &mut impl FnMut(&Value) -> Result<Value, VaultError>,
) -> Result<(), VaultError> {
    if let Some(body) = marked(json, marker) {
        *json = with(body)?;
        return Ok(());
    }
    match json {
        Value::Array(items) => items.iter_mut().try_for_each(|item| replace(item, marker, with)),
        Value::Object(members) => members.values_mut().try_for_each(|member| replace(member, marker, with)),
        _ => Ok(()),
    }
}
