//! The table of decisions: where galley differs from a peer, and why, as the cases say.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::Case;

/// What stands before the table in the page.
const MARK: &str = "<!-- From here on made from the cases by `cargo xtask conformance --accept`. -->\n";

/// The page `text` with the table of the cases in `directory` at its end.
///
/// # Errors
/// A case that cannot be read, or a page without a mark.
pub fn page(text: &str, directory: &Path) -> Result<String, String> {
    let (head, _) =
        text.split_once(MARK).ok_or_else(|| format!("the page has no line `{}`", MARK.trim_end()))?;
    let mut decisions: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for path in crate::expect::cases(directory, "case")? {
        let case = Case::read(&path)?;
        for (peer, why) in case.differs {
            decisions.entry((peer, why)).or_default().push(format!("`{}`", case.name));
        }
    }
    let mut page =
        format!("{head}{MARK}\n| peer | what it does, and what galley does | cases |\n|---|---|---|\n");
    for ((peer, why), cases) in decisions {
        let _ = writeln!(page, "| {peer} | {why} | {} |", cases.join(", "));
    }
    Ok(page)
}
