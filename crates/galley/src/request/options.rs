//! The values of single options.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use galley_build::request::{NamedContext, Secret};
use galley_image::{Digest, Reference};

use super::fields::fields;
use crate::config::Config;
use crate::error::Error;

fn refuse(option: &'static str, value: &str, problem: impl Into<String>) -> Error {
    Error::Option { option, value: value.into(), problem: problem.into() }
}

/// `--build-arg NAME=VALUE`, or `NAME` for its value in the environment; one that is not set there does not count, as in docker.
///
/// # Errors
/// [`Error::Option`].
pub fn build_args(values: &[String], config: &Config) -> Result<BTreeMap<String, String>, Error> {
    let mut args = BTreeMap::new();
    for value in values {
        let (name, given) = match value.split_once('=') {
            Some((name, given)) => (name, Some(given.to_owned())),
            None => (value.as_str(), config.variable(value)),
        };
        if name.is_empty() {
            return Err(refuse("--build-arg", value, "the name is missing; write NAME=VALUE"));
        }
        if let Some(given) = given {
            args.insert(name.to_owned(), given);
        }
    }
    Ok(args)
}

/// `-e` of `run`: as [`build_args`], in the order given.
///
/// # Errors
/// [`Error::Option`].
pub fn environment(values: &[String], config: &Config) -> Result<Vec<(String, String)>, Error> {
    let mut variables = Vec::new();
    for value in values {
        let (name, given) = match value.split_once('=') {
            Some((name, given)) => (name, Some(given.to_owned())),
            None => (value.as_str(), config.variable(value)),
        };
        if name.is_empty() {
            return Err(refuse("--env", value, "the name is missing; write NAME=VALUE"));
        }
        variables.extend(given.map(|given| (name.to_owned(), given)));
    }
    Ok(variables)
}

/// `--label NAME=VALUE`; `NAME` alone has an empty value.
///
/// # Errors
/// [`Error::Option`].
pub fn labels(values: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let mut labels = BTreeMap::new();
    for value in values {
        let (name, text) = value.split_once('=').unwrap_or((value, ""));
        if name.is_empty() {
            return Err(refuse("--label", value, "the name is missing; write NAME=VALUE"));
        }
        labels.insert(name.to_owned(), text.to_owned());
    }
    Ok(labels)
}

/// `--tag`, or the names in `--output`.
///
/// # Errors
/// [`Error::Option`].
pub fn tags(option: &'static str, values: &[String]) -> Result<Vec<Reference>, Error> {
    let mut tags: Vec<Reference> = Vec::new();
    for value in values {
        let tag: Reference = value
            .parse()
            .map_err(|error: galley_image::ReferenceError| refuse(option, value, error.to_string()))?;
        if tag.digest().is_some() {
            return Err(refuse(
                option,
                value,
                "a digest is what a build comes out as, not a name to give it",
            ));
        }
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// `--build-context NAME=CONTEXT`.
///
/// # Errors
/// [`Error::Option`].
pub fn named_contexts(values: &[String]) -> Result<BTreeMap<String, NamedContext>, Error> {
    let mut contexts = BTreeMap::new();
    for value in values {
        let refuse = |problem: String| refuse("--build-context", value, problem);
        let (name, context) = value
            .split_once('=')
            .filter(|(name, context)| !name.is_empty() && !context.is_empty())
            .ok_or_else(|| {
                refuse("write NAME=DIR, NAME=docker-image://REF or NAME=oci-layout://DIR".into())
            })?;
        contexts.insert(name.to_owned(), named_context(context).map_err(refuse)?);
    }
    Ok(contexts)
}

fn named_context(context: &str) -> Result<NamedContext, String> {
    if let Some(image) = context.strip_prefix("docker-image://") {
        let image = image.parse().map_err(|error: galley_image::ReferenceError| error.to_string())?;
        return Ok(NamedContext::Image(image));
    }
    if let Some(layout) = context.strip_prefix("oci-layout://") {
        return oci_layout(layout);
    }
    if let Some((scheme, _)) = context.split_once("://") {
        return Err(format!(
            "contexts of the kind {scheme}:// are not built yet; fetch it and name the directory"
        ));
    }
    let directory = Path::new(context);
    if !directory.is_dir() {
        return Err(format!("{context} is not a directory"));
    }
    Ok(NamedContext::Directory(directory.into()))
}

/// `DIR[:TAG][@DIGEST]`; a directory whose own name has a colon is found by looking.
fn oci_layout(text: &str) -> Result<NamedContext, String> {
    let (rest, digest) = match text.rsplit_once('@') {
        Some((rest, digest)) => {
            let digest: Digest =
                digest.parse().map_err(|error: galley_image::DigestError| error.to_string())?;
            (rest, Some(digest))
        }
        None => (text, None),
    };
    let (directory, tag) = match rest.rsplit_once(':') {
        Some((directory, tag)) if !tag.contains('/') && !Path::new(rest).is_dir() => {
            (directory, Some(tag.to_owned()))
        }
        _ => (rest, None),
    };
    if !Path::new(directory).is_dir() {
        return Err(format!("{directory} is not a directory"));
    }
    Ok(NamedContext::OciLayout { directory: directory.into(), tag, digest })
}

/// `--secret id=ID[,type=file|env][,src=FILE|,env=NAME]`. Without a source, the environment variable `ID` counts, else the file `ID`.
///
/// # Errors
/// [`Error::Option`], and [`Error::Io`] for a file that cannot be read.
pub fn secrets(values: &[String], config: &Config) -> Result<BTreeMap<String, Secret>, Error> {
    let mut secrets = BTreeMap::new();
    for value in values {
        let (id, from) = secret(value, config).map_err(|problem| refuse("--secret", value, problem))?;
        let bytes = match &from {
            SecretSource::File(path) => std::fs::read(path).map_err(Error::io("read the secret", path))?,
            SecretSource::Environment(name) => config.variable_bytes(name).ok_or_else(|| {
                refuse("--secret", value, format!("the environment variable {name} is not set"))
            })?,
        };
        secrets.insert(id, Secret { value: bytes });
    }
    Ok(secrets)
}

enum SecretSource {
    File(PathBuf),
    Environment(String),
}

fn secret(text: &str, config: &Config) -> Result<(String, SecretSource), String> {
    let (mut id, mut kind, mut source, mut variable) = (None, None, None, None);
    for (name, value) in fields(text)? {
        let value = value.ok_or_else(|| format!("the field `{name}` has no value"))?;
        match name.as_str() {
            "id" => id = Some(value),
            "type" => kind = Some(value),
            "src" | "source" => source = Some(value),
            "env" => variable = Some(value),
            other => {
                return Err(format!("there is no field `{other}`; the fields are id, src, env and type"));
            }
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or("the id is missing; write id=ID")?;
    let from = match (kind.as_deref(), source, variable) {
        (_, Some(_), Some(_)) => return Err("give src or env, not both".into()),
        (None | Some("env"), None, Some(name)) | (Some("env"), Some(name), None) => {
            SecretSource::Environment(name)
        }
        (None | Some("file"), Some(path), None) => SecretSource::File(path.into()),
        (Some("env"), None, None) => SecretSource::Environment(id.clone()),
        (Some("file"), None, None) => SecretSource::File(id.clone().into()),
        (None, None, None) if config.variable_bytes(&id).is_some() => SecretSource::Environment(id.clone()),
        (None, None, None) => SecretSource::File(id.clone().into()),
        (Some("file"), None, Some(_)) => return Err("type=file has a src, not an env".into()),
        (Some(other), ..) => return Err(format!("there is no type `{other}`; the types are file and env")),
    };
    Ok((id, from))
}
