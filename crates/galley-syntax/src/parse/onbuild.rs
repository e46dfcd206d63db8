//! ONBUILD: an instruction kept for the images built on this one.

use super::instruction::{Parts, Reader};
use super::{args, process};
use crate::ast::{InstructionKind, OnbuildInstruction};
use crate::diagnostic::Diagnostic;

impl Reader<'_> {
    pub(super) fn onbuild(&mut self, parts: &Parts<'_>) -> Option<InstructionKind> {
        if let Some(flag) = parts.flags.first() {
            let problem = Diagnostic::error("unknown-flag", flag.span, "ONBUILD takes no flags");
            self.report(problem.help("write the flag after the instruction's keyword"));
            return None;
        }
        let (keyword, _) = args::split_keyword(&parts.args);
        if keyword.is_empty() {
            self.missing_arguments(parts, "an instruction");
            return None;
        }
        let name = keyword.as_str().to_ascii_uppercase();
        if matches!(name.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
            let text = format!("{name} is not allowed as an ONBUILD trigger");
            let problem = Diagnostic::error("onbuild-trigger", keyword.span(), text);
            self.report(problem.help("triggers run inside a stage of the child's Dockerfile"));
            return None;
        }
        let trigger = process::append_heredocs(&parts.args, parts);
        let instruction = self.read(&parts.args, parts.span.end, parts.heredocs.to_vec(), Vec::new());
        Some(InstructionKind::Onbuild(OnbuildInstruction { instruction: Box::new(instruction), trigger }))
    }
}
