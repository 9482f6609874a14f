//! The `chancery` binary.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chancery_api::cli::main().await
}
