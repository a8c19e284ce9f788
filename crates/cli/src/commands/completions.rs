//! `wellspring completions`

use clap::Args;
use clap_complete::Shell;

use crate::arguments;
use crate::failure::Failure;
use crate::output::Output;

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
To load it:
  bash  source <(wellspring completions bash)                            in ~/.bashrc
  zsh   wellspring completions zsh > \"${fpath[1]}/_wellspring\"           once
  fish  wellspring completions fish | source                             in config.fish")]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        let mut command = arguments::command();
        clap_complete::generate(self.shell, &mut command, "wellspring", &mut script);
        Output::only_line(String::from_utf8_lossy(&script).trim_end())
    }
}
