//! Rust code from the protobuf files. It is checked in, because a crate that reads `../../proto`
//! when it is built cannot be published; `--check` tells whether it still is what they say.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::repository::Repository;

/// The files that are compiled, below `proto/`.
const PROTOS: [&str; 4] = [
    "wellspring/v1/document.proto",
    "wellspring/v1/documents.proto",
    "wellspring/v1/changes.proto",
    "wellspring/v1/consumers.proto",
];

/// Where the generated files lie.
const GENERATED: &str = "crates/protocol/src/generated";

/// What becomes of the generated files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are written into the repository.
    Write,
    /// They are compared with what the repository has.
    Check,
}

/// Generates the code, and writes it or compares it.
pub(crate) fn run(repository: &Repository, mode: Mode) -> Result<()> {
    let generated = repository.root().join(GENERATED);
    let fresh = tempfile::tempdir().context("making a directory for the generated files")?;
    generate(&repository.root().join("proto"), fresh.path())?;
    match mode {
        Mode::Write => write(fresh.path(), &generated),
        Mode::Check => check(fresh.path(), &generated),
    }
}

fn generate(proto: &Path, out: &Path) -> Result<()> {
    let mut compiler = protox::Compiler::new([proto]).context("looking for proto/")?;
    // Comments go along: they become the documentation of the Rust types, and reflection shows
    // them in tools such as grpcurl.
    compiler.include_source_info(true).include_imports(true);
    compiler
        .open_files(PROTOS)
        .context("compiling the protobuf files")?;
    let descriptors = compiler.file_descriptor_set();

    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .out_dir(out)
        .emit_rerun_if_changed(false)
        .codec_path("crate::strict::StrictCodec")
        // Written by hand, so that a commit is encoded once for all who are sent it.
        .extern_path(".wellspring.v1.ChangeBatch", "crate::pb::ChangeBatch")
        .compile_fds_with_config(descriptors, config)
        .context("generating Rust code")?;
    fs::write(
        out.join("wellspring.v1.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    Ok(())
}

fn write(fresh: &Path, generated: &Path) -> Result<()> {
    fs::create_dir_all(generated)?;
    for name in names(fresh)? {
        fs::copy(fresh.join(&name), generated.join(&name))
            .with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

fn check(fresh: &Path, generated: &Path) -> Result<()> {
    let (expected, found) = (names(fresh)?, names(generated)?);
    if expected != found {
        bail!("{GENERATED} has {found:?} instead of {expected:?}: run cargo xtask codegen");
    }
    for name in expected {
        if fs::read(fresh.join(&name))? != fs::read(generated.join(&name))? {
            bail!("{GENERATED}/{name} is not what proto/ says: run cargo xtask codegen");
        }
    }
    Ok(())
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
