//! Real clients against a real server: each group is one client, one script under `tests/clients`
//! and one freshly started `wellspring`.

mod script;
mod server;
mod tools;

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;

use self::script::Script;
use self::server::Server;
use self::tools::{Tool, Tools};
use crate::repository::Repository;
use crate::tally::Tally;

/// One client, or one long check of it.
struct Group {
    name: &'static str,
    script: &'static str,
    arguments: &'static [&'static str],
    tools: &'static [Tool],
    deadline: Duration,
}

const USUAL_DEADLINE: Duration = Duration::from_secs(120);

const GROUPS: &[Group] = &[
    Group::of(
        "readme",
        "readme.py",
        &[Tool::Python, Tool::Curl, Tool::Venv],
    ),
    Group::of("tutorial", "tutorial.py", &[Tool::Python, Tool::Curl]),
    Group::of("curl", "curl.py", &[Tool::Python, Tool::Curl]),
    Group::of("grpcurl", "grpcurl.py", &[Tool::Python, Tool::Venv]),
    Group::of("buf", "buf.py", &[Tool::Python, Tool::Venv]),
    Group::of("ws", "ws.mjs", &[Tool::Node, Tool::NodeModules]),
    Group::of(
        "eventsource",
        "eventsource.mjs",
        &[Tool::Node, Tool::NodeModules],
    ),
    Group::of("grpc-js", "grpc_js.mjs", &[Tool::Node, Tool::NodeModules]),
    Group {
        arguments: &["movies.json", "3201"],
        ..Group::of(
            "five-transports",
            "five_transports.mjs",
            &[Tool::Node, Tool::NodeModules],
        )
    },
];

const LONG: &[Group] = &[
    Group {
        deadline: Duration::from_secs(400),
        ..Group::of("silence", "silence.mjs", &[Tool::Node, Tool::NodeModules])
    },
    Group {
        arguments: &["flights-200k.json", "200000"],
        deadline: Duration::from_secs(1800),
        ..Group::of(
            "flights",
            "five_transports.mjs",
            &[Tool::Node, Tool::NodeModules],
        )
    },
];

impl Group {
    const fn of(name: &'static str, script: &'static str, tools: &'static [Tool]) -> Group {
        Group {
            name,
            script,
            arguments: &[],
            tools,
            deadline: USUAL_DEADLINE,
        }
    }
}

/// Runs all groups, or only those that are named.
pub(crate) fn run(repository: &Repository, names: &[String]) -> Result<Tally> {
    run_groups(repository, &chosen(GROUPS, names)?)
}

/// Runs checks that take minutes, by name.
pub(crate) fn run_long(repository: &Repository, names: &[String]) -> Result<Tally> {
    ensure!(!names.is_empty(), "name one of: {}", names_of(LONG));
    run_groups(repository, &chosen(LONG, names)?)
}

fn chosen<'a>(groups: &'a [Group], names: &[String]) -> Result<Vec<&'a Group>> {
    if names.is_empty() {
        return Ok(groups.iter().collect());
    }
    let find = |name: &String| match groups.iter().find(|group| group.name == name) {
        Some(group) => Ok(group),
        None => bail!("no group {name:?}; there are: {}", names_of(groups)),
    };
    names.iter().map(find).collect()
}

fn names_of(groups: &[Group]) -> String {
    groups
        .iter()
        .map(|group| group.name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn run_groups(repository: &Repository, groups: &[&Group]) -> Result<Tally> {
    let metadata = MetadataCommand::new()
        .current_dir(repository.root())
        .no_deps()
        .exec()?;
    let target = metadata.target_directory.into_std_path_buf();
    let binary = build(repository, &target.join("debug/wellspring"))?;
    let mut tools = Tools::new(repository, target.join("clients"))?;
    let mut tally = Tally::default();
    for group in groups {
        println!("== client {}", group.name);
        match tools.missing(group.tools)? {
            None => tally += run_group(group, &tools, &binary)?,
            Some(missing) => {
                println!("skipped group {}: {missing}", group.name);
                tally += Tally::SKIPPED;
            }
        }
    }
    Ok(tally)
}

fn build(repository: &Repository, binary: &std::path::Path) -> Result<PathBuf> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--package", "wellspring-cli"])
        .current_dir(repository.root())
        .status()
        .context("starting cargo build")?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(binary.to_path_buf())
}

fn run_group(group: &Group, tools: &Tools, binary: &std::path::Path) -> Result<Tally> {
    let mut server = match Server::start(binary, &tools.data_directory(group.name)) {
        Ok(server) => server,
        Err(error) => {
            println!("  not ok a server starts: {error:#}");
            return Ok(Tally::FAILED);
        }
    };
    let mut command = tools.command(group.script);
    command
        .args(group.arguments)
        .env("WELLSPRING_BINARY", binary)
        .env("WELLSPRING_ADDRESS", server.address().to_string())
        .env("WELLSPRING_SERVER", format!("http://{}", server.address()));
    let mut tally = Script {
        command,
        deadline: group.deadline,
    }
    .run(&mut server)?;
    tally += report_stop(server.stop()?);
    if tally.failed > 0 {
        println!("  what the server said is in {}", server.output().display());
    }
    Ok(tally)
}

fn report_stop(status: Option<ExitStatus>) -> Tally {
    match status {
        Some(status) if status.success() => {
            println!("  ok the server ends when it is asked to");
            Tally::PASSED
        }
        Some(status) => {
            println!("  not ok the server ends when it is asked to: {status}");
            Tally::FAILED
        }
        None => {
            println!("  not ok the server ends when it is asked to: it had to be killed");
            Tally::FAILED
        }
    }
}
