//! A parse as text: lines, instructions with spans as `line:column`, diagnostics.

use std::fmt::Write;

use galley_syntax::ast::{
    Command, CopySource, HealthcheckInstruction, InstructionKind, KeyValueInstruction, RunCommand, Word,
};
use galley_syntax::shell::RunBody;
use galley_syntax::{Instruction, LineIndex, Parsed, Span};

pub struct Dump<'p> {
    parsed: &'p Parsed,
    index: LineIndex,
    out: String,
}

pub fn dump(parsed: &Parsed) -> String {
    let mut dump = Dump { parsed, index: LineIndex::new(parsed.source()), out: String::new() };
    dump.all();
    dump.out
}

impl Dump<'_> {
    fn at(&self, span: Span) -> String {
        let start = self.index.line_column(span.start);
        let end = self.index.line_column(span.end);
        if start.line == end.line {
            format!("{}:{}-{}", start.line, start.column, end.column)
        } else {
            format!("{}:{}-{}:{}", start.line, start.column, end.line, end.column)
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = depth * 2);
    }

    fn all(&mut self) {
        let directives = &self.parsed.directives;
        if let Some(syntax) = &directives.syntax {
            let text = format!("syntax {:?} {}", syntax.value.value, self.at(syntax.span));
            self.line(0, &text);
        }
        if directives.escape_directive.is_some() {
            let text = format!("escape {:?}", directives.escape);
            self.line(0, &text);
        }
        if let Some(check) = &directives.check {
            let names = |list: &[galley_syntax::Spanned<String>]| {
                list.iter().map(|n| format!("{}@{}", n.value, self.at(n.span))).collect::<Vec<_>>().join(",")
            };
            let text = format!(
                "check skip={} error={} experimental={}",
                names(&check.skip),
                check.error,
                names(&check.experimental)
            );
            self.line(0, &text);
        }
        let kinds: String = self
            .parsed
            .lines
            .iter()
            .map(|l| match l.kind {
                galley_syntax::layout::LineKind::Directive => 'D',
                galley_syntax::layout::LineKind::Comment => '#',
                galley_syntax::layout::LineKind::Blank => '_',
                galley_syntax::layout::LineKind::Instruction => 'I',
                galley_syntax::layout::LineKind::Continuation => '+',
                galley_syntax::layout::LineKind::ContinuationComment => 'c',
                galley_syntax::layout::LineKind::ContinuationBlank => 'b',
                galley_syntax::layout::LineKind::HeredocBody => 'h',
                galley_syntax::layout::LineKind::HeredocEnd => 'E',
            })
            .collect();
        self.line(0, &format!("lines {kinds}"));
        let parsed = self.parsed;
        for instruction in &parsed.instructions {
            self.instruction(0, instruction);
        }
        for diagnostic in &parsed.diagnostics {
            let text = format!(
                "{:?} {} {}: {}",
                diagnostic.severity,
                diagnostic.code,
                self.at(diagnostic.span),
                diagnostic.message
            );
            self.line(0, &text);
            for label in &diagnostic.labels {
                let text = format!("label {}: {}", self.at(label.span), label.message);
                self.line(1, &text);
            }
            for help in &diagnostic.help {
                self.line(1, &format!("help: {help}"));
            }
            for fix in &diagnostic.fixes {
                let edits: Vec<String> =
                    fix.edits.iter().map(|e| format!("{} -> {:?}", self.at(e.span), e.replacement)).collect();
                self.line(1, &format!("fix ({:?}): {}: {}", fix.safety, fix.title, edits.join("; ")));
            }
        }
    }

    fn word(&self, word: &Word) -> String {
        format!("{:?} {}", word.as_str(), self.at(word.span()))
    }

    fn field(&mut self, depth: usize, name: &str, word: Option<&Word>) {
        if let Some(word) = word {
            let text = format!("{name} {}", self.word(word));
            self.line(depth, &text);
        }
    }

    fn instruction(&mut self, depth: usize, instruction: &Instruction) {
        let name = match instruction.kind.name() {
            "" => "INVALID",
            name => name,
        };
        let text = format!("{name} {:?} {}", instruction.keyword.value, self.at(instruction.span));
        self.line(depth, &text);
        for comment in &instruction.comments {
            let pragma = comment.pragma().map(|p| format!(" pragma {:?} {:?}", p.tool, p.value.as_str()));
            let text = format!(
                "# {:?} {}{}",
                comment.text.as_str(),
                self.at(comment.span),
                pragma.unwrap_or_default()
            );
            self.line(depth + 1, &text);
        }
        for flag in &instruction.flags {
            let value = flag.value.as_ref().map(|v| format!(" = {}", self.word(v))).unwrap_or_default();
            let text = format!("--{} {}{value}", flag.name.value, self.at(flag.span));
            self.line(depth + 1, &text);
        }
        for heredoc in &instruction.heredocs {
            let text = format!(
                "heredoc {:?} {} fd={} strip={} expand={} body {:?} {} end {}",
                heredoc.name.value,
                self.at(heredoc.operator),
                heredoc.fd,
                heredoc.strip_tabs,
                heredoc.expand,
                heredoc.body.as_str(),
                self.at(heredoc.body.span()),
                self.at(heredoc.terminator),
            );
            self.line(depth + 1, &text);
        }
        self.kind(depth + 1, instruction);
    }

    fn kind(&mut self, depth: usize, instruction: &Instruction) {
        match &instruction.kind {
            InstructionKind::From(from) => {
                self.field(depth, "platform", from.platform.as_ref());
                self.field(depth, "image", Some(&from.image));
                if let Some(alias) = &from.alias {
                    let text = format!(
                        "{} {:?} as written {:?} {}",
                        alias.keyword.value,
                        alias.name,
                        alias.written.value,
                        self.at(alias.written.span)
                    );
                    self.line(depth, &text);
                }
                if let Some(text) = &from.description {
                    self.line(depth, &format!("description {text:?}"));
                }
            }
            InstructionKind::Run(run) => {
                for mount in &run.mounts {
                    let text = match mount.resolve(&mut |word| Ok(word.as_str().to_owned())) {
                        Ok(spec) => format!("mount {} {spec:?}", self.at(mount.span)),
                        Err(problems) => format!("mount {} {} problems", self.at(mount.span), problems.len()),
                    };
                    self.line(depth, &text);
                }
                if let Some(network) = &run.network {
                    self.line(depth, &format!("network {:?}", network.value));
                }
                if let Some(security) = &run.security {
                    self.line(depth, &format!("security {:?}", security.value));
                }
                for device in &run.devices {
                    self.line(depth, &format!("device {:?}", device.value));
                }
                match &run.command {
                    RunCommand::Shell(text) => self.line(depth, &format!("shell {:?}", text.as_str())),
                    RunCommand::Exec(argv) => self.exec(depth, argv),
                    RunCommand::Script { heredoc } => self.line(depth, &format!("script heredoc {heredoc}")),
                }
                self.shell(depth, instruction);
            }
            InstructionKind::Copy(copy) => {
                self.field(depth, "from", copy.from.as_ref());
                self.field(depth, "chown", copy.chown.as_ref());
                self.field(depth, "chmod", copy.chmod.as_ref());
                self.line(depth, &format!("link={} parents={}", copy.link, copy.parents));
                copy.exclude.iter().for_each(|word| self.field(depth, "exclude", Some(word)));
                self.sources(depth, &copy.sources, &copy.dest);
            }
            InstructionKind::Add(add) => {
                self.field(depth, "chown", add.chown.as_ref());
                self.field(depth, "chmod", add.chmod.as_ref());
                self.field(depth, "checksum", add.checksum.as_ref());
                let text =
                    format!("link={} keep-git-dir={} unpack={:?}", add.link, add.keep_git_dir, add.unpack);
                self.line(depth, &text);
                add.exclude.iter().for_each(|word| self.field(depth, "exclude", Some(word)));
                self.sources(depth, &add.sources, &add.dest);
            }
            InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => self.pairs(depth, pairs),
            InstructionKind::Arg(arg) => {
                for declaration in &arg.args {
                    self.field(depth, "name", Some(&declaration.name));
                    self.field(depth + 1, "default", declaration.default.as_ref());
                    if let Some(text) = &declaration.description {
                        self.line(depth + 1, &format!("description {text:?}"));
                    }
                }
            }
            InstructionKind::Workdir(word)
            | InstructionKind::User(word)
            | InstructionKind::Stopsignal(word) => {
                self.field(depth, "value", Some(word));
            }
            InstructionKind::Expose(words) | InstructionKind::Volume(words) => {
                words.iter().for_each(|word| self.field(depth, "value", Some(word)));
            }
            InstructionKind::Cmd(command) | InstructionKind::Entrypoint(command) => {
                self.command(depth, command);
            }
            InstructionKind::Shell(argv) => self.exec(depth, argv),
            InstructionKind::Healthcheck(HealthcheckInstruction::None) => self.line(depth, "NONE"),
            InstructionKind::Healthcheck(HealthcheckInstruction::Cmd(check)) => {
                let text = format!(
                    "interval={:?} timeout={:?} start-period={:?} start-interval={:?} retries={:?}",
                    check.interval.as_ref().map(|t| t.value),
                    check.timeout.as_ref().map(|t| t.value),
                    check.start_period.as_ref().map(|t| t.value),
                    check.start_interval.as_ref().map(|t| t.value),
                    check.retries.as_ref().map(|t| t.value),
                );
                self.line(depth, &text);
                self.command(depth, &check.command);
            }
            InstructionKind::Onbuild(onbuild) => {
                self.line(depth, &format!("trigger {:?}", onbuild.trigger.as_str()));
                self.instruction(depth, &onbuild.instruction);
            }
            InstructionKind::Maintainer(text) => self.line(depth, &format!("value {:?}", text.as_str())),
            InstructionKind::Invalid => {}
        }
    }

    fn pairs(&mut self, depth: usize, pairs: &KeyValueInstruction) {
        if pairs.legacy {
            self.line(depth, "legacy");
        }
        for pair in &pairs.pairs {
            let text = format!("{} = {}", self.word(&pair.key), self.word(&pair.value));
            self.line(depth, &text);
        }
    }

    fn sources(&mut self, depth: usize, sources: &[CopySource], dest: &Word) {
        for source in sources {
            match source {
                CopySource::Path(word) => self.field(depth, "source", Some(word)),
                CopySource::Heredoc { heredoc } => self.line(depth, &format!("source heredoc {heredoc}")),
            }
        }
        self.field(depth, "dest", Some(dest));
    }

    fn command(&mut self, depth: usize, command: &Command) {
        match command {
            Command::Shell(text) => self.line(depth, &format!("shell {:?}", text.as_str())),
            Command::Exec(argv) => self.exec(depth, argv),
        }
    }

    fn exec(&mut self, depth: usize, argv: &[galley_syntax::Spanned<String>]) {
        let text: Vec<String> = argv.iter().map(|a| format!("{:?} {}", a.value, self.at(a.span))).collect();
        self.line(depth, &format!("exec [{}]", text.join(", ")));
    }

    fn shell(&mut self, depth: usize, instruction: &Instruction) {
        let Some(body) = RunBody::of(instruction) else { return };
        if let Err(error) = &body.script {
            let text = format!("{error} {}", self.at(error.span()));
            self.line(depth, &text);
        }
        for command in body.commands() {
            let assignments =
                command.assignments.iter().map(|a| format!("{}@{}", a.text.as_str(), self.at(a.text.span())));
            let words = command.words.iter().map(|w| format!("{}@{}", w.as_str(), self.at(w.span())));
            let redirects = command.redirects.iter().map(|r| {
                let target = r.target.as_ref().map(|t| format!("{:?}@{}", t.as_str(), self.at(t.span())));
                format!("{:?}{:?} {}", r.kind, r.fd, target.unwrap_or_default())
            });
            let parts: Vec<String> = assignments.chain(words).chain(redirects).collect();
            let text = format!("$ {}: {}", self.at(command.span), parts.join("  "));
            self.line(depth, &text);
        }
    }
}
