//! The running server: a thread starts it, passes its log on, waits for it, and starts it again if it dies.
//!
//! A thread of its own, since the death signal of [`child`](super::child) follows the thread that spawned the process:
//! a runtime's worker may end long before us.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::watch;

use super::EmbeddedError;
use super::cluster::Launch;

pub struct Server {
    shared: Arc<Shared>,
    /// Why the thread gave up; empty after a stop. Closed with the thread.
    ended: watch::Receiver<Option<String>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    run: Mutex<Run>,
    changed: Condvar,
}

/// Guarded together, so that no signal goes to a pid that has been reaped.
#[derive(Default)]
struct Run {
    pid: Option<Pid>,
    stopping: bool,
    /// Once it has served, it is started again for as long as we live.
    was_ready: bool,
}

impl Server {
    pub fn start(launch: Launch) -> Result<Self, EmbeddedError> {
        let shared = Arc::new(Shared::default());
        let (tell, ended) = watch::channel(None);
        let supervised = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("pg-supervisor".to_owned())
            .spawn(move || {
                let why = supervised.supervise(&launch);
                tell.send_replace(Some(why));
            })
            .map_err(EmbeddedError::Spawn)?;
        Ok(Self { shared, ended, thread: Some(thread) })
    }

    /// Runs `work`, unless the server ends for good before.
    pub async fn unless_it_ends<T>(
        &self,
        work: impl Future<Output = Result<T, EmbeddedError>>,
    ) -> Result<T, EmbeddedError> {
        tokio::select! {
            biased;
            why = self.end() => Err(EmbeddedError::Ended(why)),
            done = work => done,
        }
    }

    pub fn is_ready(&self) {
        self.shared.run().was_ready = true;
    }

    pub async fn stop(&self) -> Result<(), EmbeddedError> {
        self.shared.signal(Signal::INT);
        if tokio::time::timeout(FAST_SHUTDOWN, self.end()).await.is_ok() {
            return Ok(());
        }
        self.shared.signal(Signal::QUIT);
        if tokio::time::timeout(IMMEDIATE_SHUTDOWN, self.end()).await.is_err() {
            self.shared.signal(Signal::KILL);
        }
        Err(EmbeddedError::SlowStop)
    }

    async fn end(&self) -> String {
        let mut ended = self.ended.clone();
        let why = ended.wait_for(Option::is_some).await;
        why.ok().and_then(|why| why.clone()).unwrap_or_else(|| "its supervisor is gone".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.signal(Signal::INT);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the supervisor of the embedded Postgres panicked");
        }
    }
}

impl Shared {
    /// Runs the server until it is stopped or cannot be started. Answers why it ended.
    fn supervise(&self, launch: &Launch) -> String {
        let started = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = Instant::now();
            let last_words = match self.run_once(launch) {
                Ok(last_words) => last_words,
                Err(error) => error.to_string(),
            };
            let run = self.run();
            if run.stopping {
                return String::new();
            }
            // Before it ever served, only what passes by itself is worth another try.
            if !run.was_ready && (started.elapsed() > FIRST_START || !passes_by_itself(&last_words)) {
                return last_words;
            }
            pause = if began.elapsed() > LONGEST_PAUSE { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            tracing::error!(last_words, ?pause, "the embedded Postgres ended; starting it again");
            let waited = self.changed.wait_timeout_while(run, pause, |run| !run.stopping);
            if waited.unwrap_or_else(PoisonError::into_inner).0.stopping {
                return String::new();
            }
        }
    }

    /// One run, from spawn to reaping. Answers the last lines of its log.
    fn run_once(&self, launch: &Launch) -> io::Result<String> {
        let (mut child, pid) = {
            let mut run = self.run();
            if run.stopping {
                return Ok(String::new());
            }
            let child = launch.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
            let pid = pid_of(&child);
            run.pid = pid;
            (child, pid)
        };
        let last_words = child.stderr.take().map(|log| self.pass_on(log)).unwrap_or_default();
        if let Some(pid) = pid {
            // Waits without reaping: until the pid is cleared, it must stay the server's.
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        }
        self.run().pid = None;
        let status = child.wait()?;
        Ok(if last_words.is_empty() { status.to_string() } else { last_words })
    }

    /// Asks the server to end, and the thread not to start it again.
    fn signal(&self, signal: Signal) {
        let mut run = self.run();
        run.stopping = true;
        if let Some(Err(error)) = run.pid.map(|pid| kill_process(pid, signal)) {
            tracing::warn!(%error, "the embedded Postgres could not be signaled");
        }
        self.changed.notify_all();
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes the server's log on, line by line, until all its processes have closed it. Answers the last complaints.
    fn pass_on(&self, log: ChildStderr) -> String {
        let mut last = VecDeque::new();
        for line in BufReader::new(log).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let (level, text) = line.split_once(":  ").unwrap_or(("LOG", &line));
            // Ourselves, asking whether it is ready yet, or sending everybody away.
            let by_us = text.starts_with("the database system is ")
                || text == "terminating connection due to administrator command" && self.run().stopping;
            match level {
                "PANIC" => tracing::error!(target: "postgres", "{text}"),
                "FATAL" | "ERROR" | "WARNING" if !by_us => tracing::warn!(target: "postgres", "{text}"),
                _ => tracing::debug!(target: "postgres", "{text}"),
            }
            if level == "LOG" || by_us {
                continue;
            }
            if last.len() == 5 {
                last.pop_front();
            }
            last.push_back(text.to_owned());
        }
        Vec::from(last).join("; ")
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// A predecessor whose end has not been noticed by all yet.
fn passes_by_itself(last_words: &str) -> bool {
    ["lock file", "pre-existing shared memory", "could not bind"].iter().any(|words| last_words.contains(words))
}

const FIRST_START: Duration = Duration::from_secs(15);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const FAST_SHUTDOWN: Duration = Duration::from_secs(30);
const IMMEDIATE_SHUTDOWN: Duration = Duration::from_secs(5);
