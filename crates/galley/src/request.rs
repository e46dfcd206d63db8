//! From the options of `build` and `plan` to a request that holds every byte and name it needs.

mod fields;
pub mod options;
pub mod output;
pub mod source;

use galley_build::request::{BuildRequest, CachePolicy, NetworkMode};
use galley_image::Platform;

use crate::cli::{BuildArgs, NetworkArg, SourceArgs};
use crate::config::{Config, SOURCE_DATE_EPOCH};
use crate::error::Error;
use source::Source;

/// What `build` asks for.
///
/// # Errors
/// [`Error::Option`] for an option that means nothing, [`Error::Config`], and [`Error::Io`] for a secret that cannot be read.
pub fn build(args: &BuildArgs, source: &Source, config: &Config) -> Result<BuildRequest, Error> {
    let mut request = plan(&args.source, source, config)?;
    request.secrets = options::secrets(&args.secret, config)?;
    request.cache = cache(args);
    date(&mut request, config, args.reproducible)?;
    let outputs = output::outputs(&args.output)?;
    request.tags = options::tags("--tag", &args.tags)?;
    for name in options::tags("--output", &outputs.names)? {
        if !request.tags.contains(&name) {
            request.tags.push(name);
        }
    }
    request.store_image = outputs.store_image;
    request.outputs = outputs.written;
    Ok(request)
}

/// What `plan` asks for: a build that is never carried out.
///
/// # Errors
/// As [`build`].
pub fn plan(args: &SourceArgs, source: &Source, config: &Config) -> Result<BuildRequest, Error> {
    let mut request = BuildRequest {
        dockerfile: source.dockerfile.clone(),
        dockerfile_name: source.name.clone(),
        context: source.context.clone(),
        ignore: source.ignore.clone(),
        target: args.target.clone(),
        build_args: options::build_args(&args.build_arg, config)?,
        named_contexts: options::named_contexts(&args.build_context)?,
        labels: options::labels(&args.label)?,
        secrets: std::collections::BTreeMap::new(),
        network: network(args.network),
        platform: platform(args.platform.as_deref())?,
        cache: CachePolicy::Use,
        pull: args.pull,
        bases: config.bases()?,
        source_date_epoch: None,
        tags: Vec::new(),
        outputs: Vec::new(),
        store_image: false,
    };
    date(&mut request, config, false)?;
    Ok(request)
}

/// Sets the time of everything that is made, which steps see as the build argument that docker gives them.
fn date(request: &mut BuildRequest, config: &Config, reproducible: bool) -> Result<(), Error> {
    let given = request.build_args.get(SOURCE_DATE_EPOCH);
    request.source_date_epoch = config.source_date_epoch(given, reproducible)?;
    if let Some(seconds) = request.source_date_epoch {
        request.build_args.insert(SOURCE_DATE_EPOCH.into(), seconds.to_string());
    }
    Ok(())
}

fn cache(args: &BuildArgs) -> CachePolicy {
    if args.no_cache {
        return CachePolicy::Ignore;
    }
    let stages: std::collections::BTreeSet<String> =
        args.no_cache_filter.iter().map(|stage| stage.to_lowercase()).collect();
    if stages.is_empty() { CachePolicy::Use } else { CachePolicy::IgnoreStages(stages) }
}

/// What `--network` means.
pub fn network(network: NetworkArg) -> NetworkMode {
    match network {
        NetworkArg::Default | NetworkArg::Host => NetworkMode::Host,
        NetworkArg::None => NetworkMode::None,
    }
}

/// What `--platform` means; the machine's own where nothing was asked for.
///
/// # Errors
/// [`Error::Option`].
pub fn platform(asked: Option<&str>) -> Result<Platform, Error> {
    let Some(asked) = asked else { return Ok(Platform::host()) };
    let refuse = |problem: String| Error::Option { option: "--platform", value: asked.into(), problem };
    if asked.contains(',') {
        return Err(refuse(
            "galley builds one platform at a time: give one, and build again for another".into(),
        ));
    }
    asked.parse().map_err(|error: galley_image::PlatformError| refuse(error.to_string()))
}

#[cfg(test)]
mod tests;
