//! The system calls that need `unsafe`, each wrapped once.
//!
//! All of them are async-signal-safe: no allocation, no lock.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, Result};

/// `struct clone_args` of clone3(2), as far as it is used; shorter structs are zero-filled.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// Which side of a [`clone`] this is.
pub(crate) enum Cloned {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// Makes a process with a copy of this one's memory, in the namespaces of `flags`.
///
/// # Safety
/// The child has only this one thread, while other threads of the parent may have held any lock. Until
/// it executes a program or exits, it may only do what is async-signal-safe: no allocation, no lock, no
/// panic. It must never return to code that expects more.
pub(crate) unsafe fn clone(flags: u64) -> Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let arguments = CloneArguments {
        flags: flags | libc::CLONE_PIDFD as u64,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArguments::default()
    };
    // SAFETY: the arguments live across the call, their size is given, and without CLONE_VM and a stack
    // the child goes on with a copy of this one, as after fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<CloneArguments>()) };
    match pid {
        -1 => Err(last_error()),
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent { pid: pid as i32, pidfd })
        }
    }
}

/// Ends the process at once.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit runs no destructors and no handlers.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` to `last`, both included.
///
/// # Safety
/// Nothing may use those descriptors afterwards, nor close them again.
pub(crate) unsafe fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: the caller's promise.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })
}

/// Closes a descriptor that something still owns.
///
/// # Safety
/// The owner may neither use nor drop it afterwards, as in a process that ends without destructors.
pub(crate) unsafe fn close(descriptor: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: the caller's promise.
    check(unsafe { libc::close(descriptor.as_raw_fd()) }.into())
}

/// Makes descriptor `target` a copy of `source`; it stays open across `execve`.
///
/// # Safety
/// What `target` was before is closed: nothing may own it.
pub(crate) unsafe fn duplicate_onto(source: BorrowedFd<'_>, target: RawFd) -> Result<()> {
    // SAFETY: the caller's promise.
    check(unsafe { libc::dup2(source.as_raw_fd(), target) }.into())
}

/// Borrows a descriptor by its number.
///
/// # Safety
/// It has to stay open as long as the process lives.
pub(crate) unsafe fn descriptor(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the caller's promise.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Sets attributes (`MOUNT_ATTR_*`) of the mount at `path`, with `recursive` also of those below it.
pub(crate) fn add_mount_attributes(
    base: BorrowedFd<'_>,
    path: &CStr,
    attributes: u64,
    recursive: bool,
) -> Result<()> {
    let attributes = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let recursive = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: all pointers are valid for the call and the size is the struct's.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            base.as_raw_fd(),
            path.as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    })
}

/// Installs a system call filter on the calling thread.
pub(crate) fn install_filter(code: &[libc::sock_filter]) -> Result<()> {
    let Ok(len) = u16::try_from(code.len()) else { return Err(Errno::INVAL) };
    let program = libc::sock_fprog { len, filter: code.as_ptr().cast_mut() };
    // SAFETY: the kernel only reads the program, which is as long as it says.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) })
}

/// Takes a capability, by number, out of the bounding set. `EINVAL`: the kernel has no such one.
pub(crate) fn drop_from_bounding_set(capability: u32) -> Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) }.into())
}

/// Clears the ambient capabilities.
pub(crate) fn clear_ambient_set() -> Result<()> {
    let what = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
    // SAFETY: takes numbers only.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, what, 0, 0, 0) }.into())
}

/// Gives every signal its default disposition, leaving the mask as it is.
pub(crate) fn default_dispositions() {
    // `struct sigaction` of the kernel: handler (0 is SIG_DFL), flags, restorer, mask.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        // Not by sigaction(3): C libraries keep two of the real-time signals to themselves and refuse to touch
        // them, so that whoever started galley with one ignored would have it ignored in the sandbox.
        // SAFETY: the kernel only reads the struct, and SIG_DFL runs no code. Refused for SIGKILL and SIGSTOP,
        // which have no other disposition.
        unsafe {
            let before = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), before, size_of::<u64>());
        }
    }
}

/// A set of signals.
pub(crate) struct SignalSet(libc::sigset_t);

impl SignalSet {
    pub(crate) fn all() -> Self {
        let mut set = Self::none();
        // SAFETY: the set is initialized.
        unsafe { libc::sigfillset(&raw mut set.0) };
        set
    }

    pub(crate) fn none() -> Self {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initializes the whole set.
        Self(unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            set.assume_init()
        })
    }

    pub(crate) fn of(signals: &[i32]) -> Self {
        let mut set = Self::none();
        for signal in signals {
            // SAFETY: the set is initialized; a number that is no signal is refused.
            unsafe { libc::sigaddset(&raw mut set.0, *signal) };
        }
        set
    }
}

/// Blocks exactly these signals for the calling thread; gives the mask it had.
pub(crate) fn set_mask(set: &SignalSet) -> Result<SignalSet> {
    change_mask(libc::SIG_SETMASK, set)
}

/// Blocks these signals too for the calling thread; gives the mask it had.
pub(crate) fn block(set: &SignalSet) -> Result<SignalSet> {
    change_mask(libc::SIG_BLOCK, set)
}

fn change_mask(how: i32, set: &SignalSet) -> Result<SignalSet> {
    let mut before = SignalSet::none();
    // SAFETY: both sets are initialized.
    check(unsafe { libc::sigprocmask(how, &raw const set.0, &raw mut before.0) }.into())?;
    Ok(before)
}

/// A descriptor that reads these signals as they come; they have to be blocked.
pub(crate) fn signal_descriptor(set: &SignalSet) -> Result<OwnedFd> {
    // SAFETY: the set is initialized; -1 asks for a new descriptor.
    let descriptor = unsafe { libc::signalfd(-1, &raw const set.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    check(descriptor.into())?;
    // SAFETY: the kernel has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The next signal of a [`signal_descriptor`]: its number and whether a process sent it (not a terminal
/// or the kernel). `None` when there is none now.
pub(crate) fn read_signal(descriptor: &OwnedFd) -> Option<(i32, bool)> {
    let mut bytes = [0_u8; size_of::<libc::signalfd_siginfo>()];
    let read = rustix::io::read(descriptor, &mut bytes).ok()?;
    if read != bytes.len() {
        return None;
    }
    // SAFETY: the struct is plain data, and the bytes are as long as it is.
    let info: libc::signalfd_siginfo = unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) };
    Some((info.ssi_signo.cast_signed(), info.ssi_code <= 0))
}

/// Sends a signal to a process by number.
pub(crate) fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::kill(pid, signal) }.into())
}

/// Sends a signal to the process behind a pidfd.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: without a siginfo the kernel makes one.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, none, 0) })
}

/// Brings the loopback interface of the current network namespace up.
pub(crate) fn loopback_up() -> Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: an all-zero ifreq is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq with name and flags set.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }.into())
}

/// Executes a program; answers only when that failed.
///
/// # Safety
/// `argv` and `envp` have to be NULL-terminated arrays of pointers to C strings.
pub(crate) unsafe fn execute(
    path: &CStr,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
) -> Errno {
    // SAFETY: the caller's promise.
    unsafe { libc::execve(path.as_ptr(), argv, envp) };
    last_error()
}

/// Executes the file behind a descriptor; answers only when that failed.
///
/// # Safety
/// As [`execute`].
pub(crate) unsafe fn execute_descriptor(
    file: BorrowedFd<'_>,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
) -> Errno {
    // SAFETY: the caller's promise.
    unsafe {
        libc::syscall(libc::SYS_execveat, file.as_raw_fd(), c"".as_ptr(), argv, envp, libc::AT_EMPTY_PATH);
    }
    last_error()
}

/// Overwrites the command line that other processes see of this one.
///
/// # Safety
/// `area` has to be this process's own argument area, or empty, and nothing may use it afterwards.
pub(crate) unsafe fn erase_arguments(area: std::ops::Range<usize>) {
    let start = std::ptr::with_exposed_provenance_mut::<u8>(area.start);
    // SAFETY: the caller's promise; the area is readable and writable memory of the stack.
    unsafe { std::ptr::write_bytes(start, 0, area.len()) };
}

/// Whether the working directory is below the root directory; the kernel says so in its path.
pub(crate) fn working_directory_is_inside() -> Result<bool> {
    let mut path = [0_u8; libc::PATH_MAX as usize];
    // Not getcwd(3), which goes looking for a path where the kernel has none.
    // SAFETY: the kernel writes at most as many bytes as it is told.
    check(unsafe { libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), path.len()) })?;
    Ok(path.starts_with(b"/"))
}

/// Whether a raw descriptor is a pipe, and so galley's own.
pub(crate) fn is_pipe(descriptor: impl AsFd) -> bool {
    rustix::fs::fstat(descriptor)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Fifo)
}

fn check(result: libc::c_long) -> Result<()> {
    if result == -1 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> Errno {
    // SAFETY: errno of the calling thread.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}
