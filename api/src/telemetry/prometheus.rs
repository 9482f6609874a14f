//! `/metrics` for Prometheus, on a listener of its own: the public one has no such route (attacks AD-13).

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;

/// Opens the listener and answers there until the process ends.
///
/// # Errors
/// An address that cannot be listened on.
pub async fn serve(registry: Registry, address: (String, u16)) -> anyhow::Result<()> {
    let (host, port) = address;
    let listener = TcpListener::bind((host.as_str(), port)).await.with_context(|| {
        format!(
            "{host}:{port} cannot be listened on; set OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT"
        )
    })?;
    let routes = Router::new().route("/metrics", get(metrics)).with_state(registry);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "the listener for Prometheus ended");
        }
    });
    Ok(())
}

/// The text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
async fn metrics(State(registry): State<Registry>) -> Response {
    // Gauges look their figures up and wait for them, which must not hold up a worker.
    let gathered = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).map(|()| text)
    });
    match gathered.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
