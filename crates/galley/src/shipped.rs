//! The recipes of bases that galley ships: the directory `bases/` at the root of the repository, in the program.

/// Which names they are bound to, as somebody would write it in a `galley.toml`.
pub const BINDINGS: &str = include_str!("../../../bases/galley.toml");

/// The name that messages show for [`BINDINGS`].
pub const BINDINGS_NAME: &str = "galley's own bases/galley.toml";

/// Each recipe's name and Dockerfile. A recipe reads no context, so that this is all of it.
pub const RECIPES: [(&str, &str); 7] = [
    ("alpine", include_str!("../../../bases/alpine/Dockerfile")),
    ("buildpack-deps", include_str!("../../../bases/buildpack-deps/Dockerfile")),
    ("distroless", include_str!("../../../bases/distroless/Dockerfile")),
    ("golang", include_str!("../../../bases/golang/Dockerfile")),
    ("node", include_str!("../../../bases/node/Dockerfile")),
    ("python", include_str!("../../../bases/python/Dockerfile")),
    ("rust", include_str!("../../../bases/rust/Dockerfile")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_of_recipes_is_in_the_program() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bases");
        let directories = std::fs::read_dir(root).unwrap().map(Result::unwrap);
        let mut names: Vec<String> = directories
            .filter(|entry| entry.path().join("Dockerfile").is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, RECIPES.map(|(name, _)| name));
    }
}
