//! A plan for people: as text (`galley plan`) and as a graph in Graphviz's language (`galley plan --dot`).

mod details;

use std::fmt::Write;

use galley_image::digest::hex;

use crate::plan::{Plan, PlannedStage, Vertex, VertexId};

impl Plan {
    /// The plan as text: every vertex with its inputs and values, then every stage with its configuration and history.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (index, vertex) in self.vertices.iter().enumerate() {
            self.vertex_text(&mut out, index, vertex);
        }
        for (index, stage) in self.stages.iter().enumerate() {
            let target = if self.targets.contains(&index) { ", target" } else { "" };
            stage_text(&mut out, stage, target);
        }
        out
    }

    /// The plan as a graph for `dot`: whole lines are root file systems that steps stack on, dashed ones are sources.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut out = "digraph plan {\n  rankdir=BT;\n  node [shape=box, fontname=monospace];\n".to_owned();
        for (index, vertex) in self.vertices.iter().enumerate() {
            let label = self.title(vertex);
            let style = if vertex.op.is_source() { ", style=rounded" } else { "" };
            line(&mut out, &format!("  v{index} [label={}{style}];", dot_string(&label)));
            if let Some(VertexId(parent)) = vertex.parent {
                line(&mut out, &format!("  v{index} -> v{parent};"));
            }
            for VertexId(source) in &vertex.sources {
                line(&mut out, &format!("  v{index} -> v{source} [style=dashed];"));
            }
        }
        for target in self.targets.iter().filter_map(|index| self.stages.get(*index)) {
            let name = self.stage_name(target.index);
            line(&mut out, &format!("  t{} [label={}, shape=oval];", target.index, dot_string(&name)));
            if let Some(VertexId(top)) = target.top {
                line(&mut out, &format!("  t{} -> v{top};", target.index));
            }
        }
        out.push_str("}\n");
        out
    }

    /// `[builder 2/4] RUN npm ci`; a source is its label alone.
    fn title(&self, vertex: &Vertex) -> String {
        let mut places = String::new();
        for origin in std::iter::once(&vertex.origin).chain(&vertex.also) {
            if let Some((step, count)) = origin.step {
                let separator = if places.is_empty() { "" } else { ", " };
                let _infallible =
                    write!(places, "{separator}{} {step}/{count}", self.stage_name(origin.stage));
            }
        }
        if places.is_empty() { vertex.label.clone() } else { format!("[{places}] {}", vertex.label) }
    }

    fn vertex_text(&self, out: &mut String, index: usize, vertex: &Vertex) {
        line(out, &format!("#{index} {} (line {})", self.title(vertex), vertex.origin.line));
        if !vertex.op.is_source() {
            let parent = vertex.parent.map_or("nothing".to_owned(), |id| format!("#{}", id.0));
            line(out, &format!("    on {parent}"));
        }
        let source = |index: usize| {
            vertex.sources.get(index).map_or_else(|| "?".to_owned(), |id| format!("#{}", id.0))
        };
        for detail in details::of(vertex, &source) {
            line(out, &format!("    {detail}"));
        }
    }
}

fn stage_text(out: &mut String, stage: &PlannedStage, target: &str) {
    let name = stage.name.as_ref().map_or(String::new(), |name| format!(" {name}"));
    let id = |id: Option<VertexId>| id.map_or("nothing".to_owned(), |id| format!("#{}", id.0));
    let (top, base) = (id(stage.top), id(stage.base));
    line(out, &format!("stage {}{name} ({}{target}): {top} on base {base}", stage.index, stage.platform));
    for detail in details::config(&stage.config) {
        line(out, &format!("    {detail}"));
    }
    for entry in &stage.history {
        let layer = entry.vertex.map_or("empty layer".to_owned(), |id| format!("#{}", id.0));
        line(out, &format!("    history {} ({layer})", details::shown(&entry.created_by)));
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A string of the dot language.
fn dot_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The first digits of a digest, for people.
fn short(bytes: &[u8]) -> String {
    hex(bytes.get(..6).unwrap_or(bytes))
}
