//! What runs in the child after `clone3`: walks over the script. Async-signal-safe throughout.

use std::os::fd::{AsFd, BorrowedFd, RawFd};

use rustix::fs::{Gid, Mode, Uid};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::Signal;

use crate::report::{Failure, Phase, Report};
use crate::script::{Op, Program, Script, Slots};
use crate::sys::{self, SignalSet};
use crate::{init, mounts, overlay, pty};

/// Where the socket to galley is in every process of the sandbox until it executes a program.
const CONTROL: RawFd = 3;

/// Ways in which [`Op::Execute`] fails, for [`Failure::detail`].
pub(crate) const NOT_FOUND: u32 = 0;
pub(crate) const NOT_EXECUTABLE: u32 = 1;
pub(crate) const NO_INTERPRETER: u32 = 2;

/// How [`Op::WorkingDirectory`] fails for a directory that is not below the root: the kernel gives this for no directory.
pub(crate) const OUTSIDE: Errno = Errno::XDEV;

/// The descriptors that the child is born with and keeps.
pub(crate) struct Inherited<'a> {
    /// Standard input, output and error; each above 9, so that none is in another one's way.
    pub(crate) streams: [BorrowedFd<'a>; 3],
    /// The socket to galley; above 9 too.
    pub(crate) control: BorrowedFd<'a>,
}

/// The whole life of pid 1 of a sandbox.
///
/// # Safety
/// Only for the child of [`sys::clone`].
pub(crate) unsafe fn live(script: &Script, slots: &mut Slots, inherited: &Inherited<'_>) -> ! {
    // SAFETY: this process has nothing but copies of galley's descriptors, and uses only these four.
    let Ok(control) = (unsafe { keep_only(inherited) }) else { sys::exit_now(1) };
    sys::default_dispositions();
    if rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_err()
        || galley_is_gone(control)
    {
        sys::exit_now(1);
    }
    rustix::process::umask(Mode::empty());
    if !perform_all(&script.setup, Phase::Setup, script, slots, control) {
        sys::exit_now(1);
    }
    if script.init {
        // SAFETY: the same promise.
        unsafe { init::live(script, slots, control) }
    }
    launch(script, slots, control)
}

/// Becomes the program; the last thing that its process does for galley.
pub(crate) fn launch(script: &Script, slots: &mut Slots, control: BorrowedFd<'_>) -> ! {
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    perform_all(&script.launch, Phase::Launch, script, slots, control);
    sys::exit_now(1)
}

/// The death signal came into force too late if galley died before it was set.
fn galley_is_gone(control: BorrowedFd<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut fds = [PollFd::from_borrowed_fd(control, PollFlags::empty())];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let polled = poll(&mut fds, Some(&now));
    polled.is_err() || fds.iter().any(|fd| fd.revents().contains(PollFlags::HUP))
}

unsafe fn keep_only(inherited: &Inherited<'_>) -> Result<BorrowedFd<'static>, Errno> {
    for (source, target) in inherited.streams.iter().zip(0..) {
        // SAFETY: galley's standard streams belong to nobody in this process.
        unsafe { sys::duplicate_onto(*source, target)? };
    }
    // SAFETY: as the streams; everything above is unused from here on.
    unsafe {
        sys::duplicate_onto(inherited.control, CONTROL)?;
        sys::close_range(CONTROL.cast_unsigned() + 1, u32::MAX)?;
    }
    // SAFETY: open until the process executes a program or exits.
    let control = unsafe { sys::descriptor(CONTROL) };
    rustix::io::fcntl_setfd(control, rustix::io::FdFlags::CLOEXEC)?;
    Ok(control)
}

fn perform_all(
    ops: &[Op],
    phase: Phase,
    script: &Script,
    slots: &mut Slots,
    control: BorrowedFd<'_>,
) -> bool {
    for (op, index) in ops.iter().zip(0..) {
        if let Err(failure) = perform(op, slots, control) {
            Report::Failed { phase, index, failure }.send(control);
            if !script.tolerant {
                return false;
            }
        }
    }
    true
}

#[allow(clippy::result_large_err, reason = "the child cannot allocate, so a failure travels by value")]
fn perform(op: &Op, slots: &mut Slots, control: BorrowedFd<'_>) -> Result<(), Failure> {
    match op {
        Op::Overlay(overlay) => mounts::set(slots, overlay.into, overlay::make(overlay)?)?,
        Op::Execute(program) => return Err(execute(program)),
        _ => perform_mount(op, slots).unwrap_or_else(|| perform_rest(op, slots, control))?,
    }
    Ok(())
}

/// `None` for operations that are no mounts.
fn perform_mount(op: &Op, slots: &mut Slots) -> Option<Result<(), Errno>> {
    let made = match op {
        Op::PrivateMounts => {
            let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            return Some(mount_change(c"/", flags));
        }
        Op::Filesystem { name, options, optional_flag, attributes, into } => {
            (mounts::filesystem(name, options, *optional_flag, *attributes), into)
        }
        Op::Sysfs { into } => (mounts::sysfs(), into),
        Op::CloneTree { source, subpath, recursive, into } => {
            (mounts::clone_tree(source, subpath, *recursive), into)
        }
        Op::CloneDevice { source, into } => (mounts::clone_device(source), into),
        Op::CloneBelow { of, path, into } => (mounts::clone_below(slots, *of, path), into),
        Op::ReadOnly { mount } => return Some(mounts::read_only(slots, *mount, true)),
        Op::ReadOnlyRoot { root } => return Some(mounts::read_only(slots, *root, false)),
        Op::AttachAside { mount, at } => return Some(mounts::attach_aside(slots, *mount, at)),
        Op::Attach { mount, place } => return Some(mounts::attach(slots, *mount, place)),
        Op::Pivot { root, at } => return Some(mounts::pivot(slots, *root, at)),
        Op::Mask { place, null, empty } => return Some(mounts::mask(slots, place, *null, *empty)),
        Op::ReadOnlyBelow { place } => return Some(mounts::read_only_below(slots, place)),
        _ => return None,
    };
    let (mount, into) = made;
    Some(mount.and_then(|mount| mounts::set(slots, *into, mount)))
}

fn perform_rest(op: &Op, slots: &mut Slots, control: BorrowedFd<'_>) -> Result<(), Errno> {
    use std::os::unix::ffi::OsStrExt;
    match op {
        Op::Hostname(name) => rustix::system::sethostname(name.as_bytes()),
        Op::Loopback => sys::loopback_up(),
        Op::WriteFile { below, name, content, mode, uid, gid } => {
            mounts::write_file(mounts::get(slots, *below)?, name, content, *mode, (*uid, *gid))
        }
        Op::Directory { below, name, mode } => {
            let below = mounts::get(slots, *below)?;
            rustix::fs::mkdirat(below, name.as_c_str(), Mode::from_raw_mode(*mode))
        }
        Op::Link { below, name, target } => {
            rustix::fs::symlinkat(target.as_c_str(), mounts::get(slots, *below)?, name.as_c_str())
        }
        Op::Terminal { pts, dev, owner, rows, columns } => {
            pty::open_inside(slots, (*pts, *dev), *owner, (*rows, *columns), control)
        }
        Op::OwnStreams { uid } => {
            own_streams(*uid);
            Ok(())
        }
        Op::Forget => forget(slots),
        Op::WorkingDirectory(path) => {
            rustix::process::chdir(path.as_c_str())?;
            if sys::working_directory_is_inside()? { Ok(()) } else { Err(OUTSIDE) }
        }
        Op::Session { terminal } => {
            rustix::process::setsid()?;
            if *terminal { rustix::process::ioctl_tiocsctty(standard_input()) } else { Ok(()) }
        }
        Op::ResetSignals => {
            sys::default_dispositions();
            sys::set_mask(&SignalSet::none()).map(|_| ())
        }
        Op::DeathSignal => rustix::process::set_parent_process_death_signal(Some(Signal::KILL)),
        _ => perform_privileges(op),
    }
}

fn perform_privileges(op: &Op) -> Result<(), Errno> {
    match op {
        Op::Bound { keep } => crate::capabilities::bound(*keep),
        Op::NoNewPrivileges => rustix::thread::set_no_new_privs(true),
        Op::Seccomp(filter) => sys::install_filter(filter.instructions()),
        Op::Groups(groups) => rustix::thread::set_thread_groups(groups),
        Op::Ids { uid, gid } => {
            let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
            rustix::thread::set_thread_res_gid(gid, gid, gid)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid)
        }
        Op::Capabilities { keep } => crate::capabilities::reduce(*keep),
        // Every other operation has its own arm further up.
        _ => Err(Errno::NOSYS),
    }
}

/// Also what a slot does not own: directories that an overlay was mounted by.
fn forget(slots: &mut Slots) -> Result<(), Errno> {
    for slot in slots {
        std::mem::forget(slot.take());
    }
    // SAFETY: no slot owns a descriptor any more, and the control socket is below the range.
    unsafe { sys::close_range(CONTROL.cast_unsigned() + 1, u32::MAX) }
}

fn own_streams(uid: u32) {
    for number in [1, 2] {
        // SAFETY: the standard streams are open as long as the process lives.
        let stream = unsafe { sys::descriptor(number) };
        if sys::is_pipe(stream) {
            // Only a convenience: programs that inherit the stream need no owner.
            let _ = rustix::fs::fchown(stream, Some(Uid::from_raw(uid)), None);
        }
    }
}

fn standard_input() -> BorrowedFd<'static> {
    // SAFETY: the standard streams are open as long as the process lives.
    unsafe { sys::descriptor(0) }
}

/// Tries the candidates as a shell does: a missing one is passed over, a forbidden one is remembered.
fn execute(program: &Program) -> Failure {
    let mut worst = Failure::at(NOT_FOUND)(Errno::NOENT);
    for candidate in &program.candidates {
        // SAFETY: both arrays are NULL-terminated and belong to the script.
        let errno = unsafe { sys::execute(candidate, program.argv.as_ptr(), program.envp.as_ptr()) };
        match errno {
            Errno::NOENT | Errno::NOTDIR => {
                let exists = rustix::fs::access(candidate.as_c_str(), rustix::fs::Access::EXISTS).is_ok();
                if exists && errno == Errno::NOENT {
                    return Failure::at(NO_INTERPRETER)(errno);
                }
            }
            Errno::ACCESS => worst = Failure::at(NOT_EXECUTABLE)(errno),
            errno => return Failure::at(NOT_EXECUTABLE)(errno),
        }
    }
    worst
}

/// The pseudo terminal's slave becomes the standard streams.
pub(crate) fn take_streams(terminal: impl AsFd) -> Result<(), Errno> {
    for number in 0..3 {
        // SAFETY: nothing owns the standard streams in this process.
        unsafe { sys::duplicate_onto(terminal.as_fd(), number)? };
    }
    Ok(())
}
