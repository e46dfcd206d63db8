//! From the options of a mount to its meaning: defaults, limits, and which option fits which type.

use super::{
    BindMount, CacheMount, CacheSharing, Mount, MountKey, MountOption, MountSpec, SecretMount, SshMount,
    TmpfsMount,
};
use crate::ast::Word;
use crate::diagnostic::Diagnostic;
use crate::span::{Span, Spanned};
use crate::suggest;

const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/// Where secrets appear.
const SECRETS: &str = "/run/secrets/";

/// Expands a value, or says why it cannot be.
type Expand<'a> = dyn FnMut(&Word) -> Result<String, Diagnostic> + 'a;

impl Mount {
    /// Expands the values with `expand` (never `from`), fills in the defaults and checks the whole.
    ///
    /// # Errors
    /// Every problem found, each an error with a span, those of `expand` among them.
    pub fn resolve(&self, expand: &mut Expand<'_>) -> Result<MountSpec, Vec<Diagnostic>> {
        let mut values = Values { span: self.span, given: Vec::new(), problems: Vec::new() };
        for option in &self.options {
            values.take(option, expand);
        }
        let spec = values.spec();
        if values.problems.is_empty() {
            spec.ok_or_else(|| {
                vec![Diagnostic::error("invalid-mount", self.span, "this mount has no meaning")]
            })
        } else {
            Err(values.problems)
        }
    }
}

/// An option after expansion.
struct Given {
    key: MountKey,
    place: Span,
    /// Empty for a switch without value.
    value: String,
}

struct Values {
    span: Span,
    given: Vec<Given>,
    problems: Vec<Diagnostic>,
}

impl Values {
    fn take(&mut self, option: &MountOption, expand: &mut Expand<'_>) {
        let key = option.key.value;
        let is_switch = matches!(key, MountKey::ReadOnly | MountKey::ReadWrite | MountKey::Required);
        let value = match &option.value {
            None if is_switch => String::new(),
            None => {
                let problem = Diagnostic::error("mount-value", option.key.span, "this option needs a value");
                self.problems.push(problem.help("write `option=value`"));
                return;
            }
            Some(word) if key == MountKey::From => word.as_str().to_owned(),
            Some(word) => match expand(word) {
                Ok(value) => value,
                Err(problem) => {
                    self.problems.push(problem);
                    return;
                }
            },
        };
        let place = option.value.as_ref().map_or(option.key.span, Word::span);
        // The last of several wins, as in docker.
        self.given.push(Given { key, place, value });
    }

    fn last(&self, key: MountKey) -> Option<&Given> {
        self.given.iter().rev().find(|given| given.key == key)
    }

    fn text(&self, key: MountKey) -> Option<Spanned<String>> {
        let given = self.last(key).filter(|given| !given.value.is_empty())?;
        Some(Spanned::new(given.value.clone(), given.place))
    }

    fn error(&mut self, place: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Diagnostic::error("invalid-mount", place, message).help(help));
    }

    fn spec(&mut self) -> Option<MountSpec> {
        let kind = self.text(MountKey::Type).map_or("bind".to_owned(), |kind| kind.value);
        match kind.to_ascii_lowercase().as_str() {
            "bind" => self.bind(),
            "cache" => self.cache(),
            "tmpfs" => self.tmpfs(),
            "secret" => self.secret(),
            "ssh" => self.ssh(),
            other => {
                let place = self.last(MountKey::Type).map_or(self.span, |given| given.place);
                let help = suggest::did_you_mean(other, TYPES)
                    .unwrap_or_else(|| format!("the types are {}", TYPES.join(", ")));
                self.error(place, format!("`{kind}` is no type of a mount"), help);
                None
            }
        }
    }

    /// Refuses options that the type does not know.
    fn only(&mut self, kind: &str, allowed: &[MountKey]) {
        let wrong: Vec<Span> = self
            .given
            .iter()
            .filter(|given| given.key != MountKey::Type && !allowed.contains(&given.key))
            .map(|given| given.place)
            .collect();
        for place in wrong {
            self.error(place, format!("a mount of type {kind} does not take this option"), "delete it");
        }
    }

    fn bind(&mut self) -> Option<MountSpec> {
        use MountKey::{From, ReadOnly, ReadWrite, Source, Target};
        self.only("bind", &[From, Source, Target, ReadOnly, ReadWrite]);
        let writable = self.writable(false);
        let target = self.target()?;
        let source = self.source();
        Some(MountSpec::Bind(BindMount { from: self.text(From), source, target, writable }))
    }

    fn cache(&mut self) -> Option<MountSpec> {
        use MountKey::{From, Gid, Id, Mode, ReadOnly, ReadWrite, Sharing, Source, Target, Uid};
        self.only("cache", &[From, Source, Target, ReadOnly, ReadWrite, Id, Sharing, Mode, Uid, Gid]);
        let read_only = !self.writable(true);
        let sharing = self.sharing();
        let (mode, uid, gid) = (self.mode(0o755), self.number(Uid), self.number(Gid));
        let target = self.target()?;
        Some(MountSpec::Cache(CacheMount {
            id: self.text(Id).map(|id| id.value),
            target,
            sharing,
            from: self.text(From),
            source: self.source(),
            read_only,
            mode,
            uid,
            gid,
        }))
    }

    fn tmpfs(&mut self) -> Option<MountSpec> {
        self.only("tmpfs", &[MountKey::Target, MountKey::Size]);
        let size = self.size();
        let target = self.target()?;
        Some(MountSpec::Tmpfs(TmpfsMount { target, size }))
    }

    fn secret(&mut self) -> Option<MountSpec> {
        use MountKey::{Env, Gid, Id, Mode, Required, Source, Target, Uid};
        self.only("secret", &[Id, Source, Target, Env, Required, Mode, Uid, Gid]);
        let required = self.switch(Required).unwrap_or(false);
        let (mode, uid, gid) = (self.mode(0o400), self.number(Uid), self.number(Gid));
        let target = self.text(Target);
        let named = self.text(Source).or_else(|| self.text(Id));
        let from_target = || target.as_ref().map(|t| Spanned::new(base(&t.value).to_owned(), t.span));
        let Some(id) = named.or_else(from_target) else {
            self.error(self.span, "a secret needs a name", "write `type=secret,id=NAME`");
            return None;
        };
        let env = self.text(Env).map(|env| env.value);
        let file = target.map(|target| target.value);
        let default = || env.is_none().then(|| format!("{SECRETS}{}", base(&id.value)));
        Some(MountSpec::Secret(SecretMount {
            target: file.or_else(default),
            id,
            env,
            required,
            mode,
            uid,
            gid,
        }))
    }

    fn ssh(&mut self) -> Option<MountSpec> {
        use MountKey::{Gid, Id, Mode, Required, Source, Target, Uid};
        self.only("ssh", &[Id, Source, Target, Required, Mode, Uid, Gid]);
        let id = self.text(Source).or_else(|| self.text(Id)).map_or("default".to_owned(), |id| id.value);
        Some(MountSpec::Ssh(SshMount {
            id,
            target: self.text(MountKey::Target).map(|target| target.value),
            required: self.switch(Required).unwrap_or(false),
            mode: self.mode(0o600),
            uid: self.number(Uid),
            gid: self.number(Gid),
        }))
    }

    fn source(&self) -> String {
        self.text(MountKey::Source).map_or("/".to_owned(), |source| source.value)
    }

    fn target(&mut self) -> Option<Spanned<String>> {
        let Some(target) = self.text(MountKey::Target) else {
            self.error(self.span, "this mount has no target", "write `target=/path`");
            return None;
        };
        let parts = target.value.split('/').filter(|part| !part.is_empty() && *part != ".");
        if target.value.starts_with('/') && parts.count() == 0 {
            self.error(target.span, "a mount cannot cover the root directory", "mount a directory below `/`");
            return None;
        }
        Some(target)
    }

    /// `ro` and `rw`, of which the last wins.
    fn writable(&mut self, default: bool) -> bool {
        let last = self
            .given
            .iter()
            .rev()
            .find(|given| matches!(given.key, MountKey::ReadOnly | MountKey::ReadWrite))
            .map(|given| given.key);
        match last {
            Some(key) => self.switch(key).unwrap_or(true) == (key == MountKey::ReadWrite),
            None => default,
        }
    }

    fn switch(&mut self, key: MountKey) -> Option<bool> {
        let given = self.last(key)?;
        let (place, value) = (given.place, given.value.to_ascii_lowercase());
        match value.as_str() {
            "" | "true" | "1" | "t" => Some(true),
            "false" | "0" | "f" => Some(false),
            _ => {
                self.error(place, format!("`{value}` is neither true nor false"), "write `true` or `false`");
                None
            }
        }
    }

    fn sharing(&mut self) -> CacheSharing {
        let Some(text) = self.text(MountKey::Sharing) else { return CacheSharing::Shared };
        match text.value.to_ascii_lowercase().as_str() {
            "shared" => CacheSharing::Shared,
            "private" => CacheSharing::Private,
            "locked" => CacheSharing::Locked,
            other => {
                let help = suggest::did_you_mean(other, ["shared", "private", "locked"])
                    .unwrap_or_else(|| "write shared, private or locked".to_owned());
                self.error(text.span, format!("`{other}` is no way to share a cache"), help);
                CacheSharing::Shared
            }
        }
    }

    fn mode(&mut self, default: u32) -> u32 {
        let Some(text) = self.text(MountKey::Mode) else { return default };
        match u32::from_str_radix(&text.value, 8) {
            Ok(mode) if mode <= 0o7777 => mode,
            _ => {
                let message = format!("`{}` is no octal mode up to 7777", text.value);
                self.error(text.span, message, "write octal digits such as `0755`");
                default
            }
        }
    }

    fn number(&mut self, key: MountKey) -> u32 {
        let Some(text) = self.text(key) else { return 0 };
        text.value.parse().unwrap_or_else(|_| {
            let message = format!("`{}` is no numeric id", text.value);
            self.error(text.span, message, "write a number: names are not looked up for mounts");
            0
        })
    }

    /// Bytes, with docker's units: `64m`, `1g`, `512k`, `1024`.
    fn size(&mut self) -> Option<u64> {
        let text = self.text(MountKey::Size)?;
        let lower = text.value.to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match lower.get(digits.len()..).unwrap_or_default() {
            "" | "b" => Some(0),
            "k" | "kb" | "kib" => Some(10),
            "m" | "mb" | "mib" => Some(20),
            "g" | "gb" | "gib" => Some(30),
            "t" | "tb" | "tib" => Some(40),
            _ => None,
        };
        let number: Option<u64> = digits.trim().parse().ok();
        let size = unit.zip(number).and_then(|(shift, number)| number.checked_mul(1 << shift));
        if size.is_none() {
            let message = format!("`{}` is no size", text.value);
            self.error(text.span, message, "write bytes, or a number with k, m or g");
        }
        size
    }
}

/// The last component of a path.
fn base(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}
