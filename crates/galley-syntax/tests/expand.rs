//! Expansion of variables, as tables.

use galley_syntax::ast::Word;
use galley_syntax::expand::{ExpandError, Expanded, expand, expand_heredoc};
use galley_syntax::{SourceText, Span};

fn lookup(name: &str) -> Option<String> {
    let value = match name {
        "SET" => "value",
        "EMPTY" => "",
        "PATHS" => "/usr/bin:/bin:/sbin",
        "FILE" => "archive.tar.gz",
        "TWO" => "one two",
        "STAR" => "a*b",
        "1" => "first",
        "12" => "twelve",
        "Ü" => "umlaut",
        "NL" => "a\nb",
        _ => return None,
    };
    Some(value.to_owned())
}

fn run(text: &str, escape: char) -> Result<Expanded, ExpandError> {
    expand(&Word(SourceText::synthetic(text, Span::default())), escape, &lookup)
}

#[test]
fn values() {
    let table: &[(&str, &str)] = &[
        ("plain", "plain"),
        ("", ""),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a${SET}b$SET", "avaluebvalue"),
        ("$SETx", ""),
        ("$UNSET.", "."),
        ("$", "$"),
        ("a$", "a$"),
        ("$ x", "$ x"),
        ("$.x", "$.x"),
        ("$$", ""),
        ("$1", "first"),
        ("$12", "twelve"),
        ("${1}", "first"),
        ("$Ü", "umlaut"),
        // Quotes and escapes.
        ("'$SET'", "$SET"),
        ("\"$SET\"", "value"),
        ("\"a b\"", "a b"),
        ("'a'\"b\"c", "abc"),
        ("\\$SET", "$SET"),
        ("\\\\", "\\"),
        ("a\\ b", "a b"),
        ("\\n", "n"),
        ("a\\", "a"),
        ("\"\\$SET \\\\ \\\" \\n\"", "$SET \\ \" \\n"),
        ("'\\'", "\\"),
        ("\"'$SET'\"", "'value'"),
        ("it\\'s", "it's"),
        // Conditions.
        ("${UNSET:-w}", "w"),
        ("${EMPTY:-w}", "w"),
        ("${SET:-w}", "value"),
        ("${UNSET-w}", "w"),
        ("${EMPTY-w}", ""),
        ("${UNSET:+w}", ""),
        ("${EMPTY:+w}", ""),
        ("${SET:+w}", "w"),
        ("${EMPTY+w}", "w"),
        ("${UNSET+w}", ""),
        ("${SET:?w}", "value"),
        ("${EMPTY?w}", ""),
        ("${UNSET:-${SET}}", "value"),
        ("${UNSET:-${OTHER:-\"deep $SET\"}}", "deep value"),
        ("${UNSET:-'}'}", "}"),
        ("${UNSET:-\\}}", "}"),
        ("${SET:+${UNSET:-x}}y", "xy"),
        ("${UNSET:-}", ""),
        // Prefixes and suffixes.
        ("${FILE%.*}", "archive.tar"),
        ("${FILE%%.*}", "archive"),
        ("${FILE#*.}", "tar.gz"),
        ("${FILE##*.}", "gz"),
        ("${FILE#arch}", "ive.tar.gz"),
        ("${FILE%nothing}", "archive.tar.gz"),
        ("${FILE#????????}", "tar.gz"),
        ("${FILE%.??}", "archive.tar"),
        ("${STAR#a\\*}", "b"),
        ("${STAR%$UNSET}", "a*b"),
        ("${PATHS##*/}", "sbin"),
        ("${UNSET#x}", ""),
        ("${NL#*}", "a\nb"),
        ("${NL##*}", "\nb"),
        // Replacements.
        ("${PATHS/bin/lib}", "/usr/lib:/bin:/sbin"),
        ("${PATHS//bin/lib}", "/usr/lib:/lib:/slib"),
        ("${FILE//./-}", "archive-tar-gz"),
        ("${FILE/.*/!}", "archive!"),
        ("${FILE//?/x}", "xxxxxxxxxxxxxx"),
        ("${FILE/none/x}", "archive.tar.gz"),
        ("${PATHS//\\//_}", "_usr_bin:_bin:_sbin"),
        ("${SET/a/$FILE}", "varchive.tar.gzlue"),
        ("${SET//*/all}", "all"),
        ("${EMPTY//*/x}", "x"),
        ("${SET/val/}", "ue"),
    ];
    for (text, expected) in table {
        match run(text, '\\') {
            Ok(expanded) => assert_eq!(expanded.text, *expected, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

#[test]
fn errors() {
    let table: &[(&str, &str)] = &[
        ("'open", "single quote"),
        ("\"open", "double quote"),
        ("${SET", "never closed"),
        ("${SET:-x", "never closed"),
        ("${", "never closed"),
        ("${}", "not followed by a name"),
        ("${:x}", "not followed by a name"),
        ("${{x}}", "not followed by a name"),
        ("${SET^^}", "no modifier"),
        ("${SET:#x}", "`:#` is no modifier"),
        ("${SET:}", "`:}` is no modifier"),
        ("${SET:", "never closed"),
        ("${UNSET:?please set it}", "UNSET: please set it"),
        ("${UNSET?}", "UNSET: is unset"),
        ("${EMPTY:?}", "EMPTY: is empty"),
        ("${SET/x}", "second `/`"),
        ("${SET#\\x}", "escapes nothing"),
    ];
    for (text, expected) in table {
        match run(text, '\\') {
            Ok(expanded) => panic!("{text} gave {:?}", expanded.text),
            Err(error) => assert!(error.message.contains(expected), "{text}: {}", error.message),
        }
    }
    let deep = "${a:-".repeat(10_000);
    assert!(run(&deep, '\\').expect_err("too deep").message.contains("nested"));
}

#[test]
fn backtick_escapes() {
    for (text, expected) in
        [("C:\\$SET", "C:\\value"), ("`$SET", "$SET"), ("\"`\"\"", "\""), ("a\\b", "a\\b")]
    {
        assert_eq!(run(text, '`').expect(text).text, expected, "{text}");
    }
}

#[test]
fn words_split_outside_quotes() {
    let table: &[(&str, &[&str])] = &[
        ("80", &["80"]),
        ("$TWO", &["one", "two"]),
        ("\"$TWO\"", &["one two"]),
        ("$TWO$SET", &["one", "twovalue"]),
        ("$UNSET", &[]),
        ("\"\"", &[""]),
        ("a\\ b c", &["a b", "c"]),
    ];
    for (text, expected) in table {
        assert_eq!(run(text, '\\').expect(text).words, *expected, "{text}");
    }
}

#[test]
fn heredoc_bodies_keep_quotes() {
    let body = SourceText::synthetic("\"$SET\" '$SET' \\$SET \\\\ it's\n", Span::default());
    assert_eq!(expand_heredoc(&body, &lookup).expect("body").text, "\"value\" 'value' $SET \\ it's\n");
}

#[test]
fn uses_have_spans_of_the_file() {
    let source = b"FROM a\nENV x=\"$SET and \\\n  ${UNSET:-$OTHER}\" y=$MISSING\n";
    let parsed = galley_syntax::parse(source);
    let galley_syntax::InstructionKind::Env(env) = &parsed.instructions[1].kind else { panic!("no ENV") };
    let mut uses = Vec::new();
    for pair in &env.pairs {
        for used in expand(&pair.value, '\\', &lookup).expect("value").used {
            let written = String::from_utf8_lossy(used.span.of(source)).into_owned();
            uses.push((used.name, written, used.defined, used.guarded));
        }
    }
    let expected = [
        ("SET", "$SET", true, false),
        ("OTHER", "$OTHER", false, false),
        ("UNSET", "${UNSET:-$OTHER}", false, true),
        ("MISSING", "$MISSING", false, false),
    ];
    let uses: Vec<_> = uses.iter().map(|(n, w, d, g)| (n.as_str(), w.as_str(), *d, *g)).collect();
    assert_eq!(uses, expected);
}
