//! Refused sign-ins on the record, bounded under flood.
//!
//! The first failure of a key (address, reason and person) is recorded at once; what follows is counted and recorded as one
//! event when its window ends, so that a flood adds at most one event a second and key (attacks RL-06).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chancery_domain::actor::Actor;
use chancery_domain::context::Context;
use chancery_domain::ids::{PasskeyId, UserId};
use chancery_domain::sign_in_attempt::{
    Failed, FailureReason, FailureWindow, SignInAttempt, SignInAttemptCommand, WindowDecision,
};
use time::OffsetDateTime;

use super::request::Circumstances;
use crate::app::App;
use crate::telemetry::audit;

/// Keys watched at a time; beyond it, new ones share one window.
const MAX_KEYS: usize = 10_000;

/// The failures of the last moments, by key.
#[derive(Clone, Default)]
pub struct Failures {
    windows: Arc<Mutex<HashMap<String, Open>>>,
}

struct Open {
    window: FailureWindow,
    failure: Failure,
    context: Context,
}

/// A refused sign-in: why, and what is known about it.
#[derive(Clone, Debug)]
pub struct Failure {
    reason: FailureReason,
    user_id: Option<UserId>,
    passkey_id: Option<PasskeyId>,
    credential_id: Option<String>,
}

impl Failure {
    pub fn of(reason: FailureReason) -> Self {
        Self { reason, user_id: None, passkey_id: None, credential_id: None }
    }

    pub fn user(self, id: UserId) -> Self {
        Self { user_id: Some(id), ..self }
    }

    /// Whose passkey it was, if that is known.
    pub fn person(&self) -> Option<UserId> {
        self.user_id
    }

    pub fn passkey(self, id: PasskeyId) -> Self {
        Self { passkey_id: Some(id), ..self }
    }

    /// Anybody can send any text here: it is cut.
    pub fn credential(self, id: &str) -> Self {
        Self { credential_id: Some(id.chars().take(200).collect()), ..self }
    }
}

impl Failures {
    /// Puts a refused sign-in on the record. It never fails the request: that is refused already.
    pub async fn note(&self, app: &App, circumstances: &Circumstances, failure: Failure) {
        let now = app.now();
        // One line for each, however many share an event: programs that keep addresses out count lines.
        let reason = audit::word(failure.reason);
        tracing::warn!(target: audit::TARGET, client_ip = %circumstances.address, reason, "authentication failed");
        let context = circumstances.context(app, Actor::Visitor);
        let person = failure.user_id.map(|user| user.to_string()).unwrap_or_default();
        let key = format!("{}|{:?}|{person}", circumstances.address, failure.reason);
        let Some((count, first_at)) = self.count(key, &failure, &context, now) else { return };
        record(app, failure, &context, count, first_at, now).await;
    }

    /// How many failures to record now, if any.
    fn count(
        &self,
        key: String,
        failure: &Failure,
        context: &Context,
        now: OffsetDateTime,
    ) -> Option<(u32, OffsetDateTime)> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if windows.len() < MAX_KEYS { key } else { String::new() };
        match windows.get_mut(&key) {
            Some(open) => match open.window.another(now) {
                WindowDecision::Record { count, first_at } => Some((count, first_at)),
                WindowDecision::Count => None,
            },
            None => {
                let (failure, context) = (failure.clone(), context.clone());
                windows.insert(key, Open { window: FailureWindow::open(now), failure, context });
                Some((1, now))
            }
        }
    }

    /// Records what still waits and forgets what is over. To be called about once a second.
    pub async fn flush(&self, app: &App) {
        let now = app.now();
        let mut due = Vec::new();
        {
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            for open in windows.values_mut() {
                if let Some(WindowDecision::Record { count, first_at }) = open.window.flush(now) {
                    due.push((open.failure.clone(), open.context.clone(), count, first_at));
                }
            }
            windows.retain(|_, open| !open.window.is_over(now));
        }
        for (failure, context, count, first_at) in due {
            record(app, failure, &context, count, first_at, now).await;
        }
    }
}

async fn record(
    app: &App,
    failure: Failure,
    context: &Context,
    count: u32,
    first_at: OffsetDateTime,
    last_at: OffsetDateTime,
) {
    let Failure { reason, user_id, passkey_id, credential_id } = failure;
    let failed = Failed { reason, user_id, passkey_id, credential_id, count, first_at, last_at };
    let id = app.entropy.uuid_v4();
    let recorded = app.store.create::<SignInAttempt>(id, SignInAttemptCommand::Record(failed), context).await;
    if let Err(error) = recorded {
        tracing::error!(%error, "a refused sign-in could not be recorded");
    }
}
