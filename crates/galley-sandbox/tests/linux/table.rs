//! `docs/sandbox.md` says what a step can reach: each row of its tables is tried.

use std::fs;
use std::path::Path;

use galley_sandbox::userns;

use crate::lab::Lab;

/// A row whose last column is a command.
struct Row {
    what: String,
    as_root: String,
    in_namespace: String,
    command: String,
}

#[test]
fn every_row_of_the_documentation_holds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sandbox.md");
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<Row> = text.lines().filter_map(row).collect();
    // Fewer would mean that the tables are no longer understood.
    assert!(rows.len() > 30, "{}", rows.len());
    let network = fs::read_link("/proc/self/ns/net").unwrap();
    let mut wrong = Vec::new();
    for row in rows {
        let lab = Lab::new();
        let mut process = lab.shell(&row.command);
        process.hostname = Some("kitchen".into());
        if row.command.contains("MACHINE_NETWORK") {
            process.env.push(("MACHINE_NETWORK".into(), network.clone().into()));
        }
        let done = lab.run(&process);
        let expected = if userns::in_user_namespace() { &row.in_namespace } else { &row.as_root };
        if done.stdout.trim_end() != expected {
            wrong.push(format!("{}: the page says `{expected}`, the kernel {done:?}", row.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `| what | `as root` | `in a user namespace` | `command` |`; a `\|` belongs to a cell.
fn row(line: &str) -> Option<Row> {
    const PIPE: &str = "\u{1}";
    let line = line.replace("\\|", PIPE);
    let cells: Vec<String> = line
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split(" | ")
        .map(|cell| cell.trim().replace(PIPE, "|"))
        .collect();
    let code = |cell: &String| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    let [what, as_root, in_namespace, command] = cells.as_slice() else { return None };
    Some(Row {
        what: what.clone(),
        as_root: code(as_root)?,
        in_namespace: code(in_namespace)?,
        command: code(command)?,
    })
}
