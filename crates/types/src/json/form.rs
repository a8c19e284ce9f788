//! What the parser makes of a text: a tree, its minified text, or a tree with some texts in it.

use std::borrow::Cow;
use std::collections::HashSet;

use super::parse::Parser;
use super::{JsonError, Number, Object, Value, write_string};
use crate::limits::MESSAGE_DEPTH_MAX;

/// Keys of an object that are compared one by one with a new one.
const KEYS_COMPARED_MAX: usize = 16;
/// Bytes of a minified text that are provided for at first.
const TEXT_BYTES_AT_FIRST: usize = 512;

/// What the parser tells of the text, in its order, and what is made of it. The grammar and all that is
/// refused is the parser's; keys that come twice are found here, where the keys are.
pub(super) trait Form<'a>: Sized {
    type Value;
    /// An object of which members are to come.
    type Object;
    /// An array of which elements are to come.
    type Array;

    /// `null`, `true` or `false`.
    fn word(&mut self, text: &'static str, value: Value) -> Self::Value;
    fn number(&mut self, text: &str) -> Self::Value;
    fn string(&mut self, text: Cow<'a, str>) -> Self::Value;

    fn open_object(&mut self) -> Self::Object;
    /// A member begins.
    fn key(&mut self, _key: &str) {}
    /// Has the member's value parsed.
    fn member(
        &mut self,
        parser: &mut Parser<'a>,
        _key: &str,
        levels: usize,
    ) -> Result<Self::Value, JsonError> {
        parser.value(self, levels)
    }
    /// Adds a member unless its key is there; then it is given back.
    fn add_member(
        &mut self,
        object: &mut Self::Object,
        key: Cow<'a, str>,
        value: Self::Value,
    ) -> Result<(), Box<str>>;
    fn close_object(&mut self, object: Self::Object) -> Self::Value;

    fn open_array(&mut self) -> Self::Array;
    /// An element begins.
    fn element(&mut self) {}
    fn add_element(&mut self, array: &mut Self::Array, element: Self::Value);
    fn close_array(&mut self, array: Self::Array) -> Self::Value;
}

/// A tree of values.
#[derive(Default)]
pub(super) struct Tree {
    lifting: Option<Lifting>,
}

/// Which objects are kept as text, and those that were found; see [`super::parse_lifting`].
struct Lifting {
    list: &'static str,
    member: &'static str,
    is_in_list: bool,
    lifted: Vec<Minified>,
}

impl Tree {
    /// A tree of a message that has objects lifted out of it.
    pub(super) fn lifting(list: &'static str, member: &'static str) -> Tree {
        let lifting = Some(Lifting {
            list,
            member,
            is_in_list: false,
            lifted: Vec::new(),
        });
        Tree { lifting }
    }

    pub(super) fn into_lifted(self) -> Vec<Minified> {
        self.lifting.map_or_else(Vec::new, |lifting| lifting.lifted)
    }
}

impl Lifting {
    /// Whether an object that is the member `key`, below which there may be `levels`, is kept as text.
    fn lifts(&mut self, key: &str, levels: usize) -> bool {
        const OF_MESSAGE: usize = MESSAGE_DEPTH_MAX - 1;
        const OF_ELEMENT: usize = MESSAGE_DEPTH_MAX - 3;
        if levels == OF_MESSAGE {
            self.is_in_list = key == self.list;
        }
        self.is_in_list && levels == OF_ELEMENT && key == self.member
    }
}

impl<'a> Form<'a> for Tree {
    type Value = Value;
    type Object = Object;
    type Array = Vec<Value>;

    fn word(&mut self, _text: &'static str, value: Value) -> Value {
        value
    }

    fn number(&mut self, text: &str) -> Value {
        Value::Number(Number::from_checked(text))
    }

    fn string(&mut self, text: Cow<'a, str>) -> Value {
        Value::String(text.into())
    }

    fn open_object(&mut self) -> Object {
        Object::new()
    }

    fn member(
        &mut self,
        parser: &mut Parser<'a>,
        key: &str,
        levels: usize,
    ) -> Result<Value, JsonError> {
        let lifting = self.lifting.as_mut();
        let lifts = lifting.is_some_and(|lifting| lifting.lifts(key, levels));
        match &mut self.lifting {
            Some(lifting) if lifts && parser.is_at_object() => {
                let mut minifying = Minifying::with_room_for(parser.left());
                parser.value(&mut minifying, levels)?;
                lifting.lifted.extend(minifying.into_object());
                Ok(Value::Object(Object::new()))
            }
            _ => parser.value(self, levels),
        }
    }

    fn add_member(
        &mut self,
        object: &mut Object,
        key: Cow<'a, str>,
        value: Value,
    ) -> Result<(), Box<str>> {
        object.insert_new(key.into(), value)
    }

    fn close_object(&mut self, mut object: Object) -> Value {
        object.shrink_to_fit();
        Value::Object(object)
    }

    fn open_array(&mut self) -> Vec<Value> {
        Vec::new()
    }

    fn add_element(&mut self, array: &mut Vec<Value>, element: Value) {
        array.push(element);
    }

    fn close_array(&mut self, mut array: Vec<Value>) -> Value {
        // Room for more would be most of the memory of many small arrays.
        array.shrink_to_fit();
        Value::Array(array)
    }
}

/// An object's text that was parsed strictly: without insignificant white space, numbers digit for
/// digit, strings as [`write_string`] escapes them, keys in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minified {
    pub(crate) text: Box<str>,
    /// How many levels it has, itself being the first.
    pub(crate) levels: usize,
}

/// The minified text, without a tree.
#[derive(Default)]
pub(super) struct Minifying<'a> {
    text: String,
    /// Keys of all the objects that are open, the innermost one's last.
    keys: Vec<Cow<'a, str>>,
    levels: usize,
    levels_max: usize,
}

/// An object that is being minified.
pub(super) struct Members<'a> {
    /// Where its keys begin.
    keys_from: usize,
    /// Its keys, once they are too many to be compared one by one.
    many: HashSet<Cow<'a, str>>,
}

impl Minifying<'_> {
    fn with_room_for(bytes: usize) -> Self {
        Minifying {
            text: String::with_capacity(bytes.min(TEXT_BYTES_AT_FIRST)),
            ..Minifying::default()
        }
    }

    fn open(&mut self, bracket: char) {
        self.text.push(bracket);
        self.levels += 1;
        self.levels_max = self.levels_max.max(self.levels);
    }

    fn close(&mut self, bracket: char) {
        self.text.push(bracket);
        self.levels -= 1;
    }

    /// What was parsed, if it was an object.
    pub(super) fn into_object(self) -> Option<Minified> {
        self.text.starts_with('{').then(|| Minified {
            text: self.text.into(),
            levels: self.levels_max,
        })
    }
}

impl<'a> Form<'a> for Minifying<'a> {
    type Value = ();
    type Object = Members<'a>;
    type Array = ();

    fn word(&mut self, text: &'static str, _value: Value) {
        self.text.push_str(text);
    }

    fn number(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn string(&mut self, text: Cow<'a, str>) {
        write_string(&mut self.text, &text);
    }

    fn open_object(&mut self) -> Members<'a> {
        self.open('{');
        Members {
            keys_from: self.keys.len(),
            many: HashSet::new(),
        }
    }

    fn key(&mut self, key: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        write_string(&mut self.text, key);
        self.text.push(':');
    }

    fn add_member(
        &mut self,
        object: &mut Members<'a>,
        key: Cow<'a, str>,
        (): (),
    ) -> Result<(), Box<str>> {
        let keys = &self.keys[object.keys_from..];
        if object.many.is_empty() && keys.len() < KEYS_COMPARED_MAX {
            if keys.contains(&key) {
                return Err(key.into());
            }
            self.keys.push(key);
            return Ok(());
        }
        object.many.extend(self.keys.drain(object.keys_from..));
        match object.many.replace(key) {
            None => Ok(()),
            Some(key) => Err(key.into()),
        }
    }

    fn close_object(&mut self, object: Members<'a>) {
        self.keys.truncate(object.keys_from);
        self.close('}');
    }

    fn open_array(&mut self) {
        self.open('[');
    }

    fn element(&mut self) {
        if !self.text.ends_with('[') {
            self.text.push(',');
        }
    }

    fn add_element(&mut self, (): &mut (), (): ()) {}

    fn close_array(&mut self, (): ()) {
        self.close(']');
    }
}
