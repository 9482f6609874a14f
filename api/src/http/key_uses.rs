//! When API keys were last used on this node: a convenience that may be lost, so it is not an event.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chancery_domain::ids::ApiKeyId;
use time::OffsetDateTime;

#[derive(Clone, Default)]
pub struct KeyUses {
    last: Arc<Mutex<HashMap<ApiKeyId, OffsetDateTime>>>,
}

impl KeyUses {
    /// Only keys that exist come here, so the map stays as small as their list.
    pub fn note(&self, id: ApiKeyId, now: OffsetDateTime) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(id, now);
    }

    pub fn all(&self) -> Vec<(ApiKeyId, OffsetDateTime)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().map(|(id, at)| (*id, *at)).collect()
    }

    pub fn last(&self, id: ApiKeyId) -> Option<OffsetDateTime> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }
}
