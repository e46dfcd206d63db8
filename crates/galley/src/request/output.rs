//! `--output`.

use galley_build::request::{Destination, Output, OutputFormat};

use super::fields::fields;
use crate::error::Error;

/// Every `-o`.
///
/// # Errors
/// [`Error::Option`].
pub fn outputs(values: &[String]) -> Result<Vec<Output>, Error> {
    let mut outputs: Vec<Output> = Vec::new();
    for value in values {
        let refuse = |problem: String| Error::Option { option: "--output", value: value.clone(), problem };
        let output = output(value).map_err(refuse)?;
        let second = output.destination == Destination::Stdout
            && outputs.iter().any(|other| other.destination == Destination::Stdout);
        if second {
            return Err(refuse("another output goes to standard output already".into()));
        }
        outputs.push(output);
    }
    Ok(outputs)
}

fn output(text: &str) -> Result<Output, String> {
    if text == "-" {
        return Ok(Output { format: OutputFormat::Tar, destination: Destination::Stdout });
    }
    if !text.contains('=') {
        return Ok(Output { format: OutputFormat::Local, destination: Destination::Path(text.into()) });
    }
    let (mut kind, mut destination, mut tar) = (None, None, None);
    for (name, value) in fields(text)? {
        let value = value.ok_or_else(|| format!("the field `{name}` has no value"))?;
        match name.as_str() {
            "type" => kind = Some(value),
            "dest" => destination = Some(value),
            "tar" => tar = Some(boolean(&name, &value)?),
            other => return Err(format!("there is no field `{other}`; the fields are type, dest and tar")),
        }
    }
    let format = match (kind.as_deref(), tar) {
        (Some("oci"), Some(false)) => OutputFormat::OciDirectory,
        (Some("oci"), _) => OutputFormat::Oci,
        (Some("docker"), None | Some(true)) => OutputFormat::Docker,
        (Some("docker"), Some(false)) => {
            return Err("a docker archive is always a tar; use type=oci,tar=false".into());
        }
        (Some("tar" | "local"), Some(_)) => return Err("tar=false goes with type=oci".into()),
        (Some("tar"), None) => OutputFormat::Tar,
        (Some("local"), None) => OutputFormat::Local,
        (Some(other), _) => {
            return Err(format!("there is no type `{other}`; the types are oci, docker, tar and local"));
        }
        (None, _) => return Err("the type is missing; write type=oci|docker|tar|local".into()),
    };
    let directory = matches!(format, OutputFormat::Local | OutputFormat::OciDirectory);
    let destination = match destination.as_deref() {
        Some("") => return Err("dest is empty".into()),
        Some("-") | None if directory => return Err("a directory needs a place: add dest=DIR".into()),
        Some("-") | None => Destination::Stdout,
        Some(path) => Destination::Path(path.into()),
    };
    Ok(Output { format, destination })
}

fn boolean(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("`{name}` is true or false")),
    }
}
