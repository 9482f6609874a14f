//! Puts the application together: the only place that names concrete adapters.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use chancery_adapters::attempts::Attempts;
use chancery_adapters::batched::Batched;
use chancery_adapters::clock::SystemClock;
use chancery_adapters::embedded_postgres::{EmbeddedPostgres, Settings};
use chancery_adapters::entropy::SystemEntropy;
use chancery_adapters::event_store::{EventStore, Heard, listen};
use chancery_adapters::geo_locator::MaxmindGeoLocator;
use chancery_adapters::geo_updates::{GeoUpdates, Source};
use chancery_adapters::mailer::{Sender, SmtpMailer, SmtpSettings};
use chancery_adapters::passkeys::WebauthnPasskeys;
use chancery_adapters::postgres::{self, Trust};
use chancery_adapters::short_lived::ShortLived;
use chancery_adapters::signing::Keyring;
use chancery_adapters::vault::Vault;
use chancery_domain::Recorded;
use chancery_domain::ports::clock::Clock;
use chancery_domain::ports::entropy::Entropy;
use chancery_domain::secret::Secret;
use chancery_projections::mails::Outbox;
use chancery_projections::memory::ViewMemory;
use chancery_projections::passkeys::ByCredential;
use chancery_projections::runner::Runner;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::Semaphore;

use crate::app::{App, Parts};
use crate::config::{Config, Database, Login, TOO_WEAK, is_weak};
use crate::http::failures::Failures;
use crate::http::key_uses::KeyUses;
use crate::http::readiness::Readiness;
use crate::limits::Limits;
use crate::telemetry::audit::AuditLog;
use crate::telemetry::figures::{self, Sources};
use crate::telemetry::requests::Requests;
use crate::user_agent::UserAgent;
use crate::{mail, signing_keys};

/// Connections for reading; appends have one of their own.
const READERS: u32 = 16;

/// The database that this process works on.
pub struct Ground {
    /// The role that owns the schema.
    pub owner: PgConnectOptions,
    /// The role that serves.
    pub app: PgConnectOptions,
    /// The role's name, if it needs to be granted its rights.
    app_role: Option<String>,
    /// Kept alive as long as the process: the server stops with it.
    pub embedded: Option<EmbeddedPostgres>,
}

/// What tests set in place of the real thing, and where this process tells of events.
#[derive(Default)]
pub struct Doubles {
    pub clock: Option<Arc<dyn Clock>>,
    pub entropy: Option<Arc<dyn Entropy>>,
    pub audit_log: AuditLog,
}

/// What is wrong, and what to do, where the database is not reached as it has to be.
pub const BEHIND_A_POOLER: &str = "DATABASE_URL leads to a pooler, such as PgBouncer, that passes no search_path on: give the \
                                   address of Postgres itself. Chancery has a pool of its own";

/// Finds or starts the database.
///
/// # Errors
/// What is missing, and what to do about it.
pub async fn ground(config: &Config) -> anyhow::Result<Ground> {
    match &config.database {
        Database::Embedded { data_dir, bin_dir } => {
            let settings = Settings { data_dir: data_dir.clone(), bin_dir: bin_dir.clone() };
            let embedded = EmbeddedPostgres::start(settings).await.context("the embedded Postgres did not start")?;
            Ok(Ground {
                owner: embedded.owner_options(),
                app: embedded.app_options(),
                app_role: Some(embedded.app_role().to_owned()),
                embedded: Some(embedded),
            })
        }
        Database::Server { app, owner } => {
            let app = options(app).context("DATABASE_URL is not a Postgres URL")?;
            let owner_options = owner.as_ref().map(options).transpose().context("DATABASE_OWNER_URL")?;
            let app_role = owner_options.as_ref().map(|_| app.get_username().to_owned());
            Ok(Ground { owner: owner_options.unwrap_or_else(|| app.clone()), app, app_role, embedded: None })
        }
    }
}

fn options(login: &Login) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = login.url.expose().parse()?;
    Ok(match &login.password {
        Some(password) => options.password(password.expose()),
        None => options,
    })
}

impl Ground {
    /// Brings the schema up to date and gives the serving role its rights.
    ///
    /// # Errors
    /// Those of the database, and that something between here and Postgres is in the way.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        for options in [&self.owner, &self.app] {
            if !postgres::takes_search_path(options).await.context("the database does not answer")? {
                anyhow::bail!(BEHIND_A_POOLER);
            }
        }
        postgres::migrate(&self.owner).await.context("the schema could not be brought up to date")?;
        if let Some(role) = &self.app_role {
            postgres::grant(&mut postgres::connect(&self.owner).await?, role).await?;
        }
        Ok(())
    }
}

/// The configured key; with the embedded database, the one in the data folder, made on the first start.
///
/// # Errors
/// If it can be neither read nor made.
pub fn encryption_key(config: &Config) -> anyhow::Result<Secret<Vec<u8>>> {
    if let Some(key) = &config.encryption_key {
        return Ok(key.clone());
    }
    let Database::Embedded { data_dir, .. } = &config.database else {
        anyhow::bail!("ENCRYPTION_KEY is required: make one with `openssl rand -base64 32` and keep it safe");
    };
    let path = data_dir.join("encryption_key");
    match std::fs::read(&path) {
        Ok(mut key) => {
            // As of a key from a file anywhere: without the newline that editors add.
            key.truncate(key.trim_ascii_end().len());
            anyhow::ensure!(!is_weak(&key), "the key in {} {TOO_WEAK}", path.display());
            return Ok(Secret::new(key));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).context(format!("{} cannot be read", path.display())),
    }
    // A data folder that has a database but lost its key must not get another one.
    if data_dir.join("postgres").exists() {
        anyhow::bail!(
            "{} is missing, though the database is there. Restore it from your backup, or set ENCRYPTION_KEY",
            path.display()
        );
    }
    let key = SystemEntropy.token();
    write_private(&path, key.expose().as_bytes()).context(format!("{} cannot be written", path.display()))?;
    tracing::warn!(path = %path.display(), "made an encryption key; back it up: without it the database cannot be read");
    Ok(Secret::new(key.expose().clone().into_bytes()))
}

/// Writes a file that only its owner can read, on disk before anything depends on it.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Builds the application on a prepared database and starts its background work.
///
/// # Errors
/// A wrong encryption key, or keys that do not open.
pub async fn application(
    config: Config,
    key: &Secret<Vec<u8>>,
    options: PgConnectOptions,
    doubles: Doubles,
) -> anyhow::Result<App> {
    let trust = Trust::default();
    let pool = trust.pool(options.clone(), READERS);
    let mut vault = Vault::new(pool.clone(), key)?;
    if let Some(previous) = &config.encryption_key_previous {
        vault = vault.with_previous(previous)?;
    }
    vault.check().await?;
    let store = EventStore::start(pool.clone(), options.clone(), vault, chancery_projections::transactional());
    let clock = doubles.clock.unwrap_or_else(|| Arc::new(SystemClock));
    let entropy = doubles.entropy.unwrap_or_else(|| Arc::new(SystemEntropy));
    let geo = Arc::new(MaxmindGeoLocator::open(config.geolite_db_path.clone(), config.local_ranges.clone()));
    tokio::spawn(geo.clone().watch());
    let geo_updates = geo_updates(&config, &geo, &clock, &entropy)?;
    let passkeys = WebauthnPasskeys::new(&config.app_url, &config.app_name)
        .context("passkeys cannot be used with this APP_URL")?;

    let options = options.application_name(&store.vault().node_label());
    let Heard { wakeups: remote, answers } = listen(options, store.horizon().clone(), trust);
    let memory = ViewMemory::new(pool.clone(), store.horizon().clone());
    figures::register(Sources { pool: pool.clone(), clock: clock.clone(), geo: geo.clone() });
    let audit_log = Arc::new(doubles.audit_log);
    let mut audit = None;
    for projection in chancery_projections::catch_up() {
        let is_history = projection.name() == "audit";
        let mut runner = Runner::new(pool.clone(), store.feed(), projection);
        if is_history {
            let audit_log = audit_log.clone();
            runner = runner.telling(Box::new(move |events: &[Recorded]| audit_log.tell(events)));
        }
        audit = Some(runner.position());
        tokio::spawn(runner.run(store.subscribe(), remote.clone()));
    }
    let app = App::new(Parts {
        issuer: config.issuer(),
        credentials: Batched::new(ByCredential(pool.clone())),
        short_lived: ShortLived::new(pool.clone()),
        keyring: Arc::new(Keyring::default()),
        passkeys: Arc::new(passkeys),
        failures: Failures::default(),
        key_uses: KeyUses::default(),
        readiness: Readiness::new(answers),
        limits: Limits::new(config.rate_limit_percent, Attempts::new(pool.clone())),
        requests: Requests::new(config.telemetry.counts(), config.app_url.scheme() == "https"),
        portraits: Semaphore::new(1),
        turn: Semaphore::new(1),
        audit: audit.context("there is no audit projection")?,
        clock,
        entropy,
        geo,
        geo_updates,
        store,
        pool,
        memory,
        config,
    });
    signing_keys::rotate(&app.store, &app.pool, &app.system(), app.now()).await?;
    signing_keys::load(&app.store, &app.pool, &app.keyring).await?;
    tokio::spawn(crate::background::run(app.clone(), remote));
    Ok(app)
}

/// Starts fetching the geo-location database, if there is something to fetch it from.
fn geo_updates(
    config: &Config,
    geo: &Arc<MaxmindGeoLocator>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<Option<Arc<GeoUpdates>>> {
    let (Some(download), Some(file)) = (&config.geo_download, &config.geolite_db_path) else { return Ok(None) };
    let source = Source::new(download.account_id.clone(), download.license_key.clone(), download.url.as_deref());
    let updates = GeoUpdates::new(source, file.clone(), geo.clone(), clock.clone(), entropy.clone());
    let updates = Arc::new(updates.context("the geo-location database cannot be downloaded")?);
    tokio::spawn(updates.clone().run());
    Ok(Some(updates))
}

/// Sends mail from this process, if there is a mail server; a command that ends soon does not.
///
/// # Errors
/// A certificate that cannot be read, or an address that is none.
pub fn start_mail(app: &App) -> anyhow::Result<()> {
    let (Some(smtp), Some(mailer)) = (&app.config.smtp, mailer(&app.config)?) else { return Ok(()) };
    let device = |agent: &str| UserAgent::read(agent).to_string();
    let outbox = Outbox::new(app.pool.clone(), app.store.feed(), device, smtp.tell_new_sign_ins);
    let queued = outbox.queued();
    tokio::spawn(outbox.run(app.audit.clone()));
    tokio::spawn(mail::sender::Sender::new(app.clone(), mailer, smtp.hourly).run(queued));
    Ok(())
}

/// What talks to the mail server, if there is one.
///
/// # Errors
/// A certificate that cannot be read, or an address that is none.
pub fn mailer(config: &Config) -> anyhow::Result<Option<SmtpMailer>> {
    let Some(smtp) = config.smtp.clone() else { return Ok(None) };
    let (user, password) = smtp.credentials.unzip();
    let trusted = smtp.ca_certificate.as_ref().map(std::fs::read).transpose();
    let mailer = SmtpMailer::new(SmtpSettings {
        host: smtp.host,
        port: smtp.port,
        security: smtp.security,
        user,
        password,
        trusted: trusted.context("SMTP_CA_CERTIFICATE cannot be read")?,
        from: Sender { name: config.app_name.clone(), address: smtp.from },
        own_host: config.app_url.host_str().unwrap_or("localhost").to_owned(),
    })?;
    Ok(Some(mailer))
}
