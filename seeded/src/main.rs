//! `wellspring-seeded`: looks for each bug, or those named, and says by what it was found.

use std::io::{self, Write as _};
use std::process::ExitCode;

use wellspring_seeded::{BUGS, Bug, SEEDS_MAX, hunt};

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let names: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = names
        .iter()
        .find(|name| !BUGS.iter().any(|bug| bug.name == **name))
    {
        writeln!(
            io::stderr(),
            "there is no bug {unknown:?}; these are there:"
        )?;
        for bug in BUGS {
            writeln!(io::stderr(), "  {:<24} {}", bug.name, bug.what)?;
        }
        return Ok(ExitCode::from(2));
    }
    let is_wanted = |bug: &&Bug| names.is_empty() || names.iter().any(|name| name == bug.name);
    let mut missed = 0;
    for bug in BUGS.iter().filter(is_wanted) {
        writeln!(out, "{}: {}", bug.name, bug.what)?;
        let hunt = hunt(bug);
        match &hunt.found {
            Some(find) => {
                let rules: Vec<String> = find.rules.iter().map(ToString::to_string).collect();
                let seeds = find.seed + 1;
                writeln!(out, "  found within {seeds} seeds by {}", rules.join(", "))?;
                writeln!(out, "  {}", find.sentence)?;
            }
            None => {
                missed += 1;
                writeln!(out, "  NOT found within {SEEDS_MAX} seeds")?;
            }
        }
        if hunt.noticed > 0 {
            writeln!(
                out,
                "  the engine or the simulation noticed it in {} seeds before",
                hunt.noticed
            )?;
        }
    }
    Ok(if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
