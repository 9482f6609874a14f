//! `/api/version`: tools written for Pocket ID ask for its version before anything else. The answer names the release
//! whose API this is.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::App;
use crate::http::principal::Principal;

/// Pocket ID's release whose paths, members and codes the API follows.
const COMPATIBLE_WITH: &str = "2.14.0";

pub fn routes() -> Router<App> {
    Router::new().route("/api/version/current", get(current)).route("/api/version/latest", get(latest))
}

async fn current(_: Principal) -> Json<Value> {
    Json(json!({ "currentVersion": COMPATIBLE_WITH, "chanceryVersion": env!("CARGO_PKG_VERSION") }))
}

/// Nobody is asked: this is what Pocket ID says where looking for a newer version is switched off.
async fn latest() -> Json<Value> {
    Json(json!({ "latestVersion": "" }))
}
