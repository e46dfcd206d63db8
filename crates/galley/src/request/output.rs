//! `--output`.

use galley_build::request::{Destination, Output, OutputFormat};

use super::fields::fields;
use crate::error::Error;

/// Every `-o`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// What is written to files, directories and standard output.
    pub written: Vec<Output>,
    /// `type=image`: the image is kept in the store.
    pub store_image: bool,
    /// Names that `name=` gives it.
    pub names: Vec<String>,
}

/// Every `-o`.
///
/// # Errors
/// [`Error::Option`].
pub fn outputs(values: &[String]) -> Result<Outputs, Error> {
    let mut outputs = Outputs::default();
    for value in values {
        let refuse = |problem: String| Error::Option { option: "--output", value: value.clone(), problem };
        let Fields { names, output } = output(value).map_err(refuse)?;
        outputs.names.extend(names);
        let Some(output) = output else {
            outputs.store_image = true;
            continue;
        };
        let to_stdout = |output: &Output| output.destination == Destination::Stdout;
        if to_stdout(&output) && outputs.written.iter().any(to_stdout) {
            return Err(refuse("another output goes to standard output already".into()));
        }
        outputs.written.push(output);
    }
    Ok(outputs)
}

/// What one `-o` says.
struct Fields {
    names: Vec<String>,
    /// `None` for the image in the store.
    output: Option<Output>,
}

impl From<Output> for Fields {
    fn from(output: Output) -> Self {
        Self { names: Vec::new(), output: Some(output) }
    }
}

fn output(text: &str) -> Result<Fields, String> {
    if text == "-" {
        return Ok(Output { format: OutputFormat::Tar, destination: Destination::Stdout }.into());
    }
    if !text.contains('=') {
        return Ok(Output { format: OutputFormat::Local, destination: Destination::Path(text.into()) }.into());
    }
    let (mut kind, mut destination, mut tar, mut names) = (None, None, None, Vec::new());
    for (name, value) in fields(text)? {
        let value = value.ok_or_else(|| format!("the field `{name}` has no value"))?;
        match name.as_str() {
            "type" => kind = Some(value),
            "dest" => destination = Some(value),
            "tar" => tar = Some(boolean(&name, &value)?),
            "name" => names.extend(value.split(',').filter(|name| !name.is_empty()).map(str::to_owned)),
            "push" if !boolean(&name, &value)? => {}
            "push" => return Err(NO_PUSH.into()),
            other => {
                return Err(format!("there is no field `{other}`; the fields are type, dest, tar and name"));
            }
        }
    }
    let format = match format(kind.as_deref(), tar)? {
        Some(format) => format,
        None if destination.is_some() => {
            return Err("type=image goes to galley's store: leave dest out, or use type=oci or docker".into());
        }
        None => return Ok(Fields { names, output: None }),
    };
    if !names.is_empty() && !format.needs_blobs() {
        return Err("a root file system has no name: use -t, or type=image, oci or docker".into());
    }
    let directory = matches!(format, OutputFormat::Local | OutputFormat::OciDirectory);
    let destination = match destination.as_deref() {
        Some("") => return Err("dest is empty".into()),
        Some("-") | None if directory => return Err("a directory needs a place: add dest=DIR".into()),
        Some("-") | None => Destination::Stdout,
        Some(path) => Destination::Path(path.into()),
    };
    Ok(Fields { names, output: Some(Output { format, destination }) })
}

const NO_PUSH: &str = "galley does not push yet: write type=oci,dest=FILE, and push it with `skopeo copy oci-archive:FILE docker://NAME`";

/// What is written; `None` for the image in the store.
fn format(kind: Option<&str>, tar: Option<bool>) -> Result<Option<OutputFormat>, String> {
    Ok(Some(match (kind, tar) {
        (Some("oci"), Some(false)) => OutputFormat::OciDirectory,
        (Some("oci"), _) => OutputFormat::Oci,
        (Some("docker"), None | Some(true)) => OutputFormat::Docker,
        (Some("docker"), Some(false)) => {
            return Err("a docker archive is always a tar; use type=oci,tar=false".into());
        }
        (Some("tar" | "local" | "image"), Some(_)) => return Err("tar=false goes with type=oci".into()),
        (Some("tar"), None) => OutputFormat::Tar,
        (Some("local"), None) => OutputFormat::Local,
        (Some("image"), None) => return Ok(None),
        (Some("registry"), _) => return Err(NO_PUSH.into()),
        (Some(other), _) => {
            return Err(format!(
                "there is no type `{other}`; the types are oci, docker, tar, local and image"
            ));
        }
        (None, _) => return Err("the type is missing; write type=oci|docker|tar|local|image".into()),
    }))
}

fn boolean(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("`{name}` is true or false")),
    }
}
