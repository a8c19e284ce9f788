//! What happened under a seed, in numbers.

use std::fmt;

macro_rules! counts {
    ($($name:ident: $what:literal,)*) => {
        /// What happened under a seed, or under many.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $(#[doc = $what] pub $name: u64,)*
        }

        impl Counts {
            /// Adds those of another seed.
            pub fn add(&mut self, other: &Counts) {
                $(self.$name += other.$name;)*
            }
        }

        impl fmt::Display for Counts {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(writeln!(f, "{:>12}  {}", self.$name, $what)?;)*
                Ok(())
            }
        }
    };
}

counts! {
    turns: "turns of workers, reads and clients",
    operations: "operations of the disk",
    failed: "of them made to fail",
    openings: "openings that were finished",
    kills: "processes that were killed",
    power_cuts: "power cuts",
    inside: "of both, in the middle of an operation of the disk",
    while_opening: "of both, before the database was open",
    closes: "clean closes",
    drops: "databases dropped without a close",
    acknowledged: "commits acknowledged",
    refused: "commits refused",
    unknown: "commits of unknown outcome",
    repeated: "commits sent again",
    reads: "reads and queries",
    past: "of them as of the past",
    sessions: "sessions of subscriptions",
    messages: "messages of subscriptions",
    overflows: "queues that overflowed",
    re_pins: "snapshots moved to a later pin",
    resets: "resets for retention",
    snapshots: "snapshots of the log",
    dropped: "segments dropped",
}
