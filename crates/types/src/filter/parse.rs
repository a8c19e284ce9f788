//! Reading filters.

use super::{Condition, FilterError, Node, Range, Test};
use crate::json::{Object, Value, clip};
use crate::limits::{DEPTH_MAX, FILTER_NODES_MAX};

pub(super) fn parse(value: &Value) -> Result<Node, FilterError> {
    Parser {
        nodes_left: FILTER_NODES_MAX,
    }
    .filter(value, DEPTH_MAX)
}

/// Counts the nodes while it reads, so that a hostile filter is left early.
struct Parser {
    nodes_left: usize,
}

impl Parser {
    fn count(&mut self, nodes: usize) -> Result<(), FilterError> {
        self.nodes_left = self
            .nodes_left
            .checked_sub(nodes)
            .ok_or(FilterError::TooManyNodes)?;
        Ok(())
    }

    fn filter(&mut self, value: &Value, levels: usize) -> Result<Node, FilterError> {
        let object = value.as_object().ok_or_else(|| FilterError::NotAnObject {
            found: value.type_name(),
        })?;
        let below = levels.checked_sub(1).ok_or(FilterError::TooDeep)?;
        if object.is_empty() {
            self.count(1)?;
        }
        let mut nodes = Vec::new();
        for (key, value) in object {
            match key {
                "and" => nodes.push(Node::All(self.filters("and", value, below)?)),
                "or" => {
                    self.count(1)?;
                    nodes.push(Node::Any(self.filters("or", value, below)?));
                }
                "not" => {
                    self.count(1)?;
                    nodes.push(Node::Not(Box::new(self.negated(value, below)?)));
                }
                field => self.field(field, value, &mut nodes)?,
            }
        }
        Ok(Node::All(nodes))
    }

    fn negated(&mut self, value: &Value, levels: usize) -> Result<Node, FilterError> {
        if value.as_object().is_none() {
            let (expected, found) = ("a filter", value.type_name());
            return Err(FilterError::Connective {
                connective: "not",
                expected,
                found,
            });
        }
        self.filter(value, levels)
    }

    fn filters(
        &mut self,
        connective: &'static str,
        value: &Value,
        levels: usize,
    ) -> Result<Vec<Node>, FilterError> {
        let Some(values) = value.as_array() else {
            let (expected, found) = ("an array of filters", value.type_name());
            return Err(FilterError::Connective {
                connective,
                expected,
                found,
            });
        };
        if values.is_empty() {
            self.count(1)?;
        }
        values
            .iter()
            .map(|value| self.filter(value, levels))
            .collect()
    }

    fn field(
        &mut self,
        name: &str,
        value: &Value,
        nodes: &mut Vec<Node>,
    ) -> Result<(), FilterError> {
        let field: crate::FieldPath = name.parse()?;
        let Some(operators) = value.as_object() else {
            self.count(1)?;
            nodes.push(Node::Field(Condition {
                field,
                test: Test::Equal(value.clone()),
            }));
            return Ok(());
        };
        check_operators(name, operators)?;
        for (operator, operand) in operators {
            let Some(test) = test(name, operator, operand)? else {
                continue;
            };
            self.count(match &test {
                Test::In(values) | Test::NotIn(values) => values.len().max(1),
                _ => 1,
            })?;
            nodes.push(Node::Field(Condition {
                field: field.clone(),
                test,
            }));
        }
        Ok(())
    }
}

const OPERATORS: [&str; 11] = [
    "eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in", "exists", "contains", "prefix",
];

/// An object without any operator was meant to be compared with; one beside an operator is a
/// mistyped one.
fn check_operators(field: &str, operators: &Object) -> Result<(), FilterError> {
    let field = || clip(field);
    let Some(first) = operators.keys().next() else {
        return Err(FilterError::EmptyObject { field: field() });
    };
    let mut unknown = operators.keys().filter(|key| !OPERATORS.contains(key));
    let Some(operator) = unknown.next() else {
        return Ok(());
    };
    if operators.keys().any(|key| OPERATORS.contains(&key)) {
        return Err(FilterError::UnknownOperator {
            field: field(),
            operator: clip(operator),
        });
    }
    Err(FilterError::NoOperator {
        field: field(),
        key: clip(first),
    })
}

/// The test, or nothing for a name that is no operator.
fn test(field: &str, operator: &str, operand: &Value) -> Result<Option<Test>, FilterError> {
    let refuse = |operator: &'static str, expected: &'static str| FilterError::Operand {
        field: clip(field),
        operator,
        expected,
        found: operand.type_name(),
    };
    let range = |operator: &'static str, range: Range| match operand {
        Value::Number(_) | Value::String(_) | Value::Bool(_) => {
            Ok(Test::Range(range, operand.clone()))
        }
        _ => Err(refuse(operator, "a number, a string or a boolean")),
    };
    let values = |operator: &'static str| {
        let values = operand
            .as_array()
            .ok_or_else(|| refuse(operator, "an array of values"))?;
        if values.len() > FILTER_NODES_MAX {
            return Err(FilterError::TooManyNodes);
        }
        Ok(values.to_vec())
    };
    let test = match operator {
        "eq" => Test::Equal(operand.clone()),
        "ne" => Test::NotEqual(operand.clone()),
        "lt" => range("lt", Range::Less)?,
        "lte" => range("lte", Range::LessOrEqual)?,
        "gt" => range("gt", Range::Greater)?,
        "gte" => range("gte", Range::GreaterOrEqual)?,
        "in" => Test::In(values("in")?),
        "not_in" => Test::NotIn(values("not_in")?),
        "exists" => match operand {
            Value::Bool(true) => Test::Exists,
            Value::Bool(false) => Test::Missing,
            _ => return Err(refuse("exists", "true or false")),
        },
        "contains" => Test::Contains(operand.clone()),
        "prefix" => match operand {
            Value::String(prefix) => Test::Prefix(prefix.clone()),
            _ => return Err(refuse("prefix", "a string")),
        },
        _ => return Ok(None),
    };
    Ok(Some(test))
}
