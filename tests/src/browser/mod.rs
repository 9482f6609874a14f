//! Real Chromium over the DevTools protocol: one browser for the tests that run, a context and an authenticator for each.

mod connection;
mod page;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use connection::Connection;
pub use page::{Authenticator, Page};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The connection outlives the test that opened it, and with it its runtime.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static RUNNING: Mutex<Weak<Browser>> = Mutex::const_new(Weak::new());

/// A running Chromium; it ends with the last test that has it.
pub struct Browser {
    connection: Arc<Connection>,
    _process: Child,
    profile: PathBuf,
}

impl Browser {
    /// The browser that runs, or a new one.
    pub async fn launch() -> Arc<Self> {
        let mut running = RUNNING.lock().await;
        if let Some(browser) = running.upgrade() {
            return browser;
        }
        let browser = Arc::new(RUNTIME.spawn(Self::start()).await.unwrap());
        *running = Arc::downgrade(&browser);
        browser
    }

    async fn start() -> Self {
        let profile = std::env::temp_dir().join(format!("chancery-browser-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&profile).unwrap();
        let program = ["chromium", "google-chrome", "chromium-browser"].into_iter().find(|name| on_path(name));
        let mut command = Command::new(program.expect("Chromium is installed by `make test`"));
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--remote-debugging-port=0", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let process = command.spawn().unwrap();
        let url = endpoint(&profile).await;
        let connection = Connection::open(&url).await;
        Self { connection, _process: process, profile }
    }

    /// A page in a context of its own: no cookie, no passkey of another test.
    pub async fn page(self: &Arc<Self>) -> Page {
        let context = self.connection.call(None, "Target.createBrowserContext", json!({})).await;
        let context = context["browserContextId"].as_str().unwrap().to_owned();
        let target = json!({ "url": "about:blank", "browserContextId": context });
        let target = self.connection.call(None, "Target.createTarget", target).await["targetId"].clone();
        let attach = json!({ "targetId": target, "flatten": true });
        let session = self.connection.call(None, "Target.attachToTarget", attach).await["sessionId"].clone();
        Page::new(self.clone(), context, session.as_str().unwrap().to_owned()).await
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.profile).unwrap_or_default();
    }
}

fn on_path(name: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).is_file())
}

/// Chromium writes the port and path of its endpoint into its profile.
async fn endpoint(profile: &Path) -> String {
    let file = profile.join("DevToolsActivePort");
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = std::fs::read_to_string(&file)
            && let Some((port, path)) = text.split_once('\n')
        {
            return format!("ws://127.0.0.1:{port}{path}");
        }
        assert!(Instant::now() < deadline, "Chromium did not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
