//! The clients of a simulated database. What they see they record.

mod follower;
mod past;
mod patience;
mod reader;
mod writer;

use wellspring_types::{CollectionPath, Filter};

use crate::world::World;

pub(crate) use follower::{Follower, finish, follow};
pub(crate) use reader::read;
pub(crate) use writer::{Accepted, Commits, write};

/// Three, and a change of the last is now and then the first of it.
const COLLECTIONS: [&str; 3] = ["rooms", "notes", "rooms/1/messages"];
const FILTERS: [&str; 4] = [
    r#"{"room":1}"#,
    r#"{"n":{"gte":5}}"#,
    r#"{"or":[{"room":0},{"n":{"lt":3}}]}"#,
    r#"{"room":{"in":[0,2]}}"#,
];

fn one_of<T: Copy>(world: &World, choices: &[T]) -> T {
    let count = u64::try_from(choices.len()).unwrap_or(1);
    choices[usize::try_from(world.below(count)).unwrap_or(0)]
}

fn collection(world: &World) -> Option<CollectionPath> {
    one_of(world, &COLLECTIONS).parse().ok()
}

/// A filter, or none.
fn filter(world: &World) -> Option<Filter> {
    if world.chance(1, 2) {
        return None;
    }
    Filter::parse(one_of(world, &FILTERS)).ok()
}
