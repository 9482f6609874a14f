//! The DevTools protocol over a WebSocket: calls with answers, and events as they come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

pub(crate) struct Connection {
    outgoing: mpsc::UnboundedSender<String>,
    waiting: Waiting,
    events: broadcast::Sender<Value>,
    next: AtomicU64,
}

impl Connection {
    pub async fn open(url: &str) -> Arc<Self> {
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let (mut writer, mut reader) = socket.split();
        let (outgoing, mut to_send) = mpsc::unbounded_channel::<String>();
        let waiting: Waiting = Waiting::default();
        let (events, _) = broadcast::channel(4_096);
        tokio::spawn(async move {
            while let Some(text) = to_send.recv().await {
                if writer.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
        });
        let (answers, told) = (waiting.clone(), events.clone());
        tokio::spawn(async move {
            while let Some(Ok(message)) = reader.next().await {
                let Ok(text) = message.to_text() else { continue };
                let Ok(value) = serde_json::from_str::<Value>(text) else { continue };
                match value["id"].as_u64() {
                    Some(id) => {
                        if let Some(answer) = answers.lock().unwrap().remove(&id) {
                            answer.send(value).unwrap_or_default();
                        }
                    }
                    None => drop(told.send(value)),
                }
            }
        });
        Arc::new(Self { outgoing, waiting, events, next: AtomicU64::new(1) })
    }

    /// Calls a method, and panics with what Chromium says if it fails.
    pub async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.attempt(session, method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub async fn attempt(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, sender);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.outgoing.send(message.to_string()).map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(super::PATIENCE, answer).await;
        let mut answer = answer.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Calls a method and does not wait for what comes of it.
    pub fn tell(&self, method: &str, params: Value) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let message = json!({ "id": id, "method": method, "params": params });
        drop(self.outgoing.send(message.to_string()));
    }

    pub fn events(&self) -> broadcast::Receiver<Value> {
        self.events.subscribe()
    }
}
