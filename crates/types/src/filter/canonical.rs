//! The one form that filters of the same meaning share, as far as that is cheap to see.

use super::{Condition, Node, Range, Test};
use crate::json::{Object, Value, canonical_text, compare};

/// Flattens what is nested without need, and sorts and unites what has no order.
pub(super) fn normalize(node: Node) -> Node {
    match node {
        Node::All(nodes) => unite(nodes, Node::All, |node| match node {
            Node::All(nodes) => Ok(nodes),
            other => Err(other),
        }),
        Node::Any(nodes) => unite(nodes, Node::Any, |node| match node {
            Node::Any(nodes) => Ok(nodes),
            other => Err(other),
        }),
        Node::Not(node) => Node::Not(Box::new(normalize(*node))),
        Node::Field(condition) => Node::Field(normalize_condition(condition)),
    }
}

fn unite(
    nodes: Vec<Node>,
    connect: impl Fn(Vec<Node>) -> Node,
    flatten: impl Fn(Node) -> Result<Vec<Node>, Node>,
) -> Node {
    let mut flat = Vec::with_capacity(nodes.len());
    for node in nodes {
        match flatten(normalize(node)) {
            Ok(nodes) => flat.extend(nodes),
            Err(node) => flat.push(node),
        }
    }
    flat.sort_by_cached_key(text);
    flat.dedup();
    match flat.pop() {
        Some(only) if flat.is_empty() => only,
        Some(last) => {
            flat.push(last);
            connect(flat)
        }
        None => connect(flat),
    }
}

fn text(node: &Node) -> String {
    canonical_text(&to_value(node))
}

fn normalize_condition(mut condition: Condition) -> Condition {
    if let Test::In(values) | Test::NotIn(values) = &mut condition.test {
        values.sort_by(compare);
        values.dedup();
    }
    condition
}

/// The filter as JSON, every condition and connective in an object of its own.
pub(super) fn to_value(node: &Node) -> Value {
    let list = |nodes: &[Node]| Value::Array(nodes.iter().map(to_value).collect());
    let object = match node {
        Node::All(nodes) if nodes.is_empty() => Object::new(),
        Node::All(nodes) => Object::from_iter([("and", list(nodes))]),
        Node::Any(nodes) => Object::from_iter([("or", list(nodes))]),
        Node::Not(node) => Object::from_iter([("not", to_value(node))]),
        Node::Field(Condition { field, test }) => {
            let (operator, operand) = operator(test);
            let operators = Object::from_iter([(operator, operand)]);
            // Only pointers reach fields of these names, and they are written as pointers.
            Object::from_iter([(field.as_str(), operators)])
        }
    };
    object.into()
}

fn operator(test: &Test) -> (&'static str, Value) {
    match test {
        Test::Equal(operand) => ("eq", operand.clone()),
        Test::NotEqual(operand) => ("ne", operand.clone()),
        Test::Range(Range::Less, operand) => ("lt", operand.clone()),
        Test::Range(Range::LessOrEqual, operand) => ("lte", operand.clone()),
        Test::Range(Range::Greater, operand) => ("gt", operand.clone()),
        Test::Range(Range::GreaterOrEqual, operand) => ("gte", operand.clone()),
        Test::In(operands) => ("in", operands.clone().into()),
        Test::NotIn(operands) => ("not_in", operands.clone().into()),
        Test::Exists => ("exists", true.into()),
        Test::Missing => ("exists", false.into()),
        Test::Contains(operand) => ("contains", operand.clone()),
        Test::Prefix(prefix) => ("prefix", Value::String(prefix.clone())),
    }
}
