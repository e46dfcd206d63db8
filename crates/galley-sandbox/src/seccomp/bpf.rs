//! An assembler for the few instructions of classic BPF that a system call filter needs.
//!
//! Rules come one after the other; the first one that matches decides. A rule is a few comparisons that
//! jump past the rule's return when they do not hold, so no jump is ever longer than one rule.

use libc::sock_filter;

/// Offsets into `struct seccomp_data` (seccomp(2)).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_GREATER_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// What happens to a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    /// The call fails with this error number and does nothing else.
    Fail(i32),
}

/// A condition on the low 32 bits of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    /// Any of the bits is set in the argument.
    AnyBit {
        argument: u32,
        bits: u32,
    },
    Equal {
        argument: u32,
        value: u32,
    },
    /// All 64 bits of the argument differ from every one of these.
    NoneOf {
        argument: u32,
        values: &'static [u32],
    },
}

/// Instructions under construction.
#[derive(Default)]
pub(crate) struct Assembler {
    code: Vec<sock_filter>,
}

impl Assembler {
    /// Fails every call of another architecture than `architecture` (an `AUDIT_ARCH_*` value).
    pub(crate) fn require_architecture(&mut self, architecture: u32, otherwise: Action) {
        self.emit(LOAD, ARCHITECTURE);
        self.jump(JUMP_EQUAL, architecture, 1, 0);
        self.give(otherwise);
    }

    /// Loads the call's number; every following rule starts from it.
    pub(crate) fn load_number(&mut self) {
        self.emit(LOAD, NUMBER);
    }

    /// Answers every number from `first` on with `action`.
    pub(crate) fn numbers_from(&mut self, first: u32, action: Action) {
        self.jump(JUMP_GREATER_EQUAL, first, 0, 1);
        self.give(action);
    }

    /// Answers the call `number` with `action` where the condition holds.
    pub(crate) fn rule(&mut self, number: u32, condition: Condition, action: Action) {
        let body = body(condition, action);
        // A rule has a handful of instructions; a longer one would be a mistake of this file.
        let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
        self.jump(JUMP_EQUAL, number, 0, length);
        self.code.extend(body);
    }

    /// Ends the program with an answer for everything that no rule matched.
    pub(crate) fn finish(mut self, action: Action) -> Vec<sock_filter> {
        self.give(action);
        self.code
    }

    fn emit(&mut self, code: u16, k: u32) {
        self.code.push(instruction(code, k, 0, 0));
    }

    fn jump(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.code.push(instruction(code, k, jt, jf));
    }

    fn give(&mut self, action: Action) {
        self.emit(RETURN, action.value());
    }
}

/// What follows the comparison of the number: the condition, the answer, and the number again.
fn body(condition: Condition, action: Action) -> Vec<sock_filter> {
    let answer = instruction(RETURN, action.value(), 0, 0);
    let reload = instruction(LOAD, NUMBER, 0, 0);
    match condition {
        Condition::Always => vec![answer],
        Condition::AnyBit { argument, bits } => vec![
            instruction(LOAD, low_word(argument), 0, 0),
            instruction(AND, bits, 0, 0),
            instruction(JUMP_EQUAL, 0, 1, 0),
            answer,
            reload,
        ],
        Condition::Equal { argument, value } => vec![
            instruction(LOAD, low_word(argument), 0, 0),
            instruction(JUMP_EQUAL, value, 0, 1),
            answer,
            reload,
        ],
        Condition::NoneOf { argument, values } => {
            let count = u8::try_from(values.len()).unwrap_or(u8::MAX);
            let mut body = vec![
                instruction(LOAD, high_word(argument), 0, 0),
                // A high word that is not zero equals none of them.
                instruction(JUMP_EQUAL, 0, 0, count.saturating_add(1)),
                instruction(LOAD, low_word(argument), 0, 0),
            ];
            body.extend(
                (0..count)
                    .zip(values)
                    .map(|(index, value)| instruction(JUMP_EQUAL, *value, count - index, 0)),
            );
            body.extend([answer, reload]);
            body
        }
    }
}

impl Action {
    fn value(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Fail(errno) => libc::SECCOMP_RET_ERRNO | (errno.cast_unsigned() & 0xffff),
        }
    }
}

fn low_word(argument: u32) -> u32 {
    ARGUMENTS + 8 * argument + if cfg!(target_endian = "big") { 4 } else { 0 }
}

fn high_word(argument: u32) -> u32 {
    ARGUMENTS + 8 * argument + if cfg!(target_endian = "big") { 0 } else { 4 }
}

fn instruction(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Runs a program as the kernel would; for tests.
#[cfg(test)]
pub(crate) fn interpret(code: &[sock_filter], architecture: u32, number: u32, args: [u64; 6]) -> u32 {
    let load = |offset: u32| match offset {
        NUMBER => number,
        ARCHITECTURE => architecture,
        _ => {
            let argument = args[((offset - ARGUMENTS) / 8) as usize];
            if (offset - ARGUMENTS).is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
        }
    };
    let (mut at, mut accumulator) = (0, 0_u32);
    loop {
        let sock_filter { code, jt, jf, k } = code[at];
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        at += 1;
        match code {
            LOAD => accumulator = load(k),
            AND => accumulator &= k,
            JUMP_EQUAL => at += jump(accumulator == k),
            JUMP_GREATER_EQUAL => at += jump(accumulator >= k),
            RETURN => return k,
            other => panic!("unknown instruction {other:#x}"),
        }
    }
}
