//! What a document that a filter matches is bound to hold.

use wellspring_types::filter::{Node, Test};
use wellspring_types::{FieldPath, Value};

/// Fields and values of which every document that the filter matches has one at least: a document
/// that has none of them need not be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Keys<'a> {
    pub(super) pairs: Vec<(&'a FieldPath, &'a Value)>,
    /// What they are expected to cost, summed.
    cost: u64,
}

/// The cheapest keys of a filter, by the cost of each; `None` where no equality has to hold.
///
/// Only what every match must satisfy can be used: one part of an `and` is enough, an `or` needs
/// every branch. `ne`, `not_in`, `exists: false` and all within `not` hold for missing fields too.
pub(super) fn keys_of<'a>(
    node: &'a Node,
    cost: &impl Fn(&FieldPath, &Value) -> u64,
) -> Option<Keys<'a>> {
    match node {
        Node::Field(condition) => {
            let values = match &condition.test {
                Test::Equal(value) => std::slice::from_ref(value),
                Test::In(values) => values,
                _ => return None,
            };
            let field = &condition.field;
            Some(Keys {
                pairs: values.iter().map(|value| (field, value)).collect(),
                cost: values
                    .iter()
                    .map(|value| cost(field, value))
                    .fold(0, u64::saturating_add),
            })
        }
        Node::All(parts) => {
            let indexable = parts.iter().filter_map(|part| keys_of(part, cost));
            indexable.min_by_key(|keys| keys.cost)
        }
        Node::Any(branches) => {
            let (mut pairs, mut total) = (Vec::new(), 0);
            for branch in branches {
                let keys = keys_of(branch, cost)?;
                pairs.extend(keys.pairs);
                total = keys.cost.saturating_add(total);
            }
            Some(Keys { pairs, cost: total })
        }
        _ => None,
    }
}
