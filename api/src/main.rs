//! The `chancery` binary.

use chancery_api::cli::{self, Cli};
use clap::Parser;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match cli::run(Cli::parse()).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chancery: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
