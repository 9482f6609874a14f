//! `chancery doctor`: looks at what a deployment depends on, changes nothing, and says what to do.

use std::fmt;

use chancery_adapters::geo_locator::MaxmindGeoLocator;
use chancery_adapters::mailer::NotLetIn;
use chancery_adapters::postgres;
use chancery_adapters::vault::{Standing, Vault, VaultError};
use chancery_domain::ports::clock::Clock;
use chancery_domain::ports::geo_locator::GeoLocator as _;
use chancery_domain::secret::Secret;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::config::{Config, Listen, TrustProxy};
use crate::wiring::{self, BEHIND_A_POOLER, Ground};

/// What was found, one line each.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

#[derive(Debug)]
struct Finding {
    verdict: Verdict,
    part: &'static str,
    says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Mind,
    Bad,
}

/// Looks at everything that can be looked at; what depends on a part that is broken is left out.
pub async fn examine(config: &Config, ground: Option<&Ground>, clock: &dyn Clock) -> Findings {
    let mut findings = Findings::default();
    findings.settings(config);
    findings.proxy(config);
    if ground.is_none() {
        let says =
            "there is none yet, which the first start makes; one that serves elsewhere is in DATABASE_URL or DATA_DIR";
        findings.mind("database", says);
    }
    if let Some(ground) = ground {
        let pool = postgres::pool(ground.app.clone(), 1);
        match postgres::takes_search_path(&ground.app).await {
            Ok(false) => findings.bad("database", BEHIND_A_POOLER),
            // At once and by its name, where a pool would wait and say that it did.
            Err(error) => findings.no_answer(&error),
            Ok(true) if findings.database(&pool, clock).await => findings.keys(config, pool).await,
            Ok(true) => {}
        }
    }
    findings.mail(config).await;
    findings.places(config, clock.now());
    findings
}

impl Findings {
    pub fn any_bad(&self) -> bool {
        self.0.iter().any(|finding| finding.verdict == Verdict::Bad)
    }

    fn bad(&mut self, part: &'static str, says: impl Into<String>) {
        self.0.push(Finding { verdict: Verdict::Bad, part, says: says.into() });
    }

    fn mind(&mut self, part: &'static str, says: impl Into<String>) {
        self.0.push(Finding { verdict: Verdict::Mind, part, says: says.into() });
    }

    fn good(&mut self, part: &'static str, says: impl Into<String>) {
        self.0.push(Finding { verdict: Verdict::Good, part, says: says.into() });
    }

    /// What is wrong with them has stopped the command already.
    fn settings(&mut self, config: &Config) {
        for warning in &config.warnings {
            self.mind("settings", warning);
        }
        self.good("settings", format!("people reach it at {}", config.issuer()));
    }

    fn proxy(&mut self, config: &Config) {
        match (&config.trust_proxy, &config.listen) {
            (_, Listen::Unix { path, .. }) => {
                self.good("proxy", format!("whoever may open {} is trusted", path.display()));
            }
            (TrustProxy::Nobody, _) if config.app_url.scheme() == "https" => self.mind(
                "proxy",
                "nobody is trusted, so every visitor has the proxy's address: set TRUST_PROXY to that address",
            ),
            (TrustProxy::Nobody, _) => self.good("proxy", "there is none, and none is trusted"),
            (TrustProxy::Everybody, _) => {}
            (TrustProxy::These(ranges), _) => {
                let ranges: Vec<_> = ranges.iter().map(ToString::to_string).collect();
                let header = config.address_header.name();
                self.good("proxy", format!("{} may tell visitors' addresses in {header}", ranges.join(", ")));
            }
        }
    }

    fn no_answer(&mut self, error: &sqlx::Error) {
        self.bad("database", format!("it does not answer: {error}; check DATABASE_URL and its password"));
    }

    /// Whether it can be used.
    async fn database(&mut self, pool: &PgPool, clock: &dyn Clock) -> bool {
        let asked = clock.now();
        let about: Result<(i32, String, bool, OffsetDateTime), _> = sqlx::query_as(
            "SELECT current_setting('server_version_num')::int, current_user::text,
                    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), clock_timestamp()",
        )
        .fetch_one(pool)
        .await;
        let (version, role, is_superuser, database_time) = match about {
            Ok(about) => about,
            Err(error) => {
                self.no_answer(&error);
                return false;
            }
        };
        match version / 10_000 {
            major @ 15.. => self.good("database", format!("Postgres {major} answers {role}")),
            major => self.bad("database", format!("Postgres {major} is too old: 15 or newer is needed")),
        }
        self.clock((database_time - asked).abs());
        if let Err(error) = self.durability(pool).await.and(self.rights(pool, &role, is_superuser).await) {
            self.mind("database", format!("it has no schema yet, which the first start makes ({error})"));
            return false;
        }
        true
    }

    fn clock(&mut self, apart: Duration) {
        let seconds = apart.whole_seconds();
        match seconds {
            0..=2 => self.good("clock", "this machine and the database agree"),
            _ => self.bad("clock", format!("this machine and the database are {seconds} s apart: set up NTP on both")),
        }
    }

    async fn durability(&mut self, pool: &PgPool) -> sqlx::Result<()> {
        for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
            let value: String = sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(pool).await?;
            if value == "off" {
                self.bad("database", format!("{setting} is off: what is recorded may be lost; turn it on"));
            }
        }
        Ok(())
    }

    /// The role that serves can read the log and append to it, and no more.
    async fn rights(&mut self, pool: &PgPool, role: &str, is_superuser: bool) -> sqlx::Result<()> {
        let may = async |privilege: &str| -> sqlx::Result<bool> {
            sqlx::query_scalar("SELECT has_table_privilege('events', $1)").bind(privilege).fetch_one(pool).await
        };
        let (reads, appends) = (may("SELECT").await?, may("INSERT").await?);
        let changes = may("UPDATE").await? || may("DELETE").await? || may("TRUNCATE").await?;
        if !reads || !appends {
            self.bad(
                "rights",
                format!("{role} may not use the log: give the schema's owner in DATABASE_OWNER_URL, which grants it at a start"),
            );
        } else if is_superuser || changes {
            let says = "could change the log: let another role own the schema, and give it in DATABASE_OWNER_URL";
            self.mind("rights", format!("{role} {says}"));
        } else {
            self.good("rights", format!("{role} can read the log and append to it, and no more"));
        }
        Ok(())
    }

    async fn keys(&mut self, config: &Config, pool: PgPool) {
        let standing = match wiring::encryption_key(config) {
            Ok(key) => match self.standing(config, &pool, &key).await {
                Err(VaultError::Database(error)) => {
                    let says = "nothing can be said about them before the next start brings the schema up to date";
                    return self.mind("keys", format!("{says} ({error})"));
                }
                standing => standing.map_err(|error| format!("{error}; or restore ENCRYPTION_KEY from its backup")),
            },
            Err(error) => Err(format!("{error:#}")),
        };
        if let Err(error) = standing {
            return self.bad("keys", error);
        }
        let active = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM signing_keys WHERE status = 'active'");
        match active.fetch_one(&pool).await {
            Ok(0) | Err(_) => self.mind("keys", "there are no signing keys yet, which the first start makes"),
            Ok(count) => self.good("keys", format!("{count} signing keys are active")),
        }
    }

    /// Whether the encryption key opens this database, and how far a change of it has come.
    async fn standing(&mut self, config: &Config, pool: &PgPool, key: &Secret<Vec<u8>>) -> Result<(), VaultError> {
        let mut vault = Vault::new(pool.clone(), key)?;
        if let Some(previous) = &config.encryption_key_previous {
            vault = vault.with_previous(previous)?;
        }
        match vault.standing().await? {
            Standing::New => self.mind("keys", "none has been used yet; the first start notes which it is"),
            Standing::Settled { key, previous } => {
                let says = "opens this database; is a copy kept apart from its backups?";
                self.good("keys", format!("the encryption key {key} {says}"));
                if previous.is_some_and(|previous| previous != key) {
                    self.mind("keys", "nothing is left under the former one: remove ENCRYPTION_KEY_PREVIOUS");
                }
            }
            Standing::Waiting { key, in_use } => self.mind(
                "keys",
                format!(
                    "{in_use} is in use still: when all nodes hold {key} too, run `chancery encryption-key-rotate`"
                ),
            ),
            Standing::Rotating { key, replaces, remaining } => self.mind(
                "keys",
                format!(
                    "{key} is in use, but {remaining} keys are sealed under {replaces}: run \
                     `chancery encryption-key-rotate` to its end"
                ),
            ),
        }
        Ok(())
    }

    /// As far as a mail goes before it is one: name, connection, certificate, password.
    async fn mail(&mut self, config: &Config) {
        let (smtp, mailer) = match (&config.smtp, wiring::mailer(config)) {
            (Some(smtp), Ok(Some(mailer))) => (smtp, mailer),
            (_, Err(error)) => return self.bad("mail", format!("{error:#}")),
            _ => return self.mind("mail", "nobody is sent any: set SMTP_HOST and SMTP_FROM"),
        };
        let server = format!("{}:{}", smtp.host, smtp.port);
        match mailer.greet().await {
            Ok(()) => self.good("mail", format!("{server} lets us in; a test mail, under Mail, tells the rest")),
            Err(NotLetIn::Unknown(why)) => {
                self.bad("mail", format!("{server} does not let us in ({why}): check SMTP_USER and SMTP_PASSWORD"));
            }
            Err(NotLetIn::Broken(why)) => {
                let says = "check SMTP_HOST, SMTP_PORT and SMTP_TLS, and the firewall";
                self.bad("mail", format!("{server} cannot be used ({why}): {says}"));
            }
        }
    }

    fn places(&mut self, config: &Config, now: OffsetDateTime) {
        let Some(file) = &config.geolite_db_path else {
            return self.mind("places", "are not known: set MAXMIND_LICENSE_KEY, or GEOLITE_DB_PATH");
        };
        let locator = MaxmindGeoLocator::open(Some(file.clone()), Vec::new());
        match (locator.database(), &config.geo_download) {
            (Some(database), _) => {
                let days = (now - database.built_at).whole_days();
                let says = format!("by {}, {days} days old", database.kind);
                if days > 32 { self.mind("places", says) } else { self.good("places", says) }
            }
            (None, Some(_)) => {
                self.mind("places", "the database is not there yet; Diagnostics says how the download goes")
            }
            (None, None) => self.bad("places", format!("there is no database that can be read at {}", file.display())),
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { verdict, part, says } in &self.0 {
            let verdict = match verdict {
                Verdict::Good => "ok",
                Verdict::Mind => "mind",
                Verdict::Bad => "BAD",
            };
            writeln!(formatter, "{verdict:<5} {part:<9} {says}")?;
        }
        Ok(())
    }
}
