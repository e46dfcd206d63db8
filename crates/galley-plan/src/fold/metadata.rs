//! Instructions that only say something about the image: they fold into its configuration and cost nothing.

use galley_image::Healthcheck;
use galley_image::config::Empty;
use galley_syntax::ast::{
    ArgInstruction, Command, HealthcheckCommand, HealthcheckInstruction, KeyValueInstruction,
};
use galley_syntax::{Diagnostic, Instruction, InstructionKind, Spanned, Word, port};

use super::history::{as_written, listed, quoted};
use super::{Fold, values};
use crate::op::{Mkdir, Op};
use crate::path;

/// The shell of the shell form where SHELL sets none.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl Fold<'_, '_> {
    pub(super) fn metadata(&mut self, instruction: &Instruction) {
        let created_by = match &instruction.kind {
            InstructionKind::Env(env) => self.env(env),
            InstructionKind::Label(label) => self.label(label),
            InstructionKind::Arg(arg) => self.arg(arg),
            InstructionKind::User(user) => self.user(user),
            InstructionKind::Expose(ports) => self.expose(ports),
            InstructionKind::Volume(paths) => self.volume(paths),
            InstructionKind::Cmd(command) => Some(self.cmd(command)),
            InstructionKind::Entrypoint(command) => Some(self.entrypoint(command)),
            InstructionKind::Shell(shell) => Some(self.set_shell(shell)),
            InstructionKind::Healthcheck(check) => Some(self.healthcheck(instruction, check)),
            InstructionKind::Stopsignal(signal) => self.stop_signal(signal),
            InstructionKind::Onbuild(onbuild) => {
                self.state.config.config.on_build.push(onbuild.trigger.as_str().to_owned());
                // As in docker's history: what a trigger did is told where it ran.
                None
            }
            InstructionKind::Maintainer(author) => {
                self.state.config.author = Some(author.as_str().to_owned());
                Some(format!("MAINTAINER {}", author.as_str()))
            }
            InstructionKind::From(_)
            | InstructionKind::Run(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Add(_)
            | InstructionKind::Workdir(_)
            | InstructionKind::Invalid => None,
        };
        if let Some(created_by) = created_by {
            self.history(created_by, None);
        }
    }

    /// The pairs, all expanded with the variables from before the instruction.
    fn pairs(&mut self, instruction: &KeyValueInstruction) -> Option<Vec<(String, String)>> {
        let mut pairs = Some(Vec::new());
        for pair in &instruction.pairs {
            let (key, value) = (self.text(&pair.key), self.text(&pair.value));
            if key.as_deref() == Some("") {
                let empty = Diagnostic::error("empty-name", pair.key.span(), "the name came out empty");
                self.findings.push(empty.help("write `NAME=value`"));
                pairs = None;
            }
            pairs = pairs.zip(key.zip(value)).map(|(mut pairs, pair)| {
                pairs.push(pair);
                pairs
            });
        }
        pairs
    }

    fn env(&mut self, instruction: &KeyValueInstruction) -> Option<String> {
        let pairs = self.pairs(instruction)?;
        for (name, value) in &pairs {
            self.state.scope.set(name, value);
            let entry = format!("{name}={value}");
            let env = &mut self.state.config.config.env;
            let same = |known: &&mut String| {
                known.split_once('=').map_or(known.as_str(), |(known, _)| known) == name
            };
            match env.iter_mut().find(same) {
                Some(known) => *known = entry,
                None => env.push(entry),
            }
        }
        Some(joined("ENV", &pairs))
    }

    fn label(&mut self, instruction: &KeyValueInstruction) -> Option<String> {
        let pairs = self.pairs(instruction)?;
        self.state.config.config.labels.extend(pairs.iter().cloned());
        Some(joined("LABEL", &pairs))
    }

    fn arg(&mut self, instruction: &ArgInstruction) -> Option<String> {
        let stages = self.world.stages;
        let inherited = |name: &str| stages.globals.get(name).map(str::to_owned);
        let mut text = "ARG".to_owned();
        for declaration in &instruction.args {
            let mut scope = std::mem::take(&mut self.state.scope);
            let (mut expander, _) = self.expander();
            let declared = scope.declare(declaration, &stages.options, inherited, &mut expander);
            self.state.scope = scope;
            let (name, value) = declared?;
            text.push(' ');
            text.push_str(&name);
            if let Some(value) = value {
                text.push('=');
                text.push_str(&value);
            }
        }
        Some(text)
    }

    fn user(&mut self, word: &Word) -> Option<String> {
        let user = self.not_empty(
            word,
            "the user",
            "write a name or number, such as `USER app` or `USER 1000:1000`",
        )?;
        self.state.config.config.user.clone_from(&user);
        Some(format!("USER {user}"))
    }

    fn expose(&mut self, words: &[Word]) -> Option<String> {
        let mut shown = Vec::new();
        for word in words {
            let (mut expander, scope) = self.expander();
            for text in expander.expand(word, scope)?.words {
                match port::parse(&text) {
                    Ok(range) => {
                        shown.push(values::ports(&range));
                        let ports = &mut self.state.config.config.exposed_ports;
                        ports
                            .extend(range.ports.map(|port| (format!("{port}/{}", range.protocol), Empty {})));
                    }
                    Err(error) => {
                        let problem = Diagnostic::error("invalid-port", word.span(), error.to_string());
                        let help = "write PORT, PORT/tcp, PORT/udp or a range such as 8000-8010";
                        self.findings.push(problem.help(help));
                    }
                }
            }
        }
        Some(format!("EXPOSE {}", listed(&shown)))
    }

    fn volume(&mut self, words: &[Word]) -> Option<String> {
        let mut paths = Vec::new();
        for word in words {
            paths.push(self.not_empty(
                word,
                "the volume's path",
                "write an absolute path, such as `/data`",
            )?);
        }
        self.state.config.config.volumes.extend(paths.iter().map(|path| (path.clone(), Empty {})));
        Some(format!("VOLUME {}", listed(&paths)))
    }

    fn cmd(&mut self, command: &Command) -> String {
        let args = self.command(command);
        let text = format!("CMD {}", quoted(&args));
        self.state.config.config.cmd = Some(args).filter(|args| !args.is_empty());
        self.state.config.config.args_escaped = None;
        self.state.command_set = true;
        text
    }

    fn entrypoint(&mut self, command: &Command) -> String {
        let args = self.command(command);
        let text = format!("ENTRYPOINT {}", quoted(&args));
        self.state.config.config.entrypoint = Some(args).filter(|args| !args.is_empty());
        if !self.state.command_set {
            self.state.config.config.cmd = None;
        }
        text
    }

    fn set_shell(&mut self, shell: &[Spanned<String>]) -> String {
        let shell: Vec<String> = shell.iter().map(|word| word.value.clone()).collect();
        let text = format!("SHELL {}", listed(&shell));
        self.state.config.config.shell = Some(shell);
        text
    }

    fn healthcheck(&mut self, instruction: &Instruction, check: &HealthcheckInstruction) -> String {
        self.state.config.config.healthcheck = Some(match check {
            HealthcheckInstruction::None => {
                Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() }
            }
            HealthcheckInstruction::Cmd(check) => healthcheck(check),
        });
        as_written("HEALTHCHECK", &instruction.text, &instruction.keyword.value)
    }

    fn stop_signal(&mut self, word: &Word) -> Option<String> {
        let signal = self.text(word)?;
        if !values::is_signal(&signal) {
            let text = format!("`{signal}` is no signal");
            let problem = Diagnostic::error("invalid-signal", word.span(), text);
            self.findings.push(problem.help("write a name such as `SIGTERM`, or a number from 1 to 64"));
            return None;
        }
        self.state.config.config.stop_signal = Some(signal.clone());
        Some(format!("STOPSIGNAL {signal}"))
    }

    pub(super) fn workdir(&mut self, instruction: &Instruction, word: &Word) {
        let Some(written) = self.not_empty(word, "the directory", "write a path, such as `WORKDIR /app`")
        else {
            return;
        };
        let path = path::join(&self.cwd(), &written);
        self.state.config.config.working_dir.clone_from(&path);
        // The root is always there.
        let vertex = (path != "/").then(|| {
            let owner = self.state.config.config.user.clone();
            self.stack(Op::Mkdir(Mkdir { path: path.clone(), owner }), Vec::new(), instruction)
        });
        self.history(format!("WORKDIR {path}"), vertex);
    }

    /// The argument vector of a command, with SHELL in front of the shell form.
    pub(super) fn command(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(args) => args.iter().map(|arg| arg.value.clone()).collect(),
            Command::Shell(text) => self.in_shell(text.as_str()),
        }
    }

    pub(super) fn in_shell(&self, text: &str) -> Vec<String> {
        let shell = self.state.config.config.shell.clone().filter(|shell| !shell.is_empty());
        let mut args = shell.unwrap_or_else(|| DEFAULT_SHELL.map(str::to_owned).to_vec());
        args.push(text.to_owned());
        args
    }

    fn not_empty(&mut self, word: &Word, what: &str, help: &str) -> Option<String> {
        let text = self.text(word)?;
        if text.is_empty() {
            let problem = Diagnostic::error("empty-value", word.span(), format!("{what} came out empty"));
            self.findings.push(problem.help(help));
            return None;
        }
        Some(text)
    }
}

fn healthcheck(check: &HealthcheckCommand) -> Healthcheck {
    let test = match &check.command {
        Command::Shell(text) => vec!["CMD-SHELL".to_owned(), text.as_str().to_owned()],
        Command::Exec(args) => {
            ["CMD".to_owned()].into_iter().chain(args.iter().map(|arg| arg.value.clone())).collect()
        }
    };
    let nanos = |time: &Option<Spanned<std::time::Duration>>| {
        time.as_ref().map_or(0, |time| u64::try_from(time.value.as_nanos()).unwrap_or(u64::MAX))
    };
    Healthcheck {
        test,
        interval: nanos(&check.interval),
        timeout: nanos(&check.timeout),
        start_period: nanos(&check.start_period),
        start_interval: nanos(&check.start_interval),
        retries: check.retries.as_ref().map_or(0, |retries| retries.value.into()),
    }
}

fn joined(keyword: &str, pairs: &[(String, String)]) -> String {
    let mut text = keyword.to_owned();
    for (name, value) in pairs {
        text.push(' ');
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}
