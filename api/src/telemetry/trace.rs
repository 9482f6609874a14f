//! W3C Trace Context: <https://www.w3.org/TR/trace-context/>.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::{Event, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// §3.2: version 00, trace id and parent id not all zero; lower case only.
pub fn parse(traceparent: &str) -> Option<SpanContext> {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let ["00", trace, parent, flags] = parts.as_slice() else { return None };
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !(hex(trace, 32) && hex(parent, 16) && hex(flags, 2)) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, parent) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(parent).ok()?);
    Some(SpanContext::new(trace, parent, flags, true, TraceState::default())).filter(SpanContext::is_valid)
}

/// §3.2.2: the header's text.
pub fn format(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// The place of a span in its trace, if traces are exported.
pub fn of(span: &Span) -> Option<SpanContext> {
    let context = span.context().span().span_context().clone();
    Some(context).filter(SpanContext::is_valid)
}

/// What this layer makes of events has its place in the trace of the span they happen in.
pub(super) struct InTrace<L>(pub(super) L);

impl<S: Subscriber, L: Layer<S>> Layer<S> for InTrace<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let _current = Span::current().context().attach();
        self.0.on_event(event, context);
    }
}
