//! COPY and ADD: files of sources go into the stage's root file system.

use galley_syntax::ast::{self, AddInstruction, CopyInstruction, Word};
use galley_syntax::mode::Mode;
use galley_syntax::{Diagnostic, Instruction};

use super::{Fold, values};
use crate::lower::refuse;
use crate::op::{Copy, CopySource, InlineFile, Op, Unpack};
use crate::path;
use crate::plan::VertexId;
use crate::stages::{Source, Wanted};

/// Permission bits of a file written in the Dockerfile.
const INLINE_MODE: u32 = 0o644;

/// What COPY and ADD have in common.
pub(super) struct Transfer<'i> {
    keyword: &'static str,
    from: Option<&'i Word>,
    chown: Option<&'i Word>,
    chmod: Option<&'i Word>,
    link: bool,
    parents: bool,
    exclude: &'i [Word],
    unpack: Unpack,
    sources: &'i [ast::CopySource],
    dest: &'i Word,
}

impl<'i> From<&'i CopyInstruction> for Transfer<'i> {
    fn from(copy: &'i CopyInstruction) -> Self {
        Self {
            keyword: "COPY",
            from: copy.from.as_ref(),
            chown: copy.chown.as_ref(),
            chmod: copy.chmod.as_ref(),
            link: copy.link,
            parents: copy.parents,
            exclude: &copy.exclude,
            unpack: Unpack::Never,
            sources: &copy.sources,
            dest: &copy.dest,
        }
    }
}

/// The sources of a transfer while they are collected.
#[derive(Default)]
struct Gathered {
    sources: Vec<CopySource>,
    vertices: Vec<VertexId>,
    files: Vec<InlineFile>,
    /// As they read in the history.
    shown: Vec<String>,
}

impl Fold<'_, '_> {
    pub(super) fn add(&mut self, instruction: &Instruction, add: &AddInstruction) {
        if let Some(checksum) = &add.checksum {
            let text =
                "`--checksum` is for files from the network; the content of local files is always verified";
            let problem = Diagnostic::error("checksum-of-local-file", checksum.span(), text);
            self.findings.push(problem.help("delete `--checksum`"));
        }
        if add.keep_git_dir {
            let span = instruction.flag("keep-git-dir").map_or(instruction.span, |flag| flag.span);
            let text = "`--keep-git-dir` has no effect on local files";
            self.findings.push(Diagnostic::warning("keep-git-dir", span, text).help("delete it"));
        }
        let transfer = Transfer {
            keyword: "ADD",
            from: None,
            chown: add.chown.as_ref(),
            chmod: add.chmod.as_ref(),
            link: add.link,
            parents: false,
            exclude: &add.exclude,
            unpack: match add.unpack {
                None => Unpack::Auto,
                Some(true) => Unpack::Always,
                Some(false) => Unpack::Never,
            },
            sources: &add.sources,
            dest: &add.dest,
        };
        self.copy(instruction, &transfer);
    }

    pub(super) fn copy(&mut self, instruction: &Instruction, transfer: &Transfer<'_>) {
        let dest = self.text(transfer.dest);
        let chown = transfer.chown.map(|word| self.owner(word, transfer.link));
        let chmod = transfer.chmod.map(|word| self.mode(word));
        let exclude: Option<Vec<String>> = transfer.exclude.iter().map(|word| self.text(word)).collect();
        let gathered = self.gather(instruction, transfer);
        // Everything has been looked at, so that one run reports every problem; any of them ends here.
        let (Some(dest), Some(exclude), Some(gathered)) = (dest, exclude, gathered) else { return };
        if chown == Some(None) || chmod == Some(None) {
            return;
        }
        if gathered.sources.len() > 1 && !path::names_directory(&dest) {
            // Whether it is one is known when the step runs; files that cannot go there end the build then.
            let text = format!("several sources need a directory as destination, and `{dest}` may be none");
            let problem = Diagnostic::warning("destination-not-directory", transfer.dest.span(), text);
            self.findings.push(problem.help(format!("write `{dest}/`")));
        }
        let copy = Copy {
            sources: gathered.sources,
            dest: path::destination(&self.cwd(), &dest),
            chown: chown.flatten(),
            chmod: chmod.flatten(),
            exclude,
            parents: transfer.parents,
            link: transfer.link,
            unpack: transfer.unpack,
        };
        let created_by = history(transfer, &copy, &gathered.shown, &dest);
        let id = self.place_copy(copy, gathered.vertices, instruction);
        self.history(created_by, Some(id));
    }

    /// A linked copy is made on nothing and stacked by a step of its own.
    fn place_copy(&mut self, copy: Copy, sources: Vec<VertexId>, instruction: &Instruction) -> VertexId {
        if !copy.link {
            return self.stack(Op::Copy(copy), sources, instruction);
        }
        // Both vertices are the same step of the stage: the merge counts it.
        self.steps += 1;
        let layer = self.vertex(Op::Copy(copy), None, sources, instruction);
        self.steps -= 1;
        self.stack(Op::Merge, vec![layer], instruction)
    }

    fn gather(&mut self, instruction: &Instruction, transfer: &Transfer<'_>) -> Option<Gathered> {
        let mut gathered = Gathered::default();
        let from = match transfer.from {
            Some(word) => self.named_source(word.as_str(), word.span(), Wanted::Copy)?,
            None => Source::Directory(String::new()),
        };
        let mut complete = true;
        let mut inline = Vec::new();
        for source in transfer.sources {
            match source {
                ast::CopySource::Path(word) => match self.pattern(word, transfer) {
                    Some(pattern) => {
                        let id = self.source(&from);
                        let source = gathered.index(id);
                        gathered.shown.push(pattern.clone());
                        gathered.sources.push(CopySource { source, pattern });
                    }
                    None => complete = false,
                },
                ast::CopySource::Heredoc { heredoc } => match self.inline_file(instruction, *heredoc) {
                    Some(file) => {
                        inline.push(gathered.sources.len());
                        gathered.shown.push(format!("<<{}", file.name));
                        gathered.sources.push(CopySource { source: usize::MAX, pattern: file.name.clone() });
                        gathered.files.push(file);
                    }
                    None => complete = false,
                },
            }
        }
        if !gathered.files.is_empty() {
            let id = self.inline_vertex(std::mem::take(&mut gathered.files));
            let index = gathered.index(id);
            for place in inline {
                if let Some(source) = gathered.sources.get_mut(place) {
                    source.source = index;
                }
            }
        }
        complete.then_some(gathered)
    }

    fn inline_vertex(&mut self, files: Vec<InlineFile>) -> VertexId {
        let names: Vec<String> = files.iter().map(|file| format!("<<{}", file.name)).collect();
        let stage = self.world.stage;
        let origin = self.world.stages.origin(stage, self.origin, None);
        self.graph.add(crate::plan::Vertex {
            op: Op::Inline(files),
            platform: self.world.stages.options.platform.clone(),
            parent: None,
            sources: Vec::new(),
            origin,
            also: Vec::new(),
            label: format!("inline {}", names.join(" ")),
        })
    }

    fn pattern(&mut self, word: &Word, transfer: &Transfer<'_>) -> Option<String> {
        let text = self.text(word)?;
        if text.is_empty() {
            let empty = Diagnostic::error("empty-source", word.span(), "this source came out empty");
            self.findings.push(empty.help("write `.` for the whole source, or set the variable in it"));
            return None;
        }
        if transfer.keyword == "ADD" {
            if let Some(problem) = refuse::remote(&text, word.span()) {
                self.findings.push(problem);
                return None;
            }
        } else if refuse::is_http(&text) {
            let problem = Diagnostic::error("copy-from-url", word.span(), "COPY does not take a URL");
            self.findings
                .push(problem.help("fetch it in a RUN step that checks its digest, or before the build"));
            return None;
        }
        Some(text)
    }

    fn inline_file(&mut self, instruction: &Instruction, index: usize) -> Option<InlineFile> {
        let heredoc = instruction.heredocs.get(index)?;
        let name = heredoc.name.value.clone();
        if name.contains('/') || name == "." || name == ".." {
            let text = format!("`{name}` cannot be the name of a file written here");
            let problem = Diagnostic::error("heredoc-name", heredoc.name.span, text);
            self.findings.push(problem.help("a name is one path component, such as `<<config`"));
            return None;
        }
        let content = if heredoc.expand {
            let (mut expander, scope) = self.expander();
            expander.heredoc(&heredoc.body, scope)?
        } else {
            heredoc.body.as_str().to_owned()
        };
        Some(InlineFile { name, content: content.into_bytes(), mode: INLINE_MODE })
    }

    fn owner(&mut self, word: &Word, link: bool) -> Option<String> {
        let mut owner = self.text(word)?;
        // A group alone is root's, as in docker.
        if owner.len() > 1 && owner.starts_with(':') {
            owner.insert(0, '0');
        }
        let problem = if !values::is_owner(&owner) {
            Diagnostic::error("invalid-owner", word.span(), format!("`{owner}` is no owner"))
                .help("write `user`, `user:group` or numbers, such as `--chown=1000:1000`")
        } else if link && !values::is_numeric_owner(&owner) {
            let text = format!("`--link` cannot look up `{owner}`: a linked layer does not know its base");
            Diagnostic::error("link-owner-by-name", word.span(), text)
                .help("write numbers, such as `--chown=1000:1000`, or delete `--link`")
        } else {
            return Some(owner);
        };
        self.findings.push(problem);
        None
    }

    fn mode(&mut self, word: &Word) -> Option<Mode> {
        let text = self.text(word)?;
        match refuse::mode(&text, word.span()) {
            Ok(mode) => Some(mode),
            Err(problem) => {
                self.findings.push(problem);
                None
            }
        }
    }
}

impl Gathered {
    /// The index of a vertex among the sources.
    fn index(&mut self, id: VertexId) -> usize {
        self.vertices.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.vertices.push(id);
            self.vertices.len() - 1
        })
    }
}

/// `COPY --from=builder --chown=app /app/dist ./dist`.
fn history(transfer: &Transfer<'_>, copy: &Copy, sources: &[String], dest: &str) -> String {
    let mut words = vec![transfer.keyword.to_owned()];
    words.extend(transfer.from.map(|from| format!("--from={}", from.as_str())));
    words.extend(copy.chown.as_ref().map(|owner| format!("--chown={owner}")));
    words.extend(copy.chmod.as_ref().map(|mode| format!("--chmod={mode}")));
    words.extend(copy.link.then(|| "--link".to_owned()));
    words.extend(copy.parents.then(|| "--parents".to_owned()));
    words.extend(copy.exclude.iter().map(|pattern| format!("--exclude={pattern}")));
    words.extend((transfer.keyword == "ADD").then_some(copy.unpack).and_then(|unpack| match unpack {
        Unpack::Auto => None,
        Unpack::Always => Some("--unpack".to_owned()),
        Unpack::Never => Some("--unpack=false".to_owned()),
    }));
    words.extend(sources.iter().cloned());
    words.push(dest.to_owned());
    words.join(" ")
}
