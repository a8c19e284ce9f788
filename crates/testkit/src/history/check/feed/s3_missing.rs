//! S3: no matching change is missing. Where a part of its commit did come it is S6; right behind a
//! token or a snapshot it is S4, as it is the seam that leaks.

use super::session::{Seam, Session, Stretch};
use crate::history::check::facts::Facts;
use crate::history::check::view::{Shown, ViewChange, ViewLog};
use crate::history::model::Name;
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, session: &Session<'_>, view: &ViewLog, report: &mut Report) {
    for stretch in &session.stretches {
        let received = stretch.keys();
        let missing = missing(view.between(stretch.from, stretch.to), &received);
        for rule in [Rule::S6, Rule::S4, Rule::S3] {
            let of_rule = missing
                .iter()
                .filter(|c| rule_of(stretch, &received, c) == rule);
            let of_rule: Vec<_> = of_rule.copied().collect();
            let Some(first) = of_rule.first() else {
                continue;
            };
            let sentence = format!(
                "{} was sent everything up to {}, but not {} changes that match, the first that \
                 of {} at {}{}",
                facts.text(session.feed.name),
                stretch.to,
                of_rule.len(),
                facts.text(first.path),
                first.seq,
                in_words(rule, stretch.seam)
            );
            report.add(rule, &[stretch.last.place, first.place], sentence);
        }
    }
}

fn missing<'v>(expected: &'v [ViewChange], received: &[(u64, Name)]) -> Vec<&'v ViewChange> {
    let mut received = received.iter().peekable();
    let mut missing = Vec::new();
    for change in expected {
        let key = (change.seq, change.path);
        while received.next_if(|received| **received < key).is_some() {}
        let is_there = received.peek().is_some_and(|received| **received == key);
        if change.shown == Shown::Sent && !is_there {
            missing.push(change);
        }
    }
    missing
}

fn rule_of(stretch: &Stretch<'_>, received: &[(u64, Name)], change: &ViewChange) -> Rule {
    let index = received.partition_point(|(seq, _)| *seq < change.seq);
    if received
        .get(index)
        .is_some_and(|(seq, _)| *seq == change.seq)
    {
        return Rule::S6;
    }
    let at_seam = stretch.first.is_none_or(|first| change.seq <= first);
    if at_seam && stretch.seam != Seam::None {
        return Rule::S4;
    }
    Rule::S3
}

fn in_words(rule: Rule, seam: Seam) -> &'static str {
    match (rule, seam) {
        (Rule::S6, _) => ", of a commit of which the rest came",
        (Rule::S4, Seam::Token) => ", right after its token",
        (Rule::S4, _) => ", right after its snapshot",
        _ => "",
    }
}
