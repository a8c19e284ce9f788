//! Runs one client's script and counts its checks.
//!
//! A script says what it finds on standard output, one line each: `ok NAME`, `not ok NAME: WHY`,
//! and at last `done`. It may say `!kill-and-restart`: the server is then killed and started again,
//! and `ready` is written to the script's standard input. Any other line is shown as it is.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::server::Server;
use crate::tally::Tally;

/// Lines that a script may be ahead of us.
const LINES_MAX: usize = 64;

/// A script that is ready to run.
pub(crate) struct Script {
    pub(crate) command: Command,
    pub(crate) deadline: Duration,
}

/// What a line of a script means.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Check(Tally),
    KillAndRestart,
    Done,
    Other(&'a str),
}

impl Script {
    /// Runs it to its end or its deadline.
    pub(crate) fn run(mut self, server: &mut Server) -> Result<Tally> {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the script")?;
        let output = child
            .stdout
            .take()
            .context("the script's output is piped")?;
        let mut input = child.stdin.take().context("the script's input is piped")?;
        let (sender, lines) = sync_channel(LINES_MAX);
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let told = follow(&lines, Instant::now() + self.deadline, server, &mut input);
        drop((lines, input));
        let tally = conclude(&mut child, &told?)?;
        // A child of the script may hold the pipe open; its end is not ours to wait for.
        drop(reader);
        Ok(tally)
    }
}

/// What a script has said so far, and whether it said that it had done everything.
#[derive(Default)]
struct Told {
    tally: Tally,
    done: bool,
    timed_out: bool,
}

fn follow(
    lines: &Receiver<String>,
    deadline: Instant,
    server: &mut Server,
    input: &mut ChildStdin,
) -> Result<Told> {
    let mut told = Told::default();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = match lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                told.timed_out = true;
                return Ok(told);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(told),
        };
        match parse(&line) {
            Line::Check(counted) => {
                println!("  {line}");
                told.tally += counted;
            }
            Line::KillAndRestart => {
                server.kill_and_restart()?;
                writeln!(input, "ready").context("telling the script that the server is back")?;
            }
            Line::Done => {
                told.done = true;
                return Ok(told);
            }
            Line::Other(text) => println!("    {text}"),
        }
    }
}

/// A script that stops early has failed, even if every check it made was good.
fn conclude(child: &mut Child, told: &Told) -> Result<Tally> {
    let mut tally = told.tally;
    if told.timed_out || told.done {
        // After `done` there is nothing to wait for but sockets that the script left open.
        child.kill().context("ending the script")?;
    }
    let status = child.wait().context("waiting for the script")?;
    let complaint = match (told.timed_out, told.done, tally.total()) {
        (true, _, _) => Some("it did not end in time".to_owned()),
        (_, false, _) => Some(format!("it ended with {status} before it was done")),
        (_, true, 0) => Some("it checked nothing".to_owned()),
        _ => None,
    };
    if let Some(complaint) = complaint {
        println!("  not ok the script runs to its end: {complaint}");
        tally += Tally::FAILED;
    }
    Ok(tally)
}

fn parse(line: &str) -> Line<'_> {
    match line {
        "done" => Line::Done,
        "!kill-and-restart" => Line::KillAndRestart,
        _ if line.starts_with("ok ") => Line::Check(Tally::PASSED),
        _ if line.starts_with("not ok ") => Line::Check(Tally::FAILED),
        _ => Line::Other(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_script_are_told_apart() {
        assert_eq!(parse("ok a write is answered"), Line::Check(Tally::PASSED));
        assert_eq!(
            parse("not ok a write is answered: 500"),
            Line::Check(Tally::FAILED)
        );
        assert_eq!(parse("!kill-and-restart"), Line::KillAndRestart);
        assert_eq!(parse("done"), Line::Done);
        assert_eq!(parse("okay then"), Line::Other("okay then"));
    }
}
