//! The service itself: from the first connection to the last answer.

use anyhow::Context as _;
use chancery_projections::users;
use time::Duration;

use crate::admin::static_api_key;
use crate::config::Config;
use crate::http::caller::Caller;
use crate::http::connections::Connections;
use crate::http::readiness::told_to_stop;
use crate::http::server;
use crate::telemetry::Telemetry;
use crate::{accounts, cli, router, telemetry, wiring};

/// How long requests in flight may take once the server stops: longer than any may take at all, but for a file that comes
/// slowly, since a peer may be slow to send or to read.
const DRAINING: std::time::Duration = std::time::Duration::from_secs(20);

/// Serves until it is told to stop, and has finished what it had begun.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn serve(config: Config, telemetry: &Telemetry) -> anyhow::Result<()> {
    if let (Some(registry), Some(address)) = (telemetry.scraped(), config.telemetry.prometheus.clone()) {
        telemetry::prometheus::serve(registry, address).await?;
    }
    let connections = Connections::listen(&config).await;
    let connections = connections.with_context(|| format!("{} cannot be listened on", config.listen))?;
    let (app, ground) = cli::start(config, telemetry).await?;
    wiring::start_mail(&app)?;
    static_api_key::settle(&app).await.map_err(|error| anyhow::anyhow!(error.message))?;
    tracing::info!(url = app.issuer, "ready");
    if !users::any(&app.pool).await? {
        let link = accounts::issue_setup_link(&app, &Caller::trusted(app.system()), Duration::DAY).await;
        let link = link.map_err(|error| anyhow::anyhow!(error.message))?;
        println!("\n  {} is ready at {}\n", app.config.app_name, app.issuer);
        println!("  Set it up: open this link and create the first administrator's passkey.\n\n  {}\n", link.url);
        println!("  It works once, for 24 hours. `chancery setup` prints a new one.\n");
    }
    // A private database serves one node: there is none to send anybody to.
    let delay = ground.embedded.as_ref().map_or(app.config.shutdown_delay, |_| std::time::Duration::ZERO);
    let stop = told_to_stop(app.clone(), delay)?;
    // systemd starts what waits for us.
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!(%error, "systemd could not be told that we are ready");
    }
    let (told, stopping) = tokio::sync::oneshot::channel();
    let stop = async move {
        stop.await;
        told.send(()).ok();
    };
    tokio::select! {
        () = server::serve(connections, router::router(app), stop) => {}
        () = too_long(stopping) => tracing::warn!("requests were still being answered when time was up"),
    }
    if let Some(embedded) = ground.embedded {
        embedded.stop().await?;
    }
    Ok(())
}

/// Resolves when those who were being answered have had their time.
async fn too_long(stopping: tokio::sync::oneshot::Receiver<()>) {
    drop(stopping.await);
    tokio::time::sleep(DRAINING).await;
}
