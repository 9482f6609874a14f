//! Every event told as a log line and as a log record with its EventName, and counted.
//!
//! Called with what the history has just taken: each event once, by whichever node advanced it, after it was recorded.
//! What is told of a person is their id; only a refused sign-in tells its address, first of all, so that it can be
//! kept out. A line, record or count that is lost with a dying process is missed by nobody who reads `/api/events`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use chancery_domain::grant::GrantEvent;
use chancery_domain::session::SessionEvent;
use chancery_domain::sign_in_attempt::SignInAttemptEvent;
use chancery_domain::user::{EnrolledVia, UserEvent};
use chancery_domain::{Event, Personal, Recorded};
use chancery_projections::audit::refused;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::logs::SdkLogger;
use serde::Serialize;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{SCOPE, trace};

/// The target of lines about events and refused sign-ins.
pub const TARGET: &str = "audit";
/// Traces that one step of the history is linked with.
const LINKS: usize = 32;

/// Tells of events.
pub struct AuditLog {
    logger: Option<SdkLogger>,
    names: Names,
    counters: Counters,
}

impl Default for AuditLog {
    fn default() -> Self {
        Self::new(None)
    }
}

impl AuditLog {
    pub(super) fn new(logger: Option<SdkLogger>) -> Self {
        Self { logger, names: Names::default(), counters: Counters::new() }
    }

    pub fn tell(&self, events: &[Recorded]) {
        link(events);
        for recorded in events {
            let told = Told::of(recorded);
            told.line();
            self.counters.count(&recorded.event);
            if let Some(logger) = &self.logger {
                self.emit(logger, &told);
            }
        }
    }

    fn emit(&self, logger: &SdkLogger, told: &Told<'_>) {
        let mut record = logger.create_log_record();
        let (severity, text) = if told.warns { (Severity::Warn, "WARN") } else { (Severity::Info, "INFO") };
        record.set_event_name(self.names.of(told.name));
        record.set_timestamp(told.recorded.recorded_at.into());
        record.set_observed_timestamp(SystemTime::now());
        record.set_severity_number(severity);
        record.set_severity_text(text);
        record.set_body(told.name.into());
        if let Some(trace) = told.trace.as_ref() {
            record.set_trace_context(trace.trace_id(), trace.span_id(), Some(trace.trace_flags()));
        }
        record.add_attributes(told.attributes());
        logger.emit(record);
    }
}

/// The step that is being taken is linked with the requests whose events it takes.
fn link(events: &[Recorded]) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    let traces = events.iter().filter_map(|recorded| trace::parse(recorded.context.traceparent.as_deref()?));
    let mut seen = Vec::new();
    for trace in traces {
        if seen.len() < LINKS && !seen.contains(&trace.span_id()) {
            seen.push(trace.span_id());
            span.add_link(trace);
        }
    }
}

/// What is told of an event.
struct Told<'a> {
    recorded: &'a Recorded,
    name: &'static str,
    warns: bool,
    /// The stored trace context: of the request that caused the event.
    trace: Option<opentelemetry::trace::SpanContext>,
    /// Of a refused sign-in only.
    address: Option<IpAddr>,
    reason: Option<String>,
    user: Option<String>,
}

impl<'a> Told<'a> {
    fn of(recorded: &'a Recorded) -> Self {
        let context = &recorded.context;
        let (mut address, mut reason, mut user) = (None, None, context.actor.user().map(|id| id.to_string()));
        match &recorded.event {
            Event::SignInAttempt(SignInAttemptEvent::Failed(failed)) => {
                reason = word(failed.reason);
                user = failed.user_id.map(|id| id.to_string());
                if let Some(Personal::Known { value, .. }) = &context.origin {
                    address = Some(value.address);
                }
            }
            Event::Session(SessionEvent::Ended { why }) => reason = word(why),
            Event::Grant(GrantEvent::Revoked { why }) => reason = word(why),
            // Whom an act on an account is about: the stream is theirs.
            Event::User(_) => user = Some(recorded.aggregate_id.clone()),
            Event::Grant(GrantEvent::Authorized(authorization)) => user = Some(authorization.user_id.to_string()),
            _ => {}
        }
        Self {
            recorded,
            name: recorded.event.name(),
            warns: refused(&recorded.event),
            trace: context.traceparent.as_deref().and_then(trace::parse),
            address,
            reason,
            user,
        }
    }

    fn line(&self) {
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    client_ip = self.address.map(tracing::field::display),
                    reason = self.reason,
                    position = self.recorded.position,
                    actor = %self.recorded.context.actor,
                    user_id = self.user,
                    stream = self.recorded.aggregate_id,
                    country = self.recorded.context.country,
                    request_id = %self.recorded.context.correlation_id,
                    trace_id = self.trace.as_ref().map(|trace| tracing::field::display(trace.trace_id())),
                    "{}", self.name
                )
            };
        }
        match self.warns {
            true => line!(tracing::Level::WARN),
            false => line!(tracing::Level::INFO),
        }
    }

    fn attributes(&self) -> Vec<(&'static str, AnyValue)> {
        let context = &self.recorded.context;
        let text = |text: &Option<String>| text.clone().map(AnyValue::from);
        let all = [
            ("client.address", self.address.map(|address| address.to_string().into())),
            ("chancery.reason", text(&self.reason)),
            ("chancery.position", Some(self.recorded.position.into())),
            ("chancery.event_id", Some(self.recorded.event_id.to_string().into())),
            ("chancery.stream", Some(self.recorded.aggregate_id.clone().into())),
            ("chancery.actor", Some(context.actor.to_string().into())),
            ("chancery.request_id", Some(context.correlation_id.to_string().into())),
            ("user.id", text(&self.user)),
            ("geo.country.iso_code", text(&context.country)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// A plain enum as it is stored.
pub fn word(value: impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

/// EventNames have a namespace, and must live as long as the process: one small leak for each kind of event.
#[derive(Default)]
struct Names(Mutex<HashMap<&'static str, &'static str>>);

impl Names {
    fn of(&self, stored: &'static str) -> &'static str {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.entry(stored).or_insert_with(|| Box::leak(format!("{SCOPE}.{stored}").into_boxed_str()))
    }
}

/// What happened, by kind; labels are words of ours alone.
struct Counters {
    events: Counter<u64>,
    sign_ins: Counter<u64>,
    registrations: Counter<u64>,
    enrollments: Counter<u64>,
    tokens: Counter<u64>,
    refusals: Counter<u64>,
}

impl Counters {
    fn new() -> Self {
        let meter = global::meter(SCOPE);
        let counter = |name, says| meter.u64_counter(name).with_description(says).build();
        Self {
            events: counter("chancery.events", "Events recorded, by name"),
            sign_ins: counter("chancery.sign_ins", "Sign-ins, by outcome and reason"),
            registrations: counter("chancery.registrations", "Accounts made, by the way they were"),
            enrollments: counter("chancery.enrollments", "Passkeys enrolled, by the way they were"),
            tokens: counter("chancery.tokens", "Token responses, by grant type"),
            refusals: counter(
                "chancery.grant.refusals",
                "Codes and refresh tokens that were presented wrongly or again",
            ),
        }
    }

    fn count(&self, event: &Event) {
        self.events.add(1, &[KeyValue::new("event.name", event.name())]);
        let token = |grant_type| self.tokens.add(1, &[KeyValue::new("grant_type", grant_type)]);
        let refusal = |reason| self.refusals.add(1, &[KeyValue::new("reason", reason)]);
        match event {
            Event::Session(SessionEvent::Started { .. }) => {
                self.sign_ins.add(1, &[KeyValue::new("outcome", "success")]);
            }
            Event::SignInAttempt(SignInAttemptEvent::Failed(failed)) => {
                let reason = KeyValue::new("reason", word(failed.reason).unwrap_or_default());
                self.sign_ins.add(failed.count.into(), &[KeyValue::new("outcome", "failure"), reason]);
            }
            Event::User(UserEvent::Registered { via, .. }) => {
                self.registrations.add(1, &[KeyValue::new("via", word(via).unwrap_or_default())]);
            }
            Event::User(UserEvent::PasskeyEnrolled { via, .. }) => {
                let via = if matches!(via, EnrolledVia::SelfService) { "self_service" } else { "link" };
                self.enrollments.add(1, &[KeyValue::new("via", via)]);
            }
            Event::Grant(GrantEvent::TokensIssued { .. }) => token("authorization_code"),
            Event::Grant(GrantEvent::ClientTokensIssued { .. }) => token("client_credentials"),
            Event::Grant(GrantEvent::Refreshed { .. }) => token("refresh_token"),
            Event::Grant(GrantEvent::PkceFailed) => refusal("pkce_failed"),
            Event::Grant(GrantEvent::CodeReplayed) => refusal("code_replayed"),
            Event::Grant(GrantEvent::RefreshReuseDetected { .. }) => refusal("refresh_reused"),
            _ => {}
        }
    }
}
