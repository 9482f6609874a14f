//! The server as a process of its own, for tests that kill it.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chancery_api::cli::main().await
}
