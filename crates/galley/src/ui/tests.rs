//! The faces, from text to text: `testdata/ui/NAME.events` is a build, `NAME.expected` what every face makes of it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use galley_build::events::{Event, Exported, Outcome, Reuse, Step, StepId, Stream};
use galley_image::Digest;
use galley_syntax::{Diagnostic, Safety, Span};

use super::diagnostics::{self, FailedStep, SourceFile};
use super::frame::frame;
use super::json::Json;
use super::plain::Plain;
use super::summary;
use super::timeline::Timeline;

fn testdata() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ui")
}

/// What stands in a line of a case.
enum Line {
    Event(Event),
    Screen { width: usize, height: usize },
}

#[test]
fn every_case_looks_as_its_file_says() {
    let mut failures = Vec::new();
    for case in galley_testkit::expect::cases(&testdata(), "events").unwrap() {
        let text = std::fs::read_to_string(&case).unwrap();
        let shown = show(&parse(&text));
        failures.extend(galley_testkit::expect::file(&case.with_extension("expected"), &shown).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn no_screen_is_larger_than_its_terminal() {
    for case in galley_testkit::expect::cases(&testdata(), "events").unwrap() {
        let mut timeline = Timeline::default();
        for (at, line) in parse(&std::fs::read_to_string(&case).unwrap()) {
            let Line::Event(event) = line else { continue };
            timeline.apply(at, &event);
            for (width, height) in [(0, 0), (1, 1), (7, 3), (40, 2), (80, 5), (200, 60)] {
                let lines = frame(&timeline, at, width, height);
                assert!(lines.len() <= height, "{}: {} rows of {height}", case.display(), lines.len());
                assert!(lines.iter().all(|line| line.width() <= width), "{}", case.display());
            }
        }
    }
}

fn show(lines: &[(Duration, Line)]) -> String {
    let mut timeline = Timeline::default();
    let (mut plain, mut json) = (Plain::default(), Json::default());
    let (mut plain_out, mut json_out, mut screens) = (Vec::new(), Vec::new(), String::new());
    let mut end = Duration::ZERO;
    for (at, line) in lines {
        end = *at;
        match line {
            Line::Event(event) => {
                timeline.apply(*at, event);
                plain.print(&timeline, *at, event, &mut plain_out);
                json.print(*at, event, &mut json_out);
            }
            Line::Screen { width, height } => {
                writeln!(screens, "== screen {width}x{height} at {}s ==", at.as_secs_f64()).unwrap();
                for line in frame(&timeline, *at, *width, *height) {
                    writeln!(screens, "{}", line.text().trim_end()).unwrap();
                }
            }
        }
    }
    let remarks = ["why".to_owned()];
    let closing = summary::closing(&timeline, end, &remarks);
    format!(
        "== plain ==\n{}== json ==\n{}{screens}== end ==\n{}{closing}",
        String::from_utf8_lossy(&plain_out),
        String::from_utf8_lossy(&json_out),
        summary::warnings(&timeline),
    )
}

/// Reads a case: `SECONDS EVENT …` lines, and `screen WIDTHxHEIGHT` where a frame is wanted. Indented lines under `planned` are steps.
fn parse(text: &str) -> Vec<(Duration, Line)> {
    let mut lines: Vec<(Duration, Line)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if let Some(step) = line.strip_prefix("  ") {
            let Some((_, Line::Event(Event::Planned { steps }))) = lines.last_mut() else { panic!("{line}") };
            steps.push(parse_step(step.trim()));
            continue;
        }
        let (at, rest) = line.split_once(' ').unwrap();
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let milliseconds: f64 = at.parse::<f64>().unwrap() * 1000.0;
        lines.push((Duration::from_millis(milliseconds.round() as u64), parse_line(name, rest)));
    }
    lines
}

/// `ID STAGE POSITION/COUNT LINE LABEL`, with `-` for no position and no stage.
fn parse_step(text: &str) -> Step {
    let words: Vec<&str> = text.splitn(5, ' ').collect();
    let [id, stage, position, line, label] = words[..] else { panic!("{text}") };
    let position =
        position.split_once('/').map(|(position, of)| (position.parse().unwrap(), of.parse().unwrap()));
    let stage = if stage == "-" { "" } else { stage };
    Step {
        id: StepId(id.parse().unwrap()),
        stage: stage.into(),
        position,
        label: unescape(label),
        line: line.parse().unwrap(),
    }
}

fn parse_line(name: &str, rest: &str) -> Line {
    let words: Vec<&str> = rest.split(' ').collect();
    let step = || StepId(words[0].parse().unwrap());
    let after_step = || rest.split_once(' ').map_or("", |(_, text)| text);
    Line::Event(match name {
        "planned" => Event::Planned { steps: Vec::new() },
        "started" => Event::Started { step: step() },
        "cached" => Event::Cached {
            step: step(),
            why: match words[1] {
                "unchanged" => Reuse::Unchanged,
                "same-content" => Reuse::SameContent,
                "not-needed" => Reuse::NotNeeded,
                other => panic!("{other}"),
            },
        },
        "ran" => Event::Ran { step: step(), why: after_step().into() },
        "stdout" => output(step(), Stream::Stdout, after_step()),
        "stderr" => output(step(), Stream::Stderr, after_step()),
        "progress" => Event::Progress {
            step: step(),
            done: words[1].parse().unwrap(),
            total: words[2].parse().ok(),
            what: words[3..].join(" "),
        },
        "finished" => Event::Finished {
            step: step(),
            outcome: match words[1] {
                "cancelled" => Outcome::Cancelled,
                "failed" => Outcome::Failed,
                size => Outcome::Done { size: size.parse().unwrap() },
            },
        },
        "warning" => {
            Event::Warning { step: words[0].parse().ok().map(StepId), message: unescape(after_step()) }
        }
        // NAME ORIGIN FILE VERSION, with `-` for no version
        "base" => Event::Base {
            name: words[0].into(),
            origin: words[1].into(),
            bound_by: words[2].into(),
            version: Some(words[3]).filter(|version| *version != "-").map(str::to_owned),
            id: Digest::of(b"base"),
        },
        "image" => Event::Exported {
            result: Exported::Image {
                id: Digest::of(b"image"),
                size: words[0].parse().unwrap(),
                layers: words[1].parse().unwrap(),
                tags: words[2..].iter().map(|tag| tag.parse().unwrap()).collect(),
            },
        },
        "path" => Event::Exported {
            result: Exported::Path { size: words[0].parse().unwrap(), path: words[1..].join(" ") },
        },
        "screen" => {
            let (width, height) = rest.split_once('x').unwrap();
            return Line::Screen { width: width.parse().unwrap(), height: height.parse().unwrap() };
        }
        other => panic!("{other}"),
    })
}

fn output(step: StepId, stream: Stream, text: &str) -> Event {
    Event::Output { step, stream, bytes: bytes_of(text) }
}

/// `\n`, `\r`, `\e` and `\xHH` as what they stand for.
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, used) = match after.as_bytes()[0] {
            b'n' => (b'\n', 1),
            b'r' => (b'\r', 1),
            b'e' => (0x1b, 1),
            b'x' => (u8::from_str_radix(&after[1..3], 16).unwrap(), 3),
            other => panic!("{other}"),
        };
        bytes.push(byte);
        rest = &after[used..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn unescape(text: &str) -> String {
    String::from_utf8(bytes_of(text)).unwrap()
}

const DOCKERFILE: &str = "FROM debian AS build\nRUN make \\\n    install\nCOPY --from=biuld /app /app\n";

#[test]
fn a_diagnostic_shows_its_lines_help_and_fix() {
    let at = u32::try_from(DOCKERFILE.find("biuld").unwrap()).unwrap();
    let span = Span::new(at, at + 5);
    let finding = Diagnostic::error("unknown-stage", span, "no stage or image is called `biuld`")
        .label(Span::new(15, 20), "this stage is called `build`")
        .help("stages are named by FROM … AS NAME")
        .fix("write `build`", Safety::Unsafe, span, "build");
    let file = SourceFile { name: "Dockerfile", bytes: DOCKERFILE.as_bytes() };
    let shown = diagnostics::diagnostic(&finding, file, false);
    galley_testkit::expect::file(&testdata().join("diagnostic.txt"), &shown).unwrap();
    assert!(diagnostics::diagnostic(&finding, file, true).contains("\x1b["));
}

#[test]
fn a_failed_step_shows_its_lines_output_and_what_its_code_means() {
    let step = FailedStep {
        span: Span::new(21, 43),
        message: "`make install` failed with exit code 127",
        code: Some(127),
        output: &["cc -c main.c".into(), "sh: cc: not found".into()],
    };
    let file = SourceFile { name: "app/Dockerfile", bytes: DOCKERFILE.as_bytes() };
    let shown = diagnostics::failed_step(&step, file, false);
    galley_testkit::expect::file(&testdata().join("failed-step.txt"), &shown).unwrap();
}

#[test]
fn spans_of_another_text_and_odd_bytes_are_survived() {
    for bytes in [&b""[..], b"\n", b"FROM \xff\xfe\n", "RUN é\r\n".as_bytes()] {
        let file = SourceFile { name: "Dockerfile", bytes };
        for (start, end) in [(0, 0), (0, 1), (5, 6), (6, 7), (3, 400), (4000, 5000), (u32::MAX, u32::MAX)] {
            let finding = Diagnostic::error("x", Span { start, end }, "message")
                .label(Span { start: end, end: start }, "label")
                .fix("fix", Safety::Safe, Span { start, end }, "text");
            assert!(diagnostics::diagnostic(&finding, file, false).contains("message"));
        }
    }
}

#[test]
fn the_codes_of_shells_are_explained() {
    let meaning = |code| diagnostics::exit_meaning(code).unwrap_or("");
    assert!(meaning(127).contains("not found") && meaning(137).contains("memory"));
    assert!(meaning(126).contains("executed") && meaning(139).contains("crashed"));
    assert_eq!(diagnostics::exit_meaning(1), None);
}
