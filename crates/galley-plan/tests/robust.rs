//! Whatever the text and the options: planning answers, and what it answers is well formed.

#![allow(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

mod support;

use galley_plan::{Op, Plan};
use proptest::prelude::*;
use support::Case;

/// Lines that reach every corner of the planner, with names that meet each other by chance.
const LINES: &[&str] = &[
    "FROM scratch",
    "FROM scratch AS a",
    "FROM a AS b",
    "FROM b",
    "FROM node:20 AS a",
    "FROM $BASE AS c",
    "FROM --platform=$BUILDPLATFORM node AS d",
    "FROM triggers",
    "ARG BASE=node",
    "ARG X",
    "ARG X=$Y Z=${X:-1}",
    "ENV X=1 Y=$X",
    "ENV PATH=$PATH:/x",
    "WORKDIR app",
    "WORKDIR /",
    "WORKDIR ${X}",
    "USER $X",
    "COPY . .",
    "COPY --from=a /x /y/",
    "COPY --from=b x y z/",
    "COPY --from=0 a b",
    "COPY --from=busybox --link --chown=1 /bin /bin",
    "COPY --chmod=$X x y",
    "COPY <<A <<B /etc/\nx $X\nA\ny\nB",
    "ADD a.tar /",
    "ADD $X y",
    "RUN true",
    "RUN [\"a\", \"b\"]",
    "RUN <<EOF\n#!/bin/sh\nEOF",
    "RUN --mount=type=cache,target=/c,from=a --mount=target=x make",
    "RUN --mount=type=$X,id=s,target=/t,env=E true",
    "CMD x",
    "CMD []",
    "ENTRYPOINT [\"x\"]",
    "EXPOSE 80 $X 90-92/udp",
    "VOLUME /v $X",
    "LABEL a=$X",
    "ONBUILD COPY --from=a . .",
    "ONBUILD RUN x",
    "SHELL [\"x\"]",
    "STOPSIGNAL $X",
    "HEALTHCHECK NONE",
    "MAINTAINER me",
];

const HEADER: &str = "# plan image triggers:latest={\"OnBuild\":[\"COPY --from=busybox a b\",\"ENV Q=$PATH\",\"FROM x\",\"RUN $(\"]}\n\
                      # plan context c=directory\n# plan context d=image\n";

/// Inputs come first, and every index points somewhere.
fn assert_well_formed(plan: &Plan) {
    for (index, vertex) in plan.vertices.iter().enumerate() {
        assert!(vertex.parent.iter().chain(&vertex.sources).all(|id| id.0 < index), "{vertex:?}");
        assert!(!(vertex.op.is_source() && vertex.parent.is_some()));
        if let Op::Copy(copy) = &vertex.op {
            assert!(!copy.sources.is_empty() && copy.dest.starts_with('/'));
            assert!(copy.sources.iter().all(|source| source.source < vertex.sources.len()));
        }
        if let Op::Merge = &vertex.op {
            assert_eq!(vertex.sources.len(), 1);
        }
    }
    assert!(plan.targets.iter().all(|target| *target < plan.stages.len()) && !plan.targets.is_empty());
    for id in plan.stages.iter().flat_map(|stage| stage.top.iter().chain(&stage.base)) {
        assert!(plan.vertex(*id).is_some());
    }
    assert!(plan.to_text().lines().count() >= plan.vertices.len());
    assert!(plan.to_dot().starts_with("digraph"));
}

fn check(text: &[u8], case: &Case) {
    match case.plan(text) {
        Ok((plan, _)) => assert_well_formed(&plan),
        Err(diagnostics) => assert!(diagnostics.iter().any(galley_syntax::Diagnostic::is_error)),
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(&bytes, &Case::read(""));
    }

    #[test]
    fn any_lines(
        lines in proptest::collection::vec(proptest::sample::select(LINES), 0..24),
        value in proptest::option::of("[a-z:/$ ]{0,6}"),
        target in proptest::option::of("[a-d0-3]"),
    ) {
        let text = format!("{HEADER}{}\n", lines.join("\n"));
        let mut case = Case::read(&text);
        case.options.build_args.extend(value.map(|value| ("X".to_owned(), value)));
        case.options.targets.extend(target);
        check(text.as_bytes(), &case);
    }
}

#[test]
fn a_chain_of_many_stages_needs_no_deep_stack() {
    let mut text = "FROM scratch AS s0\n".to_owned();
    for index in 1..5000 {
        text.push_str(&format!("FROM s{} AS s{index}\n", index - 1));
    }
    let (plan, _) = Case::read("").plan(text.as_bytes()).unwrap();
    assert_eq!(plan.stages.len(), 5000);
}
