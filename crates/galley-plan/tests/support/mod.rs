//! Cases of the planner as text: a Dockerfile whose `# plan …` comments say how it is built, and what comes out.

use std::collections::BTreeMap;

use galley_image::{DiffId, Digest, ImageConfig, Platform};
use galley_plan::{
    ImageName, ImageNeed, LowerOptions, NamedContextKind, Needs, Network, Plan, Resolved, ResolvedImage,
    Stages, lower, plan,
};
use galley_syntax::{Diagnostic, parse};

/// How a case is built.
pub struct Case {
    pub options: LowerOptions,
    /// Configurations of images, as JSON, by the name that the file uses.
    images: BTreeMap<String, String>,
    pub dot: bool,
}

impl Case {
    /// Reads the `# plan …` lines of a Dockerfile.
    pub fn read(text: &str) -> Self {
        let options = LowerOptions::new(Platform::new("linux", "amd64", None));
        let mut case = Self { options, images: BTreeMap::new(), dot: false };
        for line in text.lines().filter_map(|line| line.strip_prefix("# plan ")) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            match word {
                "target" => case.options.targets.push(name),
                "arg" => drop(case.options.build_args.insert(name, value)),
                "label" => drop(case.options.labels.insert(name, value)),
                "platform" => case.options.platform = name.parse().unwrap(),
                "build-platform" => case.options.build_platform = name.parse().unwrap(),
                "network" => {
                    case.options.network = if name == "none" { Network::None } else { Network::Host }
                }
                "context" => {
                    let kinds =
                        [("directory", NamedContextKind::Directory), ("image", NamedContextKind::Image)];
                    let kind = kinds.into_iter().find(|(word, _)| *word == value).unwrap().1;
                    case.options.named_contexts.insert(name, kind);
                }
                "image" => drop(case.images.insert(name, value)),
                "dot" => case.dot = true,
                other => panic!("unknown line in a case: # plan {other}"),
            }
        }
        case
    }

    /// An image as the case describes it, or one with a layer and nothing to say.
    fn image(&self, need: &ImageNeed) -> ResolvedImage {
        let name = need.name.to_string();
        let digest = Digest::of(format!("{name} {}", need.platform).as_bytes());
        let reference = match &need.name {
            ImageName::Reference(reference) => reference.with_digest(digest),
            ImageName::NamedContext(name) => format!("context.local/{name}@{digest}").parse().unwrap(),
        };
        let mut config = ImageConfig::scratch(need.platform.clone());
        config.rootfs.diff_ids.push(DiffId(digest));
        if let Some(json) = self.images.get(&name) {
            config.config = serde_json::from_str(json).unwrap();
        }
        ResolvedImage { reference, config }
    }

    /// Answers every need, as the build loop does; also returns what was asked for in each round.
    pub fn resolve(&self, stages: &Stages) -> (Resolved, Vec<Needs>) {
        let mut resolved = Resolved::default();
        let mut rounds = Vec::new();
        loop {
            let needs = stages.needs(&resolved);
            if needs.is_empty() {
                return (resolved, rounds);
            }
            for need in needs.images.keys() {
                resolved.images.insert(need.clone(), self.image(need));
            }
            resolved.contexts.extend(needs.contexts.keys().cloned());
            rounds.push(needs);
            assert!(rounds.len() <= 2, "triggers do not nest, so two rounds are enough");
        }
    }

    /// Lowers, resolves and plans.
    pub fn plan(&self, dockerfile: &[u8]) -> Result<(Plan, Vec<Needs>), Vec<Diagnostic>> {
        let stages = lower(&parse(dockerfile), &self.options)?;
        let (resolved, rounds) = self.resolve(&stages);
        Ok((plan(&stages, &resolved)?, rounds))
    }
}
