//! A page as a person uses it: go, look, fill in, press; and the virtual authenticator beside it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Browser, PATIENCE};

/// How long one look at a page may take.
const GLANCE: Duration = Duration::from_secs(1);

/// A tab in a context of its own.
pub struct Page {
    browser: Arc<Browser>,
    context: String,
    session: String,
    complaints: Arc<Mutex<Vec<String>>>,
}

/// A virtual authenticator of a page.
pub struct Authenticator<'a> {
    page: &'a Page,
    id: String,
}

impl Page {
    pub(super) async fn new(browser: Arc<Browser>, context: String, session: String) -> Self {
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let (mut events, own, heard) = (browser.connection().events(), session.clone(), complaints.clone());
        tokio::spawn(async move {
            while let Ok(event) = events.recv().await {
                if event["sessionId"] != own.as_str() {
                    continue;
                }
                let complaint = match event["method"].as_str() {
                    Some("Runtime.exceptionThrown") => event["params"]["exceptionDetails"].to_string(),
                    Some("Log.entryAdded") if event["params"]["entry"]["source"] == "security" => {
                        event["params"]["entry"]["text"].to_string()
                    }
                    _ => continue,
                };
                heard.lock().unwrap().push(complaint);
            }
        });
        let page = Self { browser, context, session, complaints };
        for domain in ["Page", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        page.call("WebAuthn.enable", json!({ "enableUI": false })).await;
        page
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        self.browser.connection().call(Some(&self.session), method, params).await
    }

    pub async fn goto(&self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        self.until("the page to load", "document.readyState === 'complete' && location.href !== 'about:blank'").await;
    }

    /// The value of an expression in the page.
    pub async fn eval(&self, expression: &str) -> Value {
        self.try_eval(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    async fn try_eval(&self, expression: &str) -> Result<Value, String> {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let answer = self.browser.connection().attempt(Some(&self.session), "Runtime.evaluate", params).await?;
        match answer.get("exceptionDetails") {
            Some(exception) => Err(exception.to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true; a page that is on its way elsewhere counts as not yet.
    pub async fn until(&self, what: &str, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        // An answer may be lost with the page that should have given it.
        while timeout(GLANCE, self.try_eval(expression)).await != Ok(Ok(json!(true))) {
            if Instant::now() > deadline {
                let shown = self.try_eval("location.href + '\\n' + document.body.innerText").await;
                panic!("waited in vain for {what} at {}", shown.unwrap_or_default().as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn wait_for(&self, selector: &str) {
        self.until(selector, &format!("document.querySelector({}) !== null", json!(selector))).await;
    }

    /// Waits until the address has this path.
    pub async fn wait_for_path(&self, path: &str) {
        self.until(path, &format!("location.pathname === {} && document.readyState === 'complete'", json!(path))).await;
    }

    pub async fn click(&self, selector: &str) {
        self.wait_for(selector).await;
        self.eval(&format!("document.querySelector({}).click()", json!(selector))).await;
    }

    pub async fn fill(&self, selector: &str, text: &str) {
        self.wait_for(selector).await;
        self.eval(&format!("document.querySelector({}).value = {}", json!(selector), json!(text))).await;
    }

    /// Chooses a file of this machine, as the window that the browser opens for it would.
    pub async fn choose_file(&self, selector: &str, path: &Path) {
        self.wait_for(selector).await;
        let root = self.call("DOM.getDocument", json!({})).await;
        let params = json!({ "nodeId": root["root"]["nodeId"], "selector": selector });
        let found = self.call("DOM.querySelector", params).await;
        self.call("DOM.setFileInputFiles", json!({ "nodeId": found["nodeId"], "files": [path] })).await;
    }

    /// Presses a key, `Tab` or `Enter`, wherever the focus is.
    pub async fn press(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            _ => (9, ""),
        };
        let down = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        self.call("Input.dispatchKeyEvent", down).await;
        let up = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", up).await;
    }

    /// Presses `Tab` until an element has the focus, as somebody without a mouse does.
    pub async fn tab_to(&self, selector: &str) {
        for _ in 0..100 {
            self.press("Tab").await;
            if self.eval(&format!("document.activeElement.matches({})", json!(selector))).await == json!(true) {
                return;
            }
        }
        panic!("the focus never comes to {selector}");
    }

    pub async fn text(&self, selector: &str) -> String {
        self.wait_for(selector).await;
        let text = self.eval(&format!("document.querySelector({}).innerText", json!(selector))).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    pub async fn url(&self) -> String {
        self.eval("location.href").await.as_str().unwrap_or_default().to_owned()
    }

    /// Adds a virtual authenticator: built in, with user verification, answering by itself.
    pub async fn add_authenticator(&self, more: Value) -> Authenticator<'_> {
        let mut options = json!({
            "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true
        });
        for (name, value) in more.as_object().unwrap() {
            options[name] = value.clone();
        }
        let made = self.call("WebAuthn.addVirtualAuthenticator", json!({ "options": options })).await;
        Authenticator { page: self, id: made["authenticatorId"].as_str().unwrap().to_owned() }
    }

    /// Puts cookies into the context, as if the server had set them.
    pub async fn set_cookies(&self, origin: &str, cookies: &std::collections::BTreeMap<String, String>) {
        for (name, value) in cookies {
            let cookie = json!({
                "name": name, "value": value, "url": origin, "path": "/", "secure": true, "httpOnly": true,
                "sameSite": "Lax"
            });
            self.call("Network.setCookie", cookie).await;
        }
    }

    /// A phone (390 wide) or a desktop, light or dark.
    pub async fn look(&self, width: u32, height: u32, dark: bool) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if dark { "dark" } else { "light" };
        // Colors must not be read in the middle of a transition.
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    pub async fn screenshot(&self, path: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        std::fs::write(path, STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// Exceptions and violations of the content security policy so far.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap().clone()
    }

    /// What axe-core finds wrong for people with disabilities: the rules' names and the elements.
    pub async fn axe(&self) -> Vec<String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/node_modules/axe-core/axe.min.js");
        let source = std::fs::read_to_string(&source).expect("axe-core is installed by `make test`");
        self.eval(&format!("{source}; true")).await;
        let run = "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | ')))";
        let found = self.eval(run).await;
        found.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let context = json!({ "browserContextId": self.context });
        self.browser.connection().tell("Target.disposeBrowserContext", context);
    }
}

impl Authenticator<'_> {
    async fn call(&self, method: &str, mut params: Value) -> Value {
        params["authenticatorId"] = json!(self.id);
        self.page.call(method, params).await
    }

    pub async fn credentials(&self) -> Vec<Value> {
        let held = self.call("WebAuthn.getCredentials", json!({})).await;
        held["credentials"].as_array().cloned().unwrap_or_default()
    }

    pub async fn add(&self, credential: &Value) {
        self.call("WebAuthn.addCredential", json!({ "credential": credential })).await;
    }

    pub async fn clear(&self) {
        self.call("WebAuthn.clearCredentials", json!({})).await;
    }

    /// Whether somebody touches it.
    pub async fn set_presence(&self, enabled: bool) {
        self.call("WebAuthn.setAutomaticPresenceSimulation", json!({ "enabled": enabled })).await;
    }

    pub async fn set_user_verified(&self, verified: bool) {
        self.call("WebAuthn.setUserVerified", json!({ "isUserVerified": verified })).await;
    }

    pub async fn remove(self) {
        self.call("WebAuthn.removeVirtualAuthenticator", json!({})).await;
    }
}
