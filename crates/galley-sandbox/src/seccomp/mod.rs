//! The system call filter of a sandboxed process.

mod bpf;
mod list;

use bpf::{Action, Assembler};
use libc::sock_filter;

/// `AUDIT_ARCH_X86_64` of audit.h.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;

/// `AUDIT_ARCH_AARCH64` of audit.h.
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("galley has system call lists for x86_64 and aarch64 only: add one to seccomp/list.rs");

/// An assembled filter, ready for the kernel.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    code: Vec<sock_filter>,
}

impl Filter {
    /// The filter that every sandboxed process runs under.
    pub(crate) fn new() -> Self {
        let mut assembler = Assembler::default();
        // A filter of numbers is worth nothing for calls that are numbered otherwise.
        assembler.require_architecture(ARCHITECTURE, Action::Fail(libc::ENOSYS));
        assembler.load_number();
        // Also refuses the x32 calls of x86_64, whose numbers have bit 30 set.
        assembler.numbers_from(list::LAST_KNOWN + 1, Action::Fail(libc::ENOSYS));
        for rule in list::rules() {
            // Numbers of system calls are small and positive.
            if let Ok(number) = u32::try_from(rule.number) {
                assembler.rule(number, rule.condition, rule.action);
            }
        }
        Self { code: assembler.finish(Action::Allow) }
    }

    /// The instructions, as many as the kernel takes (4,096).
    pub(crate) fn instructions(&self) -> &[sock_filter] {
        &self.code
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        let same =
            |(a, b): (&sock_filter, &sock_filter)| (a.code, a.jt, a.jf, a.k) == (b.code, b.jt, b.jf, b.k);
        self.code.len() == other.code.len() && self.code.iter().zip(&other.code).all(same)
    }
}

impl Eq for Filter {}

#[cfg(test)]
mod tests;
