//! C7: a read shows what was acknowledged before it was asked, and nothing that was sent only after
//! it was answered.

use crate::history::check::facts::Facts;
use crate::history::check::view::{Claim, Contents};
use crate::history::model::Read;
use crate::history::verdict::{Report, Rule};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    for read in &facts.history.reads {
        let fault = if read.version > 0 {
            found(facts, read)
        } else {
            absent(facts, read)
        };
        if let Some(fault) = fault {
            let sentence = format!("a read of {} {fault}", facts.text(read.document.path));
            report.add(Rule::C7, &[read.place], sentence);
        }
    }
}

/// Queries: their time here, their content as of their sequence with the snapshots.
pub(crate) fn claims(facts: &Facts<'_>, report: &mut Report) -> Vec<Claim> {
    let mut claims = Vec::new();
    for query in &facts.history.queries {
        let known = facts.acknowledged_before(query.t_inv);
        let fault = if query.seq < known {
            Some(format!("though {known} was acknowledged before"))
        } else if query.seq > facts.history.dump.head {
            Some("which the log does not have".to_owned())
        } else {
            let invoked = facts.invoked_through(query.seq);
            (invoked > query.t_ret).then(|| "of which a part was sent only afterwards".to_owned())
        };
        if let Some(fault) = fault {
            let sentence = format!("a query was answered as of {}, {fault}", query.seq);
            report.add(Rule::C7, &[query.place], sentence);
            continue;
        }
        claims.push(Claim {
            view: query.view,
            seq: query.seq,
            place: query.place,
            rule: Rule::C5,
            what: "a query",
            contents: Contents::of_documents(&query.documents),
        });
    }
    claims
}

fn found(facts: &Facts<'_>, read: &Read) -> Option<String> {
    let version = read.version;
    let touches = facts.touches_of(read.document.path);
    let at = touches.partition_point(|touch| touch.seq < version);
    if facts.is_kept(version) {
        let touch = touches.get(at).filter(|touch| touch.seq == version);
        let image = touch.and_then(|touch| facts.touched(*touch).new.as_ref());
        if image.map(|image| image.hash) != read.hash {
            return Some(format!(
                "shows a version {version} that the log does not have"
            ));
        }
    }
    if facts.invoked_through(version) > read.t_ret {
        return Some(format!(
            "shows version {version}, which was sent only afterwards"
        ));
    }
    let known = facts.acknowledged_before(read.t_inv);
    let newer = touches.partition_point(|touch| touch.seq <= version);
    let newer = touches.get(newer).filter(|touch| touch.seq <= known)?;
    Some(format!(
        "shows version {version}, though {known} was acknowledged before, and {} changed it",
        newer.seq
    ))
}

fn absent(facts: &Facts<'_>, read: &Read) -> Option<String> {
    let known = facts.acknowledged_before(read.t_inv);
    let touches = facts.touches_of(read.document.path);
    let after = touches.partition_point(|touch| touch.seq <= known);
    let is_absent_at = match (after.checked_sub(1), touches.get(after)) {
        (Some(last), _) => facts.touched(touches[last]).new.is_none(),
        // What came first in the log tells since when it had been there, which may be later.
        (None, Some(next)) => !(1..=known).contains(&facts.touched(*next).prev_version),
        // Never changed in the log: whether it was there before, the state says.
        (None, None) => facts
            .older_version(read.document.path)
            .is_none_or(|version| version > known),
    };
    if is_absent_at {
        return None;
    }
    // Deleted meanwhile, by somebody who asked for it in time.
    let meanwhile = touches[after..].iter();
    let mut meanwhile =
        meanwhile.take_while(|touch| facts.invoked_through(touch.seq) <= read.t_ret);
    if meanwhile.any(|touch| facts.touched(*touch).new.is_none()) {
        return None;
    }
    Some(format!(
        "finds nothing, though it is there since before {known}, which was acknowledged"
    ))
}
