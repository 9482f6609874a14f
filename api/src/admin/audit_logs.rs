//! `/api/audit-logs`: the history.

use axum::Router;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new()
}

/// RFC 3339, as all times of the API.
pub fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}
