//! What a predecessor left: a server that outlived it, or a pid file that names a process of something else.
//!
//! We hold the data folder's lock, so whatever still runs on the cluster belongs to nobody.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::EmbeddedError;

/// Leaves the cluster without a server. A survivor is stopped rather than kept: its log goes to a closed pipe, and it
/// would not die with us.
pub fn settle(cluster: &Path) -> Result<(), EmbeddedError> {
    let pid_file = cluster.join("postmaster.pid");
    let Some(pid) = fs::read_to_string(&pid_file).ok().as_deref().and_then(pid_of) else { return Ok(()) };
    if !runs(pid) {
        // Postgres tells by itself that the file is stale.
        return Ok(());
    }
    if !is_server_of(pid, cluster) {
        // After a restart of the machine or container, the pid may be anyone's, even a thread of ours, and Postgres
        // would refuse for ever. That no server is left is also told by its shared memory, which it checks itself.
        tracing::info!(%pid, "removing a pid file that names another process");
        return fs::remove_file(&pid_file).map_err(EmbeddedError::on(&pid_file));
    }
    tracing::warn!(%pid, "a Postgres of an earlier run still serves this data folder; stopping it");
    for (signal, patience) in [(Signal::INT, Duration::from_secs(15)), (Signal::QUIT, Duration::from_secs(5))] {
        if kill_process(pid, signal).is_err() && runs(pid) {
            break;
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !is_server_of(pid, cluster) {
                return Ok(());
            }
            sleep(Duration::from_millis(20));
        }
    }
    Err(EmbeddedError::Orphan(pid.as_raw_nonzero().get()))
}

/// The first line of `postmaster.pid`; negative for a single-user server.
fn pid_of(file: &str) -> Option<Pid> {
    Pid::from_raw(file.lines().next()?.trim().parse::<i32>().ok()?.checked_abs()?)
}

fn runs(pid: Pid) -> bool {
    test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

/// Whether the process is a living server that works in this cluster. What cannot be told counts as one.
#[cfg(target_os = "linux")]
fn is_server_of(pid: Pid, cluster: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let process = Path::new("/proc").join(pid.to_string());
    // proc(5): `pid (name) state …`; a zombie has ended, but nobody has asked for its status.
    let Ok(stat) = fs::read_to_string(process.join("stat")) else { return false };
    if stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with(['Z', 'X'])) {
        return false;
    }
    let (Ok(works_in), Ok(cluster)) = (fs::metadata(process.join("cwd")), fs::metadata(cluster)) else { return true };
    (works_in.dev(), works_in.ino()) == (cluster.dev(), cluster.ino())
}

#[cfg(not(target_os = "linux"))]
fn is_server_of(pid: Pid, _cluster: &Path) -> bool {
    runs(pid)
}
