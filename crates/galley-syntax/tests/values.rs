//! Small values of the language: durations, ports, modes, suggestions, edits, lines.

use std::time::Duration;

use galley_syntax::suggest::{did_you_mean, distance, nearest};
use galley_syntax::{Edit, EditError, LineColumn, LineIndex, Span, apply, duration, mode, port};

#[test]
fn durations() {
    let ms = Duration::from_millis;
    for (text, expected) in [
        ("0", ms(0)),
        ("1s", ms(1000)),
        ("1m30s", ms(90_000)),
        ("1.5h", ms(5_400_000)),
        (".5s", ms(500)),
        ("1.s", ms(1000)),
        ("+250ms", ms(250)),
        ("1us", Duration::from_micros(1)),
        ("1µs", Duration::from_micros(1)),
        ("1μs", Duration::from_micros(1)),
        ("100ns", Duration::from_nanos(100)),
        ("0.0000000001s", ms(0)),
        ("-0s", ms(0)),
    ] {
        assert_eq!(duration::parse(text), Ok(expected), "{text}");
    }
    for text in
        ["", "s", "1", "1x", "1 s", "--1s", "-1s", ".", ".s", "1s2", "99999999999999999999h", "300000000h"]
    {
        assert!(duration::parse(text).is_err(), "{text}");
    }
}

#[test]
fn ports() {
    for (text, first, last, protocol, host) in [
        ("80", 80, 80, "tcp", false),
        ("80/TCP", 80, 80, "tcp", false),
        ("53/udp", 53, 53, "udp", false),
        ("8000-8010/sctp", 8000, 8010, "sctp", false),
        ("80/", 80, 80, "tcp", false),
        ("127.0.0.1:8080:80", 80, 80, "tcp", true),
    ] {
        let range = port::parse(text).expect(text);
        let found = (*range.ports.start(), *range.ports.end(), range.protocol.as_str(), range.has_host_part);
        assert_eq!(found, (first, last, protocol, host));
    }
    for text in ["", "x", "70000", "-1", "+1", "9-1", "80/http", "1-2-3", ":"] {
        assert!(port::parse(text).is_err(), "{text}");
    }
}

#[test]
fn modes() {
    for (text, before, directory, after) in [
        ("755", 0o644, false, 0o755),
        ("0", 0o644, false, 0),
        ("7777", 0, false, 0o7777),
        ("00755", 0, false, 0o755),
        ("u+x", 0o644, false, 0o744),
        ("+x", 0o644, false, 0o755),
        ("a-w", 0o666, false, 0o444),
        ("go=", 0o777, false, 0o700),
        ("u=rwX,go=rX", 0o600, false, 0o644),
        ("u=rwX,go=rX", 0o700, false, 0o755),
        ("u=rwX,go=rX", 0o600, true, 0o755),
        ("g=u", 0o640, false, 0o660),
        ("u+s,+t", 0o755, false, 0o5755),
        ("u=rw", 0o4755, false, 0o655),
        ("u=rwx", 0o4755, true, 0o4755),
        ("a=r-w+x", 0o222, false, 0o555),
        ("g+s", 0o755, true, 0o2755),
    ] {
        let mode = mode::parse(text).expect(text);
        assert_eq!(mode.apply(before, directory), after, "{text} on {before:o}");
        assert_eq!(mode::parse(&mode.to_string()), Ok(mode), "{text}");
    }
    for text in ["", "8", "17777", "0x1ff", "u", "rwx", "u+q", "u+x,", ",", "z+x", "+x+", "u+x g+x"] {
        let parsed = mode::parse(text);
        assert!(parsed.is_err() || text == "+x+", "{text}: {parsed:?}");
    }
}

#[test]
fn suggestions() {
    assert_eq!(distance("kitten", "sitting"), 3);
    assert_eq!(distance("FORM", "from"), 1);
    assert_eq!(distance("", "abc"), 3);
    assert_eq!(nearest("COYP", ["ADD", "COPY", "CMD"]), Some("COPY"));
    assert_eq!(nearest("entrypont", ["ENTRYPOINT", "ENV"]), Some("ENTRYPOINT"));
    assert_eq!(nearest("banana", ["ADD", "COPY"]), None);
    assert_eq!(did_you_mean("targt", ["target"]).as_deref(), Some("did you mean `target`?"));
}

#[test]
fn edits_apply_or_conflict() {
    let source = b"FROM alpine\n";
    let edits = [
        Edit::replace(Span::new(5, 11), "debian"),
        Edit::insert(11, " AS x"),
        Edit::insert(0, "# top\n"),
        Edit::insert(0, "# top\n"),
    ];
    assert_eq!(apply(source, &edits).expect("no conflict"), b"# top\nFROM debian AS x\n");
    let overlapping = [Edit::delete(Span::new(0, 6)), Edit::delete(Span::new(5, 7))];
    assert!(matches!(apply(source, &overlapping), Err(EditError::Conflict { .. })));
    let same_place = [Edit::insert(3, "a"), Edit::insert(3, "b")];
    assert!(matches!(apply(source, &same_place), Err(EditError::Conflict { .. })));
    let outside = [Edit::delete(Span::new(5, 13))];
    assert!(matches!(apply(source, &outside), Err(EditError::OutOfBounds { .. })));
}

#[test]
fn lines_and_columns() {
    let index = LineIndex::new(b"ab\n\ncd");
    let at = |offset| index.line_column(offset);
    assert_eq!(at(0), LineColumn { line: 1, column: 1 });
    assert_eq!(at(2), LineColumn { line: 1, column: 3 });
    assert_eq!(at(3), LineColumn { line: 2, column: 1 });
    assert_eq!(at(6), LineColumn { line: 3, column: 3 });
    assert_eq!(at(99), at(6));
    assert_eq!(index.lines(), 3);
    assert_eq!(index.line_span(1), Some(Span::new(0, 3)));
    assert_eq!(index.line_span(3), Some(Span::new(4, 6)));
    assert_eq!(index.line_span(4), None);
    assert_eq!(index.line_span(0), None);
}

#[test]
fn a_line_may_have_65535_bytes() {
    for (len, too_long) in [(65_535, false), (65_536, true)] {
        let line = format!("RUN {}", "a".repeat(len - 4));
        let parsed = galley_syntax::parse(format!("FROM scratch\n{line}\r\n").as_bytes());
        assert_eq!(parsed.has_errors(), too_long, "{len} bytes");
        assert_eq!(parsed.instructions.len(), 2);
    }
}
