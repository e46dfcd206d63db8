//! RUN: one process on a prepared layer.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use galley_image::{Change, Entry, Kind, Tree};
use galley_plan::{Network, Run, VertexId};
use galley_sandbox::{Io, Output, Process, Root, Stdin, Stream};
use galley_store::Snapshot;

use super::step::{Inputs, Made};
use super::{Failure, Solver, step_id};
use crate::error::StepProblem;
use crate::events::{self, Event};
use crate::host_files::HOSTNAME;
use crate::journal::StepFacts;
use crate::mask::Mask;
use crate::process_user;
use crate::rooted;
use crate::secret_scan::SecretScan;

/// Lines of output that are kept for the message about a failure. All of it goes to the events.
const TAIL: usize = 40;

impl Solver<'_> {
    /// Runs a step's process and commits what it changed.
    pub(super) fn run(
        &self,
        id: VertexId,
        run: &Run,
        inputs: &Inputs,
        facts: &StepFacts,
    ) -> Result<Made, Failure> {
        let cause = self.explain(id, facts, None, None);
        self.tell(&Event::Ran { step: step_id(id), why: cause.to_string() });
        let parent = inputs.parent.as_ref().map(|parent| self.snapshot_of(parent)).transpose()?.flatten();
        let mut prepared = self.world.store.prepare(parent.map(|parent| parent.id), self.lease)?;
        let tree = prepared.parent_tree()?;
        let mounted = self.mounts(id, run, inputs)?;
        let root = prepared.root()?;
        let mut process = self.process(run, parent, &tree)?;
        process.mounts = mounted.mounts.clone();
        process
            .env
            .extend(mounted.env.iter().map(|(name, value)| (name.into(), OsString::from_vec(value.clone()))));

        let mut log = Log::new(self, id, &mounted.secrets);
        let mut take = |stream: Stream, bytes: &[u8]| log.take(stream, bytes);
        let io = Io { stdin: Stdin::Null, output: Output::Callback(&mut take) };
        let (exit, stubs) =
            rooted::run(self.world.sandbox, &prepared, root, &tree, process, io, self.world.cancel)?;
        let tail = log.finish();
        if !exit.success() {
            let store = self.world.store;
            let problem = match store.is_full() {
                true => StepProblem::OutOfSpace { exit, store: store.root().into() },
                false => StepProblem::Exit(exit),
            };
            return Err(Failure::Problem(problem, tail));
        }
        let snapshot = prepared.commit_walked(&stubs)?;
        self.refuse_secrets(&snapshot, &mounted.secrets)?;
        Ok(Made { snapshot, cause })
    }

    fn process(&self, run: &Run, parent: Option<Snapshot>, tree: &Tree) -> Result<Process, StepProblem> {
        let (passwd, group) = self.accounts(parent, tree)?;
        let user = process_user::resolve(&run.user, &passwd, &group)?;
        let site = self.world.site.variables();
        let mut env: Vec<(String, String)> = run.env.clone();
        for (name, value) in run.proxies.iter().chain(&site) {
            env.retain(|(other, _)| other != name);
            env.push((name.clone(), value.clone()));
        }
        if !env.iter().any(|(name, _)| name == "HOME") {
            env.push(("HOME".into(), user.home.clone()));
        }
        let mut process = Process::new(Root::Directory(PathBuf::new()), run.args.iter());
        process.env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        process.cwd = (&run.cwd).into();
        process.user = user.ids;
        process.network = match run.network {
            Network::Host => galley_sandbox::Network::Host,
            Network::None => galley_sandbox::Network::None,
        };
        process.hostname = Some(HOSTNAME.into());
        Ok(process)
    }

    fn refuse_secrets(&self, snapshot: &Snapshot, secrets: &[(String, Vec<u8>)]) -> Result<(), StepProblem> {
        let scan = SecretScan::new(secrets.iter().map(|(id, value)| (id.as_str(), value.as_slice())));
        if scan.is_empty() {
            return Ok(());
        }
        for (path, change) in &*self.world.store.diff(snapshot.layer)? {
            let Change::Put { entry: Entry { kind: Kind::File(_), .. }, .. } = change else { continue };
            let file = self.world.store.file_path(snapshot.layer, path);
            let found =
                scan.find_in(&file).map_err(|source| StepProblem::Io { path: path.display(), source })?;
            if let Some(id) = found {
                return Err(StepProblem::SecretInLayer { id: id.into(), path: path.clone() });
            }
        }
        Ok(())
    }
}

/// The output of one step on its way to the events: secrets masked, the last lines kept.
struct Log<'s> {
    solver: &'s Solver<'s>,
    id: VertexId,
    masks: [Mask; 2],
    tail: VecDeque<String>,
    line: Vec<u8>,
}

impl<'s> Log<'s> {
    fn new(solver: &'s Solver<'_>, id: VertexId, secrets: &[(String, Vec<u8>)]) -> Self {
        let mask = || Mask::new(secrets.iter().map(|(_, value)| value.as_slice()));
        Self { solver, id, masks: [mask(), mask()], tail: VecDeque::new(), line: Vec::new() }
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        let (index, stream) = match stream {
            Stream::Stdout => (0, events::Stream::Stdout),
            Stream::Stderr => (1, events::Stream::Stderr),
        };
        let shown = self.masks[index].pass(bytes);
        self.show(stream, shown);
    }

    fn finish(mut self) -> Vec<String> {
        for (index, stream) in [events::Stream::Stdout, events::Stream::Stderr].into_iter().enumerate() {
            let rest = self.masks[index].finish();
            self.show(stream, rest);
        }
        if !self.line.is_empty() {
            self.keep_line();
        }
        self.tail.into()
    }

    fn show(&mut self, stream: events::Stream, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        for byte in &bytes {
            match byte {
                b'\n' => self.keep_line(),
                byte => self.line.push(*byte),
            }
        }
        self.solver.tell(&Event::Output { step: step_id(self.id), stream, bytes });
    }

    fn keep_line(&mut self) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        // A progress bar rewrites its line: what stood last is what counts.
        let last = self.line.split(|byte| *byte == b'\r').rfind(|part| !part.is_empty()).unwrap_or_default();
        self.tail.push_back(String::from_utf8_lossy(last).into_owned());
        self.line.clear();
    }
}
