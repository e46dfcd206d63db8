//! An image as text, one fact a line, so that two images can be compared by comparing lines.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{Content, Image, Node};
use crate::tree::quote;

/// Contents up to this size are shown, larger ones are counted and summed up.
const SHOWN: usize = 400;

/// Times from here on, 2024, tell when something was built, and are left out.
pub const BUILT: u64 = 1_704_067_200;

/// Parts of the configuration that say nothing about what the image does. `ArgsEscaped` concerns Windows alone; docker sets it
/// everywhere.
const UNSAID: [&str; 3] = ["Image", "Hostname", "ArgsEscaped"];

impl Image {
    /// Everything in which this image differs from `base`, as lines: `layers`, `history`, `config` and, from a line that begins
    /// with `/` on, files in the form that [`crate::tree`] writes. Times after 2023 are left out: they tell when it was built.
    #[must_use]
    pub fn describe(&self, base: Option<&Image>) -> Vec<String> {
        let base = base.filter(|base| self.stands_on(base));
        let layers = self.layers - base.map_or(0, |base| base.layers);
        let mut lines = vec![format!("layers {layers}")];
        lines.extend(self.history(base.map_or(0, |base| base.past().len())));
        lines.extend(self.settings());
        let below = base.map(Self::listing).unwrap_or_default();
        let own = self.listing();
        lines.extend(
            own.iter().filter(|(path, line)| below.get(*path) != Some(line)).map(|(_, line)| line.clone()),
        );
        let gone = below.keys().filter(|path| !own.contains_key(*path));
        lines.extend(gone.map(|path| format!("{} is gone", shown(path, false))));
        lines
    }

    fn past(&self) -> &[Value] {
        self.config["history"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    fn history(&self, skip: usize) -> impl Iterator<Item = String> {
        self.past().iter().skip(skip).map(|step| {
            let empty = if step["empty_layer"].as_bool() == Some(true) { " (no layer)" } else { "" };
            let text = step["created_by"].as_str().unwrap_or_default();
            let text = text.strip_suffix(" # buildkit").unwrap_or(text);
            format!("history{empty} {}", text.replace('\n', "\\n"))
        })
    }

    fn settings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for name in ["os", "architecture", "variant", "author"] {
            if let Some(value) = self.config[name].as_str().filter(|value| !value.is_empty()) {
                lines.push(format!("{name} {}", value.replace('\n', "\\n")));
            }
        }
        let config = self.config["config"].as_object();
        let mut names: Vec<&String> = config.map(|config| config.keys().collect()).unwrap_or_default();
        names.sort();
        for name in names.into_iter().filter(|name| !UNSAID.contains(&name.as_str())) {
            match &self.config["config"][name] {
                Value::Null | Value::Bool(false) => {}
                Value::String(text) if text.is_empty() => {}
                Value::Array(items) if name == "Env" => {
                    lines.extend(items.iter().map(|item| format!("config Env {}", canonical(item))));
                }
                Value::Array(items) if items.is_empty() => {}
                Value::Object(items) if items.is_empty() => {}
                value => lines.push(format!("config {name} {}", canonical(value))),
            }
        }
        lines
    }

    /// The line of every path, in order of the paths. A root that is as every root is has none: not all builders write it.
    fn listing(&self) -> BTreeMap<Vec<u8>, String> {
        let mut first: HashMap<usize, &[u8]> = HashMap::new();
        let common = |path: &[u8], node: &Node| path.is_empty() && node.mode == 0o755 && node.owner == (0, 0);
        let nodes = self.files.nodes.iter().filter(|(path, node)| !common(path, node));
        let lines = nodes.map(|(path, node)| {
            let earlier = match node.content {
                Content::File { number, .. } => *first.entry(number).or_insert(path),
                _ => path,
            };
            let line = if earlier == path.as_slice() {
                facts(path, node)
            } else {
                format!("{} => {}", shown(path, false), shown(earlier, false))
            };
            (path.clone(), line)
        });
        lines.collect()
    }
}

fn shown(path: &[u8], is_directory: bool) -> String {
    let end: &[u8] = if is_directory && !path.is_empty() { b"/" } else { b"" };
    quote(&[b"/", path, end].concat(), false)
}

fn facts(path: &[u8], node: &Node) -> String {
    let mut line = shown(path, node.content == Content::Directory);
    match &node.content {
        Content::Directory | Content::File { .. } => {}
        Content::Symlink(target) => line += &format!(" -> {}", quote(target, false)),
        Content::Fifo => line += " |",
        Content::Device(letter, major, minor) => line += &format!(" {letter} {major},{minor}"),
    }
    if !matches!(node.content, Content::Symlink(_)) {
        line += &format!(" {:04o}", node.mode);
    }
    let (uid, gid) = node.owner;
    if (uid, gid) != (0, 0) {
        line += &format!(" {uid}:{gid}");
    }
    if node.mtime < BUILT {
        line += &format!(" @{}", node.mtime);
    }
    for (name, value) in &node.xattrs {
        line += &format!(" {name}={}", quote(value, true));
    }
    match &node.content {
        Content::File { bytes, .. } if bytes.len() <= SHOWN => line += &format!(" {}", quote(bytes, true)),
        Content::File { bytes, .. } => line += &format!(" ({} bytes, sum {:016x})", bytes.len(), sum(bytes)),
        _ => {}
    }
    line
}

/// Tells one content from another, no more.
fn sum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum: u64, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(5))
}

/// JSON with its names in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(items) => {
            let mut items: Vec<_> = items.iter().collect();
            items.sort_by_key(|(name, _)| name.as_str());
            let items: Vec<_> = items
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", items.join(","))
        }
        other => other.to_string(),
    }
}
