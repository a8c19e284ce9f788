//! Bugs are put in by a feature, which nothing of the workspace turns on: cargo would turn it on in
//! everything that is built along, the released binary included.

use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand, Package};

use super::Finding;
use crate::repository::Repository;

const FEATURE: &str = "seeded-bugs";

pub(super) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let metadata = MetadataCommand::new()
        .current_dir(repository.root())
        .no_deps()
        .exec()
        .context("asking cargo for the workspace's features")?;
    let mut findings = faults(&metadata);
    // What the manifests come to, as cargo sees it: everything that `cargo build` may build.
    if has_bugs(repository, &["--workspace"])? {
        let what = format!("is built with {FEATURE}: see cargo tree --edges features");
        findings.push(Finding::new("the workspace", what));
    }
    Ok(findings)
}

fn faults(metadata: &Metadata) -> Vec<Finding> {
    let faults = metadata.packages.iter().flat_map(|package| {
        let place = format!("crate {}", package.name);
        turned_on(package).map(move |by| Finding::new(&place, format!("{by} turns {FEATURE} on")))
    });
    faults.collect()
}

/// What in a manifest turns the feature on, of the package or of another.
fn turned_on(package: &Package) -> impl Iterator<Item = String> + '_ {
    let by_dependency = package.dependencies.iter();
    let by_dependency = by_dependency.filter(|to| to.features.iter().any(|name| name == FEATURE));
    let by_dependency = by_dependency.map(|to| format!("the dependency on {}", to.name));
    let by_feature = package.features.iter().filter(|(name, features)| {
        // Itself may be handed on.
        *name != FEATURE && features.iter().any(|feature| names_it(feature))
    });
    let by_feature = by_feature.map(|(name, _)| format!("the feature {name}"));
    by_dependency.chain(by_feature)
}

/// `seeded-bugs`, `crate/seeded-bugs` or `crate?/seeded-bugs`.
fn names_it(feature: &str) -> bool {
    feature.rsplit('/').next() == Some(FEATURE)
}

/// Whether the feature is on in what cargo builds of these packages.
fn has_bugs(repository: &Repository, packages: &[&str]) -> Result<bool> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree", "--locked", "--edges", "features", "--prefix", "none",
        ])
        .args(packages)
        .current_dir(repository.root())
        .output()
        .context("starting cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    }
    let tree = String::from_utf8_lossy(&output.stdout);
    let wanted = format!("feature \"{FEATURE}\"");
    Ok(tree.lines().any(|line| line.contains(&wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded::DIRECTORY;

    /// What is found of a package with these dependencies and features.
    fn found(dependencies: &str, features: &str) -> Vec<String> {
        let package = format!(
            r#"{{"packages":[{{"name":"newcomer","version":"0.1.0","id":"newcomer",
            "dependencies":[{dependencies}],"features":{{{features}}},"targets":[],
            "manifest_path":"/newcomer/Cargo.toml"}}],"workspace_members":["newcomer"],
            "workspace_root":"/","target_directory":"/target","version":1,"resolve":null}}"#
        );
        let metadata = MetadataCommand::parse(package.replace('\n', "")).expect("metadata");
        faults(&metadata).iter().map(ToString::to_string).collect()
    }

    fn dependency(features: &str) -> String {
        format!(
            r#"{{"name":"wellspring-engine","req":"*","kind":null,"optional":false,
            "uses_default_features":true,"features":[{features}],"target":null}}"#
        )
    }

    #[test]
    fn a_dependency_that_puts_bugs_in_is_found() {
        let what = "crate newcomer: the dependency on wellspring-engine turns seeded-bugs on";
        assert_eq!(found(&dependency(r#""seeded-bugs""#), ""), [what]);
        assert_eq!(found(&dependency(r#""other""#), ""), [""; 0]);
    }

    #[test]
    fn a_feature_that_puts_bugs_in_is_found() {
        let what = "crate newcomer: the feature default turns seeded-bugs on";
        assert_eq!(found("", r#""default":["seeded-bugs"]"#), [what]);
        assert_eq!(found("", r#""default":["engine/seeded-bugs"]"#), [what]);
        assert_eq!(found("", r#""seeded-bugs":["log/seeded-bugs"]"#), [""; 0]);
    }

    #[test]
    fn bugs_are_seen_where_they_are_and_not_in_the_binary() {
        let repository = Repository::find().expect("the repository");
        let manifest = format!("{DIRECTORY}/Cargo.toml");
        assert!(has_bugs(&repository, &["--manifest-path", &manifest]).expect("cargo tree"));
        assert!(!has_bugs(&repository, &["--package", "wellspring-cli"]).expect("cargo tree"));
    }
}
