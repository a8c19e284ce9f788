//! Whether a document matches.

use std::mem::discriminant;

use super::{Node, Range, Test};
use crate::json::{Object, Value, compare};

pub(super) fn matches(node: &Node, data: &Object) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().all(|node| matches(node, data)),
        Node::Any(nodes) => nodes.iter().any(|node| matches(node, data)),
        Node::Not(node) => !matches(node, data),
        Node::Field(condition) => holds(&condition.test, condition.field.find(data)),
    }
}

fn holds(test: &Test, value: Option<&Value>) -> bool {
    let Some(value) = value else {
        return matches!(test, Test::NotEqual(_) | Test::NotIn(_) | Test::Missing);
    };
    match test {
        Test::Equal(operand) => value == operand,
        Test::NotEqual(operand) => value != operand,
        Test::Range(range, operand) => is_in_range(*range, value, operand),
        Test::In(operands) => operands.contains(value),
        Test::NotIn(operands) => !operands.contains(value),
        Test::Exists => true,
        Test::Missing => false,
        Test::Contains(operand) => value
            .as_array()
            .is_some_and(|elements| elements.contains(operand)),
        Test::Prefix(prefix) => value
            .as_str()
            .is_some_and(|text| text.starts_with(&**prefix)),
    }
}

fn is_in_range(range: Range, value: &Value, operand: &Value) -> bool {
    if discriminant(value) != discriminant(operand) {
        return false;
    }
    let ordering = compare(value, operand);
    match range {
        Range::Less => ordering.is_lt(),
        Range::LessOrEqual => ordering.is_le(),
        Range::Greater => ordering.is_gt(),
        Range::GreaterOrEqual => ordering.is_ge(),
    }
}
