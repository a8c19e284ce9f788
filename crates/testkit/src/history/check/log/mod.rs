//! Rules C1 to C7: commits and reads against the log, and the log against itself.

mod c1_lost;
mod c2_phantom;
mod c3_one_to_one;
mod c4_order;
mod c5_fold;
mod c6_conditions;
pub(super) mod c7_reads;

use super::facts::Facts;
use crate::history::verdict::Report;

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    c1_lost::check(facts, report);
    c2_phantom::check(facts, report);
    c3_one_to_one::check(facts, report);
    c4_order::check(facts, report);
    c5_fold::check(facts, report);
    c6_conditions::check(facts, report);
    c7_reads::check(facts, report);
}
