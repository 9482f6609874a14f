//! The one piece of unsafe code: what happens in the child between fork and exec.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};
#[cfg(target_os = "linux")]
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Has the kernel stop the child (SIGINT, Postgres's fast shutdown) when the **thread** that spawns it ends, by whatever
/// cause, and leaves `kept` open in it. Elsewhere than on Linux a survivor is stopped at the next start.
///
/// `kept` must outlive the spawn.
#[expect(unsafe_code, reason = "the death signal and an inherited descriptor can only be set between fork and exec")]
pub fn tie(command: &mut Command, kept: Option<&OwnedFd>) {
    let kept = kept.map(AsRawFd::as_raw_fd);
    #[cfg(target_os = "linux")]
    let parent = getpid();
    // SAFETY: the closure only makes async-signal-safe system calls and allocates nothing. `kept` is open in the parent
    // during the spawn, hence in the child. The standard library calls it after setuid, which would clear the signal.
    unsafe {
        command.pre_exec(move || {
            #[cfg(target_os = "linux")]
            {
                set_parent_process_death_signal(Some(Signal::INT))?;
                // The parent may have died before the signal was asked for.
                if getppid() != Some(parent) {
                    return Err(rustix::io::Errno::SRCH.into());
                }
            }
            if let Some(descriptor) = kept {
                fcntl_setfd(BorrowedFd::borrow_raw(descriptor), FdFlags::empty())?;
            }
            Ok(())
        });
    }
}
