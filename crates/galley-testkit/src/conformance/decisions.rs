//! The table of decisions: where galley differs from a peer, and why, as the cases say.

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
    let mut page = format!(
        "{head}{MARK}\n| case | what it shows | peer | galley differs because |\n|---|---|---|---|\n"
    );
    for path in crate::expect::cases(directory, "case")? {
        let case = Case::read(&path)?;
        for (peer, why) in &case.differs {
            let _ = writeln!(page, "| `{}` | {} | {peer} | {why} |", case.name, case.about);
        }
    }
    Ok(page)
}
