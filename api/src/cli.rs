//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use chancery_adapters::clock::SystemClock;
use chancery_adapters::postgres;
use chancery_domain::actor::Actor;
use chancery_domain::context::Context;
use chancery_domain::signing_algorithm::SigningAlgorithm;
use chancery_projections::users;
use chancery_projections::{rebuild, transactional};
use clap::{Parser, Subcommand};
use time::Duration;

use crate::app::App;
use crate::config::{Config, Database, settings_table};
use crate::http::caller::Caller;
use crate::telemetry::Telemetry;
use crate::wiring::{self, Doubles, Ground};
use crate::{accounts, client_file, doctor, encryption_key, healthcheck, serve, signing_keys, telemetry};

/// A passkey-only OpenID Connect provider whose every act is an event on a provable record.
#[derive(Parser)]
#[command(name = "chancery", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Print a new link by which the first administrator sets the instance up.
    Setup,
    /// Print an enrollment link for a person, by username or e-mail address.
    OneTimeAccessToken {
        user: String,
        /// All other passkeys, sessions and API keys of the person end when the link is used.
        #[arg(long)]
        replace: bool,
    },
    /// Register the apps of a JSON file, or bring them up to date; their form is that of the API.
    ImportClients { file: PathBuf },
    /// Rebuild every view from the log and compare it with the live one.
    Rebuild {
        /// Put the rebuilt views in the place of the live ones.
        #[arg(long)]
        swap: bool,
    },
    /// Seal everything under ENCRYPTION_KEY that is still sealed under ENCRYPTION_KEY_PREVIOUS, while nodes run with both.
    EncryptionKeyRotate,
    /// Let other keys sign tokens at once; what those before them signed still counts.
    KeyRotate {
        /// RS256, ES256 or EdDSA; without it, each of them.
        #[arg(long)]
        algorithm: Option<SigningAlgorithm>,
        /// The keys got out: remove them, so that nothing they signed counts any more.
        #[arg(long)]
        withdraw: bool,
    },
    /// End all sessions, everything that was granted to apps, and every enrollment link: after a restore, or if secrets got
    /// out.
    SignOutEverybody,
    /// Ask the running server whether it is well.
    Healthcheck,
    /// Look at settings, database, clock, proxy, keys, mail and places, and say what to do. Changes nothing.
    Doctor,
    /// Print the table of settings as Markdown.
    Settings,
}

impl Command {
    /// Whether it makes no sense where there is no database yet.
    fn is_about_what_is_there(&self) -> bool {
        match self {
            Self::OneTimeAccessToken { .. }
            | Self::Rebuild { .. }
            | Self::EncryptionKeyRotate
            | Self::KeyRotate { .. }
            | Self::SignOutEverybody => true,
            Self::Serve
            | Self::Setup
            | Self::ImportClients { .. }
            | Self::Healthcheck
            | Self::Doctor
            | Self::Settings => false,
        }
    }
}

/// Runs what the command line asks for and says what went wrong.
pub async fn main() -> ExitCode {
    small_pages();
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chancery: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, but for those that it has told already.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        _ if told.ends_with(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

/// The kernel would back each corner of the heap that is touched by a page of 2 MiB: of 44 MiB idle, that was 20.
#[cfg(target_os = "linux")]
fn small_pages() {
    // Where it is not allowed, memory is what it was.
    rustix::thread::disable_transparent_huge_pages(true).ok();
}

#[cfg(not(target_os = "linux"))]
fn small_pages() {}

async fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(Command::Settings) = cli.command {
        print!("{}", settings_table());
        return Ok(());
    }
    let config = Config::from_env()?;
    // What only looks tells nothing.
    let tells = !matches!(cli.command, Some(Command::Healthcheck));
    let telemetry = telemetry::start(&config, tells)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let command = cli.command.unwrap_or(Command::Serve);
    if command.is_about_what_is_there() {
        existing(&config)?;
    }
    let result = match command {
        Command::Serve => serve::serve(config, &telemetry).await,
        Command::Setup => setup(config, &telemetry).await,
        Command::OneTimeAccessToken { user, replace } => {
            one_time_access_token(config, &telemetry, &user, replace).await
        }
        Command::ImportClients { file } => import_clients(config, &telemetry, &file).await,
        Command::Rebuild { swap } => rebuild_views(config, &telemetry, swap).await,
        Command::EncryptionKeyRotate => encryption_key_rotate(config, &telemetry).await,
        Command::KeyRotate { algorithm, withdraw } => key_rotate(config, &telemetry, algorithm, withdraw).await,
        Command::SignOutEverybody => sign_out_everybody(config, &telemetry).await,
        Command::Healthcheck => healthcheck::healthcheck(&config).await,
        Command::Doctor => doctor(config).await,
        Command::Settings => Ok(()),
    };
    telemetry.stop().await;
    result
}

/// The folder in which the embedded database is still to be made.
fn unmade(config: &Config) -> Option<&Path> {
    match &config.database {
        Database::Embedded { data_dir, .. } if !data_dir.join("postgres").exists() => Some(data_dir),
        Database::Embedded { .. } | Database::Server { .. } => None,
    }
}

/// Whoever gives a command without the server's settings must not get another, empty instance.
fn existing(config: &Config) -> anyhow::Result<()> {
    if let Some(folder) = unmade(config) {
        let folder = std::path::absolute(folder)?;
        bail!("there is no database in {}: give DATABASE_URL or DATA_DIR as the server has it", folder.display());
    }
    Ok(())
}

/// Everything that the server and the operator's commands work with.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn start(config: Config, telemetry: &Telemetry) -> anyhow::Result<(App, Ground)> {
    let key = wiring::encryption_key(&config)?;
    let ground = wiring::ground(&config).await?;
    ground.prepare().await?;
    let doubles = Doubles { audit_log: telemetry.audit_log(), ..Doubles::default() };
    let app = wiring::application(config, &key, ground.app.clone(), doubles).await?;
    Ok((app, ground))
}

fn operator(app: &App) -> Context {
    Context::internal(Actor::Operator, app.entropy.uuid_v4())
}

async fn setup(config: Config, telemetry: &Telemetry) -> anyhow::Result<()> {
    let (app, ground) = start(config, telemetry).await?;
    if users::any(&app.pool).await? {
        bail!("this instance has been set up; use `chancery one-time-access-token <user>` to let somebody in");
    }
    let link = accounts::issue_setup_link(&app, &Caller::trusted(operator(&app)), Duration::DAY).await;
    println!("{}", link.map_err(|error| anyhow::anyhow!(error.message))?.url);
    stop(ground).await
}

async fn one_time_access_token(config: Config, telemetry: &Telemetry, user: &str, replace: bool) -> anyhow::Result<()> {
    let (app, ground) = start(config, telemetry).await?;
    let found = users::find_by_name(&app.pool, user).await?;
    let found =
        found.with_context(|| format!("{user} is the username or e-mail address of nobody, or of two people"))?;
    let link = accounts::issue_link(&app, &Caller::trusted(operator(&app)), &found, Duration::HOUR, replace).await;
    println!("{}", link.map_err(|error| anyhow::anyhow!(error.message))?.url);
    stop(ground).await
}

async fn import_clients(config: Config, telemetry: &Telemetry, file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let (app, ground) = start(config, telemetry).await?;
    for (id, outcome) in client_file::import(&app, &operator(&app), &text).await? {
        println!("{id}: {}", format!("{outcome:?}").to_lowercase());
    }
    stop(ground).await
}

async fn rebuild_views(config: Config, telemetry: &Telemetry, swap: bool) -> anyhow::Result<()> {
    let (app, ground) = start(config, telemetry).await?;
    let mut connection = postgres::connect(&ground.owner).await?;
    let mut shown = 0;
    let report = rebuild::rebuild(
        &mut connection,
        &app.store.feed(),
        &transactional_with_claims(&app),
        &chancery_projections::catch_up(),
        swap,
        |position, head| {
            let percent = position * 100 / head.max(1);
            if percent >= shown + 5 {
                shown = percent;
                eprintln!("{percent:>3} %  {position} of {head} events");
            }
        },
    )
    .await?;
    if swap {
        ground.prepare().await?;
    }
    for table in &report.tables {
        let verdict = if table.differing == 0 { "equal".to_owned() } else { format!("{} differ", table.differing) };
        println!("{:<20} {:>10} rows  {verdict}", table.table, table.rows);
    }
    stop(ground).await?;
    let position = report.position;
    match (report.equal(), swap) {
        (true, _) => println!("All views equal a replay of {position} events."),
        (false, true) => {
            println!("The views differed from the log at position {position}; rebuilt ones are in their place.")
        }
        (false, false) => bail!(
            "the views differ from the log at position {position}; `chancery rebuild --swap` puts rebuilt ones in their place"
        ),
    }
    Ok(())
}

async fn encryption_key_rotate(config: Config, telemetry: &Telemetry) -> anyhow::Result<()> {
    let (app, ground) = start(config, telemetry).await?;
    let mut lock = postgres::connect(&ground.app).await?;
    let mut next = 0;
    let progress = |done: i64, total: i64| {
        let percent = done * 100 / total.max(1);
        if percent >= next {
            next = percent + 5;
            eprintln!("{percent:>3} %  {done} of {total} keys are sealed anew");
        }
    };
    match encryption_key::rotate(&app.store, &mut lock, &operator(&app), app.now(), progress).await? {
        Some(rotation) => {
            println!("0 keys remain under the encryption key {}.", rotation.replaces);
            println!(
                "Everything is sealed under {}: remove ENCRYPTION_KEY_PREVIOUS and restart the nodes.",
                rotation.key
            );
            println!("Keep the former key for as long as you keep backups from before.");
        }
        None => println!("0 keys remain to be sealed anew: ENCRYPTION_KEY is in use, and no other."),
    }
    stop(ground).await
}

async fn key_rotate(
    config: Config,
    telemetry: &Telemetry,
    algorithm: Option<SigningAlgorithm>,
    withdraw: bool,
) -> anyhow::Result<()> {
    let (app, ground) = start(config, telemetry).await?;
    let algorithms = algorithm.map_or(SigningAlgorithm::ALL.to_vec(), |algorithm| vec![algorithm]);
    for key in signing_keys::replace(&app.store, &app.pool, &operator(&app), &algorithms, withdraw, app.now()).await? {
        println!("{key}");
    }
    stop(ground).await
}

async fn sign_out_everybody(config: Config, telemetry: &Telemetry) -> anyhow::Result<()> {
    let (app, ground) = start(config, telemetry).await?;
    let ended = accounts::sign_out_everybody(&app, &Caller::trusted(operator(&app))).await;
    let (people, links) = ended.map_err(|error| anyhow::anyhow!(error.message))?;
    println!("{people} people are signed out, with what apps had of them; {links} enrollment links are revoked.");
    stop(ground).await
}

/// The views of the append's transaction, as the writer runs them.
fn transactional_with_claims(app: &App) -> Vec<std::sync::Arc<dyn chancery_adapters::event_store::Projection>> {
    let claims = chancery_adapters::event_store::Claims::new(app.store.vault().clone());
    let mut projections: Vec<std::sync::Arc<dyn chancery_adapters::event_store::Projection>> =
        vec![std::sync::Arc::new(claims)];
    projections.extend(transactional());
    projections
}

async fn doctor(config: Config) -> anyhow::Result<()> {
    let ground = if unmade(&config).is_some() { None } else { Some(wiring::ground(&config).await?) };
    let findings = doctor::examine(&config, ground.as_ref(), &SystemClock).await;
    print!("{findings}");
    if let Some(ground) = ground {
        stop(ground).await?;
    }
    if findings.any_bad() {
        bail!("something has to be done: see the lines that begin with BAD");
    }
    Ok(())
}

async fn stop(ground: Ground) -> anyhow::Result<()> {
    if let Some(embedded) = ground.embedded {
        embedded.stop().await?;
    }
    Ok(())
}
