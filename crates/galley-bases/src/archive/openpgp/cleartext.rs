//! The cleartext signature framework (RFC 9580, section 7): a text, and under it the signatures that were made of it.

use super::armor;

/// A text that says it is signed. Whether it is, [`super::verify`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleartext {
    /// The text, with `\n` at the end of each line. It is made of `signed`, so nothing is read that was not signed.
    pub text: String,
    /// What the signatures were made of: lines without spaces at their ends, joined by `\r\n`.
    pub(super) signed: String,
    /// The packets of the signature block.
    pub(super) signatures: Vec<u8>,
}

/// Why a file is not one signed text and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCleartext {
    /// There is no signature.
    #[error("it does not start with `{BEGIN}`: it is not signed")]
    Unsigned,
    /// Something stands before or behind it, or the frame is not whole.
    #[error("line {0} stands outside of the signed text, or the frame around that text is broken")]
    Outside(usize),
    /// The signature block is broken.
    #[error(transparent)]
    Armor(#[from] armor::MalformedArmor),
}

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

impl Cleartext {
    /// Takes the frame apart. It has to begin with the first line and to end with the last one.
    ///
    /// # Errors
    /// [`MalformedCleartext`]: text outside of the frame is refused, since whoever reads the file next may believe it.
    pub fn parse(file: &str) -> Result<Self, MalformedCleartext> {
        let mut lines = file.lines().map(|line| line.trim_end_matches([' ', '\t', '\r'])).enumerate();
        if lines.next().map(|(_, line)| line) != Some(BEGIN) {
            return Err(MalformedCleartext::Unsigned);
        }
        for (at, line) in lines.by_ref() {
            // `Hash: SHA256` and nothing else may stand before the empty line; what it says is known from the signature.
            if line.is_empty() {
                break;
            }
            if !line.starts_with("Hash: ") {
                return Err(MalformedCleartext::Outside(at + 1));
            }
        }
        let mut text = Vec::new();
        let mut last = 0;
        let mut found = false;
        for (at, line) in lines.by_ref() {
            last = at;
            if line == SIGNATURE {
                found = true;
                break;
            }
            match line.strip_prefix("- ") {
                Some(escaped) => text.push(escaped),
                None if line.starts_with('-') => return Err(MalformedCleartext::Outside(at + 1)),
                None => text.push(line),
            }
        }
        let mut block = format!("{SIGNATURE}\n");
        let mut ended = false;
        for (at, line) in lines {
            last = at;
            let inside = !ended && (line == END || !line.starts_with("-----"));
            if !inside && !line.is_empty() {
                return Err(MalformedCleartext::Outside(at + 1));
            }
            ended |= line == END;
            block.push_str(line);
            block.push('\n');
        }
        if !found || !ended {
            return Err(MalformedCleartext::Outside(last + 1));
        }
        let signatures = armor::blocks(&block, "PGP SIGNATURE")?.concat();
        let signed = text.join("\r\n");
        Ok(Self { text: text.iter().flat_map(|line| [line, "\n"]).collect(), signed, signatures })
    }
}
