//! One line of a tree's text.

/// An entry as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Path below the root, without a slash at the end.
    pub path: Vec<u8>,
    pub kind: Kind,
    /// Permission bits, where they were written.
    pub written_mode: Option<u32>,
    /// User and group id.
    pub owner: Option<(u32, u32)>,
    /// Seconds since 1970.
    pub mtime: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    Fifo,
}

impl Line {
    /// The entry of a line; `None` for an empty line or a comment.
    pub fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let (mut path, mut rest) = token(text)?;
        let mut kind = Kind::File(Vec::new());
        if path.last() == Some(&b'/') {
            path.pop();
            kind = Kind::Directory;
        }
        let mut line = Self { path, kind, written_mode: None, owner: None, mtime: None };
        let mut has_content = false;
        while !rest.is_empty() {
            if has_content {
                return Err("nothing may follow the content");
            }
            if rest.starts_with('"') {
                let (content, after) = token(rest)?;
                line.kind = Kind::File(content);
                has_content = true;
                rest = after;
                continue;
            }
            rest = line.attribute(rest)?;
        }
        Ok(Some(line))
    }

    fn attribute<'a>(&mut self, rest: &'a str) -> Result<&'a str, &'static str> {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let after = after.trim_start();
        if word == "->" || word == "=>" {
            let (target, after) = token(after)?;
            self.kind = if word == "->" { Kind::Symlink(target) } else { Kind::HardLink(target) };
            return Ok(after);
        }
        if word == "|" {
            self.kind = Kind::Fifo;
        } else if let Some(time) = word.strip_prefix('@') {
            self.mtime = Some(time.parse().map_err(|_| "write a time as @seconds")?);
        } else if let Some((uid, gid)) = word.split_once(':') {
            let id = |id: &str| id.parse().map_err(|_| "write an owner as uid:gid");
            self.owner = Some((id(uid)?, id(gid)?));
        } else {
            self.written_mode = Some(u32::from_str_radix(word, 8).map_err(|_| "write a mode in octal")?);
        }
        Ok(after)
    }

    /// Permission bits, defaults included.
    pub fn mode(&self) -> u32 {
        self.written_mode.unwrap_or(if self.kind == Kind::Directory { 0o755 } else { 0o644 })
    }
}

/// A word or quoted text, and what follows it.
fn token(text: &str) -> Result<(Vec<u8>, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if word.is_empty() {
            return Err("a name is missing");
        }
        return Ok((word.as_bytes().to_vec(), rest.trim_start()));
    };
    let mut bytes = Vec::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((bytes, quoted.get(at + 1..).unwrap_or("").trim_start())),
            '\\' => bytes.push(escape(&mut characters)?),
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err("a closing quote is missing")
}

fn escape(characters: &mut std::str::CharIndices<'_>) -> Result<u8, &'static str> {
    let mut next = || characters.next().map(|(_, character)| character);
    match next() {
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('\\') => Ok(b'\\'),
        Some('"') => Ok(b'"'),
        Some('x') => {
            let mut digit = || next().and_then(|digit| digit.to_digit(16));
            let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
            value.and_then(|value| u8::try_from(value).ok()).ok_or("write a byte as \\xHH")
        }
        _ => Err("an escape is one of \\n \\t \\\\ \\\" \\xHH"),
    }
}

/// `bytes` as the text that [`token`] reads back: bare where that is possible.
pub(crate) fn quote(bytes: &[u8], always: bool) -> String {
    let bare = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\#".contains(byte);
    if !always && !bytes.is_empty() && bytes.iter().all(bare) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '"' | '\\' => out.extend(['\\', character]),
                control if control.is_ascii_control() => {
                    out.push_str(&format!("\\x{:02x}", u32::from(control)));
                }
                other => out.push(other),
            }
        }
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out.push('"');
    out
}
