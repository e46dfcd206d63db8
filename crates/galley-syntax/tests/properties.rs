//! What holds for any input: nothing panics, every byte comes back, and every map is true.

use galley_syntax::ast::{InstructionKind, RunCommand, Word};
use galley_syntax::expand::{expand, expand_heredoc};
use galley_syntax::glob::Glob;
use galley_syntax::ignore::IgnoreFile;
use galley_syntax::shell::RunBody;
use galley_syntax::{Instruction, Parsed, SourceText, apply, parse, parse_fragment};
use proptest::prelude::*;

/// Pieces of Dockerfiles that mean something to the parser, to be mixed at random.
const SOUP: &[&str] = &[
    "FROM ",
    "RUN ",
    "COPY ",
    "ADD ",
    "ENV ",
    "ARG ",
    "LABEL ",
    "CMD ",
    "ENTRYPOINT ",
    "SHELL ",
    "EXPOSE ",
    "USER ",
    "VOLUME ",
    "WORKDIR ",
    "HEALTHCHECK ",
    "STOPSIGNAL ",
    "ONBUILD ",
    "MAINTAINER ",
    "NONE",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\\\n",
    "\\ \n",
    "`\n",
    "\\",
    "`",
    "# ",
    "# escape=`\n",
    "# syntax=x\n",
    "# check=skip=a\n",
    "# name text\n",
    " ",
    "\t",
    "<<EOF",
    "<<-'EOF'",
    "<< EOF",
    "3<<\"A B\"",
    "EOF",
    "\nEOF\n",
    "--mount=",
    "type=cache,target=/x",
    "--from=",
    "--chmod=",
    "--link",
    "--interval=",
    "5s",
    "--",
    "[",
    "]",
    "\"",
    "'",
    ",",
    "[\"a\", \"b\"]",
    "\\u00e9",
    "$",
    "${",
    "}",
    ":-",
    "#",
    "%",
    "/",
    "x",
    "=",
    "a=b",
    "&&",
    "||",
    "|",
    ";",
    "(",
    ")",
    "if ",
    "then ",
    "fi",
    "é",
    "\u{FEFF}",
    "\u{a0}",
    "AS ",
    "8080/tcp",
    "$(",
    "{ ",
    "#!/bin/sh\n",
    "!",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        20 => prop::sample::select(SOUP).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn check_map(text: &SourceText, source: &[u8]) {
    let mut mapped = 0;
    for (run, span) in text.runs() {
        assert!(run.start >= mapped, "runs overlap");
        mapped = run.end;
        assert_eq!(text.as_str()[run.clone()].as_bytes(), span.of(source), "a run differs from the file");
        assert!(text.span().contains(span), "{span:?} outside {:?}", text.span());
        assert_eq!(text.file_offset(run.start), Some(span.start));
        assert_eq!(text.span_of(run), span);
    }
}

fn check_instruction(instruction: &Instruction, source: &[u8]) {
    check_map(&instruction.text, source);
    assert!(instruction.span.end as usize <= source.len());
    assert!(instruction.span.contains(instruction.keyword.span));
    for heredoc in &instruction.heredocs {
        check_map(&heredoc.raw, source);
        check_map(&heredoc.body, source);
        assert!(instruction.span.contains(heredoc.operator));
    }
    match &instruction.kind {
        InstructionKind::Run(run) => {
            if let RunCommand::Shell(text) = &run.command {
                check_map(text, source);
            }
        }
        InstructionKind::Env(env) | InstructionKind::Label(env) => {
            for word in env.pairs.iter().flat_map(|pair| [&pair.key, &pair.value]) {
                check_map(&word.0, source);
            }
        }
        InstructionKind::Onbuild(onbuild) => {
            check_map(&onbuild.trigger, source);
            check_instruction(&onbuild.instruction, source);
        }
        _ => {}
    }
    if let Some(body) = RunBody::of(instruction) {
        check_map(&body.text, source);
        for command in body.commands() {
            assert!(command.span.end as usize <= source.len());
            for word in &command.words {
                check_map(&word.text, source);
                assert!(!word.as_str().starts_with([' ', '\t']), "{:?}", word.as_str());
            }
        }
    }
}

fn check(parsed: &Parsed, source: &[u8]) {
    assert_eq!(parsed.print(), source);
    for instruction in &parsed.instructions {
        check_instruction(instruction, source);
    }
    for diagnostic in &parsed.diagnostics {
        assert!(diagnostic.span.end as usize <= source.len(), "{diagnostic:?}");
        assert!(!diagnostic.help.is_empty(), "{diagnostic:?} says not what to do");
        for fix in &diagnostic.fixes {
            let fixed = apply(source, &fix.edits).expect("a fix applies");
            assert_ne!(fixed, source, "{fix:?} changes nothing");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(source in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&parse(&source), &source);
    }

    #[test]
    fn instruction_soup(source in soup()) {
        check(&parse(&source), &source);
        let mut with_from = b"FROM x\nRUN ".to_vec();
        with_from.extend(&source);
        check(&parse(&with_from), &with_from);
        check(&parse_fragment(&source), &source);
    }

    #[test]
    fn an_onbuild_trigger_parses_back(pieces in prop::collection::vec(prop::sample::select(SOUP), 1..12)) {
        let line: String = pieces.into_iter().filter(|piece| !piece.contains(['\n', '\r'])).collect();
        let heredoc = if line.contains("<<") { "body $x\nEOF\n" } else { "" };
        let file = format!("FROM x\nONBUILD RUN run {line}\n{heredoc}");
        let parsed = parse(file.as_bytes());
        if parsed.has_errors() {
            return Ok(());
        }
        let InstructionKind::Onbuild(onbuild) = &parsed.instructions[1].kind else { panic!("no ONBUILD") };
        // What follows a backslash here is trimmed off with the line's end (a no-break space is white space), and then the trigger,
        // a file of its own when it runs, ends with a continuation. Docker stores and reads it so too.
        if onbuild.trigger.as_str().ends_with('\\') {
            return Ok(());
        }
        let again = parse_fragment(onbuild.trigger.as_str().as_bytes());
        prop_assert_eq!(again.instructions.len(), 1);
        let (InstructionKind::Run(a), InstructionKind::Run(b)) = (&onbuild.instruction.kind, &again.instructions[0].kind)
        else { panic!("no RUN") };
        match (&a.command, &b.command) {
            (RunCommand::Shell(a), RunCommand::Shell(b)) => prop_assert_eq!(a.as_str(), b.as_str()),
            (RunCommand::Exec(a), RunCommand::Exec(b)) => {
                let values = |argv: &[galley_syntax::Spanned<String>]| argv.iter().map(|a| a.value.clone()).collect::<Vec<_>>();
                prop_assert_eq!(values(a), values(b));
            }
            (a, b) => prop_assert_eq!(a, b),
        }
    }

    #[test]
    fn expansion_never_panics(text in "[a${}:?+#%/*\\\\\"'` \né-]{0,40}") {
        let lookup = |name: &str| (name != "a").then(|| format!("{name} v/a"));
        let source = SourceText::synthetic(text.clone(), galley_syntax::Span::default());
        let _ = expand(&Word(source.clone()), '\\', &lookup);
        let _ = expand(&Word(source.clone()), '`', &lookup);
        let _ = expand_heredoc(&source, &lookup);
    }

    #[test]
    fn words_without_specials_stay(text in "[a-zA-Z0-9 ./=:,_-]{0,40}") {
        let source = SourceText::synthetic(text.clone(), galley_syntax::Span::default());
        let expanded = expand(&Word(source), '\\', &|_| None).expect("plain");
        prop_assert_eq!(expanded.text, text.clone());
        prop_assert_eq!(expanded.words, text.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn ignore_walks_agree(
        file in "([!/]?[ab*?.]{1,3}(/[ab*]{1,3}){0,2}\n){1,5}",
        path in "[abc]{1,2}(/[abc]{1,2}){0,4}",
    ) {
        let (ignore, _) = IgnoreFile::parse(file.as_bytes());
        let mut state = ignore.root();
        let mut pruned = false;
        for (at, _) in path.match_indices('/') {
            state = ignore.enter(&state, &path[..at]);
            pruned |= !ignore.may_contain_included(&state, &path[..at]);
        }
        let whole = ignore.excluded(&path).map(|pattern| pattern.line);
        prop_assert_eq!(ignore.excluded_in(&state, &path).map(|pattern| pattern.line), whole);
        if pruned {
            prop_assert!(whole.is_some(), "pruned, but {} is in", path);
        }
    }

    #[test]
    fn ignore_files_never_panic(file in prop::collection::vec(any::<u8>(), 0..200), path in prop::collection::vec(any::<u8>(), 0..40)) {
        let (ignore, _) = IgnoreFile::parse(&file);
        let _ = ignore.excluded(&path);
        if let Ok(pattern) = std::str::from_utf8(&file)
            && let Ok(glob) = Glob::new(pattern)
        {
            let _ = glob.matches(&path);
        }
    }
}

#[test]
fn deep_shells_are_refused_or_parsed_quickly() {
    let openings = [
        "(",
        "$(",
        "{ ",
        "if ",
        "! ",
        "`",
        "case x in ",
        "((",
        "f() ",
        "a&&",
        "a|",
        "$((",
        "<(",
        "\"$(",
        "while ",
        "for x in y; do ",
        "[[ (",
        "${a:-",
        "x=(",
        "f() { ",
        "<<A ",
        "if (",
        "( { ",
        "a && (",
    ];
    for opening in openings {
        for count in [30, 60, 64, 20_000] {
            let text = opening.repeat(count);
            let _ = RunBody::parse(SourceText::synthetic(text, galley_syntax::Span::default()));
        }
    }
}
