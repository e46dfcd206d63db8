//! RUN: a process in the stage's root file system.

use galley_syntax::ast::{NetworkMode, RunCommand, RunInstruction};
use galley_syntax::{Instruction, SourceText};

use super::Fold;
use crate::lower::refuse;
use crate::op::{Network, Op, Run, Script};
use crate::scope::PROXIES;

/// Where here-documents that are programs appear.
const SCRIPTS: &str = "/dev/pipes/";

impl Fold<'_, '_> {
    pub(super) fn run(&mut self, instruction: &Instruction, run: &RunInstruction) {
        let options = &self.world.stages.options;
        let platform = &self.world.stage.platform;
        self.findings.extend(refuse::privileges(run));
        self.findings.extend(refuse::foreign_platform(
            instruction.keyword.span,
            platform,
            &options.build_platform,
        ));
        let network = match run.network.as_ref().map(|network| network.value) {
            None | Some(NetworkMode::Default) => options.network,
            Some(NetworkMode::Host) => Network::Host,
            Some(NetworkMode::None) => Network::None,
        };
        let mounts = self.mounts(&run.mounts);
        let (args, script) = self.process(instruction, &run.command);
        let created_by = self.run_history(&args, script.as_ref());
        let op = Op::Run(Run {
            args,
            env: self.state.scope.variables().to_vec(),
            cwd: self.cwd(),
            user: self.state.config.config.user.clone(),
            network,
            mounts: mounts.files,
            secret_env: mounts.secret_env,
            script,
            proxies: self.proxies(),
        });
        let id = self.stack(op, mounts.sources, instruction);
        self.history(created_by, Some(id));
    }

    fn process(&self, instruction: &Instruction, command: &RunCommand) -> (Vec<String>, Option<Script>) {
        match command {
            RunCommand::Shell(text) => (self.in_shell(text.as_str()), None),
            RunCommand::Exec(args) => (args.iter().map(|arg| arg.value.clone()).collect(), None),
            RunCommand::Script { heredoc } => {
                let heredoc = instruction.heredocs.get(*heredoc);
                let name = heredoc.map_or("", |heredoc| heredoc.name.value.as_str());
                let content = heredoc.map_or("", |heredoc| SourceText::as_str(&heredoc.body));
                let path = format!("{SCRIPTS}{}", name.replace('/', "_"));
                (vec![path.clone()], Some(Script { path, content: content.to_owned() }))
            }
        }
    }

    /// `RUN |2 A=b C=d /bin/sh -c make`: the declared arguments stand in front, as docker writes them.
    fn run_history(&self, args: &[String], script: Option<&Script>) -> String {
        let arguments = self.state.scope.arguments();
        let mut words = vec!["RUN".to_owned()];
        if arguments.len() > 0 {
            words.push(format!("|{}", arguments.len()));
            words.extend(arguments.map(|(name, value)| format!("{name}={value}")));
        }
        words.extend(args.iter().cloned());
        match script {
            Some(script) => format!("{} # {}", words.join(" "), script.content.trim_end()),
            None => words.join(" "),
        }
    }

    /// Proxy settings given as build arguments, in capitals and in lower case, unless a variable of that name is set.
    fn proxies(&self) -> Vec<(String, String)> {
        let given = &self.world.stages.options.build_args;
        let mut found = Vec::new();
        for upper in PROXIES {
            let lower = upper.to_ascii_lowercase();
            let Some(value) = given.get(upper).or_else(|| given.get(&lower)) else { continue };
            for name in [upper.to_owned(), lower] {
                if self.state.scope.get(&name).is_none() {
                    found.push((name.clone(), given.get(&name).unwrap_or(value).clone()));
                }
            }
        }
        found
    }
}
