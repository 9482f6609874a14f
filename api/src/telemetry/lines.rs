//! Log lines: as text, JSON or logfmt; one event a line, whatever it holds.
//!
//! Keys come in a fixed order, what an event says first right after its message, and values that could be taken for
//! more than one are quoted and escaped: programs that watch the log for addresses match from the line's beginning
//! and cannot be led astray by what a visitor sent (attacks IN-03).

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;

/// What a line takes over from the spans it is in: enough to find everything else.
const OF_SPANS: &[&str] = &["request_id", "trace_id"];

/// Writes lines in one format.
pub struct Lines {
    format: LogFormat,
}

impl Lines {
    pub fn new(format: LogFormat) -> Self {
        Self { format }
    }

    fn pair(&self, writer: &mut Writer<'_>, name: &str, value: &Value) -> fmt::Result {
        match (self.format, value) {
            (LogFormat::Json, Value::Plain(text)) => write!(writer, ",\"{name}\":{text}"),
            (LogFormat::Json, Value::Text(text)) => write!(writer, ",\"{name}\":{}", Quoted(text)),
            (_, Value::Plain(text)) => write!(writer, " {name}={text}"),
            (_, Value::Text(text)) if is_plain(text) => write!(writer, " {name}={text}"),
            (_, Value::Text(text)) => write!(writer, " {name}={}", Quoted(text)),
        }
    }

    fn head(&self, writer: &mut Writer<'_>, level: Level, target: &str, message: &str) -> fmt::Result {
        let mut now = String::new();
        SystemTime.format_time(&mut Writer::new(&mut now))?;
        match self.format {
            LogFormat::Json => write!(
                writer,
                "{{\"timestamp\":\"{now}\",\"level\":\"{level}\",\"target\":{},\"message\":{}",
                Quoted(target),
                Quoted(message)
            ),
            LogFormat::Logfmt => {
                let level = level.as_str().to_ascii_lowercase();
                write!(writer, "ts={now} level={level} target={target} msg={}", Quoted(message))
            }
            LogFormat::Text => {
                write!(writer, "{now} ")?;
                match color(level).filter(|_| writer.has_ansi_escapes()) {
                    Some(color) => write!(writer, "\x1b[{color}m{level:>5}\x1b[0m ")?,
                    None => write!(writer, "{level:>5} ")?,
                }
                if !target.starts_with("chancery") {
                    write!(writer, "{target}: ")?;
                }
                write!(writer, "{}", Escaped(message))
            }
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        let message = said.message.as_deref().unwrap_or(metadata.name());
        self.head(&mut writer, *metadata.level(), metadata.target(), message)?;
        for (name, value) in &said.pairs {
            self.pair(&mut writer, name, value)?;
        }
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                write!(writer, "{fields}")?;
            }
        }
        writer.write_str(if self.format == LogFormat::Json { "}\n" } else { "\n" })
    }
}

impl<'w> FormatFields<'w> for Lines {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut said = Said { of_span: true, ..Said::default() };
        fields.record(&mut said);
        said.pairs.iter().try_for_each(|(name, value)| self.pair(&mut writer, name, value))
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &tracing::span::Record<'_>) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

fn color(level: Level) -> Option<u8> {
    match level {
        Level::ERROR => Some(31),
        Level::WARN => Some(33),
        Level::INFO => Some(32),
        _ => None,
    }
}

/// What an event or span says, in order.
#[derive(Default)]
struct Said {
    /// Of spans, only what lines take over is worth the work.
    of_span: bool,
    message: Option<String>,
    pairs: Vec<(&'static str, Value)>,
}

enum Value {
    /// Numbers and truth values.
    Plain(String),
    Text(String),
}

impl Said {
    fn take(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        let name = field.name();
        if self.of_span && !OF_SPANS.contains(&name) {
            return;
        }
        match (name, value()) {
            ("message", Value::Plain(text) | Value::Text(text)) => self.message = Some(text),
            (name, value) => self.pairs.push((name, value)),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, || Value::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, || Value::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, || Value::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, || Value::Plain(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, || Value::Plain(value.to_string()));
    }
}

/// Nothing in it ends a value or a line.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'))
}

/// A JSON string (RFC 8259 §7), which logfmt reads as well.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped(self.0))
    }
}

/// Text without anything that a terminal or a reader of lines would act on.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                // Control characters, line and paragraph separators, and what turns the direction of writing.
                c if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                    write!(f, "\\u{:04x}", u32::from(c))?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
