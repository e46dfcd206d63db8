//! The image configuration: the JSON whose digest is the image's id (OCI image-spec, config.md, and docker's additions to it).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::DiffId;
use crate::platform::Platform;

/// An image configuration. Fields that galley does not know are kept in `other`, so that a base's configuration survives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who maintains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Operating system and processor, as flat fields.
    #[serde(flatten)]
    pub platform: Platform,
    /// How a container of the image is run.
    #[serde(default)]
    pub config: ContainerConfig,
    /// The layers' diff IDs.
    pub rootfs: RootFs,
    /// What made each layer, lowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl ImageConfig {
    /// The configuration that `FROM scratch` starts from.
    #[must_use]
    pub fn scratch(platform: Platform) -> Self {
        let config = ContainerConfig::default();
        Self {
            created: None,
            author: None,
            platform,
            config,
            rootfs: RootFs::default(),
            history: Vec::new(),
            other: BTreeMap::new(),
        }
    }

    /// Drops what old builders wrote down of the container that an image was committed from: another image that starts from
    /// this one has nothing to do with it. Docker's builder drops it, too.
    pub fn forget_container(&mut self) {
        self.other.retain(|name, _| !COMMITTED_FROM.contains(&name.as_str()));
        self.config.other.retain(|name, _| !CONTAINER_STATE.contains(&name.as_str()));
    }
}

/// Fields of docker's image JSON (moby, image/spec/v1.2) that describe the container behind `docker commit`.
const COMMITTED_FROM: [&str; 6] =
    ["container", "container_config", "docker_version", "id", "parent", "throwaway"];

/// Fields of a docker container that stand in the `config` of images that were committed from one.
const CONTAINER_STATE: [&str; 11] = [
    "AttachStderr",
    "AttachStdin",
    "AttachStdout",
    "Domainname",
    "Hostname",
    "Image",
    "MacAddress",
    "NetworkDisabled",
    "OpenStdin",
    "StdinOnce",
    "Tty",
];

/// How a container of the image is run. Empty values are left out, as docker's own builder does.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// `user[:group]`, names or numbers; empty is root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports that the image listens on, `8080/tcp`, in sorted order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `NAME=value`, in the order in which they were set.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// The program and the arguments that come before CMD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The default arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// How to find out whether a container is well (docker's addition).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// CMD was written in shell form (docker's addition, for Windows).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_escaped: Option<bool>,
    /// Paths that containers keep outside their own layer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub volumes: BTreeMap<String, Empty>,
    /// Absolute working directory; empty is `/`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Instructions for images built from this one (docker's addition).
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub on_build: Vec<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks a container to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// The shell of the shell form (docker's addition).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// `{}`: the value in docker's sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}

/// A health check. Times are nanoseconds; zero inherits docker's default (30 s, 30 s, 0 s, 5 s).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between two checks, in nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: u64,
    /// How long one check may take, in nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: u64,
    /// How long failures are forgiven after the start, in nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: u64,
    /// Time between two checks during the start, in nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: u64,
    /// How many failures in a row make a container unhealthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
}

/// The layers of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Diff IDs, lowest layer first.
    pub diff_ids: Vec<DiffId>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".into(), diff_ids: Vec::new() }
    }
}

/// One instruction's line in the image's history.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// When it ran: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The author of that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A remark; builders name themselves here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the instruction made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Go writes empty maps and lists as `null`.
fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_and_nulls_survive() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Cmd":["sh"],"Image":"x","Volumes":null,"OnBuild":null,"Labels":null},
            "rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"ADD x","empty_layer":true}],"moby.buildkit.x":1}"#;
        let config: ImageConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.config.cmd.as_deref(), Some(&["sh".to_owned()][..]));
        assert_eq!(config.other["moby.buildkit.x"], 1);
        assert_eq!(config.config.other["Image"], "x");
        let again: ImageConfig = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }
    #[test]
    fn a_base_forgets_the_container_it_was_committed_from() {
        let text = r#"{"architecture":"amd64","os":"linux","container":"7a","container_config":{"Cmd":["x"]},"docker_version":"1",
            "config":{"Hostname":"7a","Tty":false,"Image":"","Cmd":["sh"],"Mine":1},"rootfs":{"type":"layers","diff_ids":[]},"own":2}"#;
        let mut config: ImageConfig = serde_json::from_str(text).unwrap();
        config.forget_container();
        assert_eq!(config.other.keys().collect::<Vec<_>>(), ["own"]);
        assert_eq!(config.config.other.keys().collect::<Vec<_>>(), ["Mine"]);
        assert_eq!(config.config.cmd.as_deref(), Some(&["sh".to_owned()][..]));
    }
}
