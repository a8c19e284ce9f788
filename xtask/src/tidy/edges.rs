//! Which crate may depend on which: the direction of the architecture, held against cargo.

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use super::Finding;
use crate::repository::Repository;

/// What each crate of the workspace may depend on, tests apart. `docs/architecture.md` draws it.
const ALLOWED: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("log", &["types"]),
    ("store", &["types"]),
    ("engine", &["types", "log", "store"]),
    ("protocol", &["types"]),
    ("server", &["types", "engine", "protocol"]),
    ("client", &["types", "protocol"]),
    ("cli", &["types", "engine", "client", "server", "protocol"]),
    (
        "testkit",
        &[
            "types", "log", "store", "engine", "protocol", "server", "client",
        ],
    ),
    (
        "tests",
        &[
            "types", "log", "store", "engine", "protocol", "server", "client", "testkit",
        ],
    ),
    (
        "benches",
        &[
            "types", "log", "store", "engine", "protocol", "server", "client", "testkit",
        ],
    ),
    // Speaks with Wellspring as with all others: by what its protocol says.
    ("peers", &[]),
    (
        "simulation",
        &["types", "log", "store", "engine", "testkit"],
    ),
    ("xtask", &[]),
];

/// What tests of a crate may use besides: they may stand above it, cargo builds it twice then.
const ALLOWED_IN_TESTS: &[(&str, &[&str])] = &[
    ("client", &["server"]),
    ("cli", &["testkit"]),
    ("peers", &["server"]),
];

/// Outside crates that are hidden behind one of ours: nobody else may name them.
const HIDDEN: &[(&str, &[&str])] = &[
    ("sled", &["store"]),
    ("axum", &["server"]),
    ("hyper", &["server", "client"]),
    ("clap", &["cli", "server", "simulation", "peers"]),
    ("protox", &["xtask"]),
];

/// Crates that must run without a runtime, a socket or a thread of their own.
const PLAIN: &[&str] = &["types", "log", "store", "protocol"];

/// A dependency of one of our crates.
#[derive(Clone, Copy, Debug)]
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    kind: DependencyKind,
}

pub(super) fn check(repository: &Repository) -> Result<Vec<Finding>> {
    let metadata = MetadataCommand::new()
        .current_dir(repository.root())
        .no_deps()
        .exec()
        .context("asking cargo for the workspace's dependencies")?;
    let edges = edges(&metadata);
    Ok(edges.iter().filter_map(fault).collect())
}

fn edges(metadata: &Metadata) -> Vec<Edge<'_>> {
    let mut edges = Vec::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            edges.push(Edge {
                from: short(&package.name),
                to: short(&dependency.name),
                kind: dependency.kind,
            });
        }
    }
    edges
}

fn short(name: &str) -> &str {
    name.strip_prefix("wellspring-").unwrap_or(name)
}

fn fault(edge: &Edge<'_>) -> Option<Finding> {
    let place = format!("crate {}", edge.from);
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == edge.from) else {
        return Some(Finding::new(
            place,
            "is not in the table of allowed dependencies",
        ));
    };
    let is_ours = ALLOWED.iter().any(|(name, _)| *name == edge.to);
    if is_ours && !allowed.contains(&edge.to) && !is_for_tests(edge) {
        return Some(Finding::new(
            place,
            format!("must not depend on {}", edge.to),
        ));
    }
    if edge.kind == DependencyKind::Development {
        return None;
    }
    let hidden = HIDDEN.iter().find(|(name, _)| *name == edge.to);
    if hidden.is_some_and(|(_, owners)| !owners.contains(&edge.from)) {
        return Some(Finding::new(
            place,
            format!("{} is hidden from it", edge.to),
        ));
    }
    if edge.to == "tokio" && PLAIN.contains(&edge.from) {
        return Some(Finding::new(place, "must run without an async runtime"));
    }
    None
}

fn is_for_tests(edge: &Edge<'_>) -> bool {
    let besides = ALLOWED_IN_TESTS.iter().find(|(name, _)| *name == edge.from);
    let allowed = edge.to == "testkit" || besides.is_some_and(|(_, more)| more.contains(&edge.to));
    edge.kind == DependencyKind::Development && allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_fault(from: &str, to: &str, kind: DependencyKind) -> bool {
        fault(&Edge { from, to, kind }).is_some()
    }

    #[test]
    fn an_edge_against_the_direction_is_found() {
        assert!(is_fault("client", "engine", DependencyKind::Normal));
        assert!(is_fault("engine", "protocol", DependencyKind::Normal));
        assert!(is_fault("engine", "server", DependencyKind::Development));
        assert!(!is_fault("server", "engine", DependencyKind::Normal));
    }

    #[test]
    fn tests_may_use_the_testkit() {
        assert!(!is_fault("engine", "testkit", DependencyKind::Development));
        assert!(is_fault("engine", "testkit", DependencyKind::Normal));
        assert!(!is_fault("client", "server", DependencyKind::Development));
        assert!(is_fault("client", "server", DependencyKind::Normal));
    }

    #[test]
    fn hidden_crates_and_runtimes_stay_where_they_belong() {
        assert!(is_fault("engine", "sled", DependencyKind::Normal));
        assert!(!is_fault("store", "sled", DependencyKind::Normal));
        assert!(is_fault("log", "tokio", DependencyKind::Normal));
        assert!(!is_fault("log", "tokio", DependencyKind::Development));
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert!(is_fault("newcomer", "bytes", DependencyKind::Normal));
    }
}
