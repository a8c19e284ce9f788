//! What a view should have shown of a history, worked out from the documents before and after each
//! change and from nothing of the engine but the filter itself.

use std::collections::BTreeMap;

use wellspring_types::feed::{Cause, Change, Op, View};
use wellspring_types::json::merge_patch;
use wellspring_types::{Data, Object, Sequence, Value};

use crate::common::{data, path};

/// What a commit did: the documents that it changed by their ids, before and after.
pub(crate) type Changed = BTreeMap<String, (Option<String>, Option<String>)>;

/// Every commit.
pub(crate) type History = Vec<(Sequence, Changed)>;

/// A document as a view shows it, as text with its keys sorted: a number that is written otherwise is
/// another. `None` where it is not in the view.
fn shown(view: &View, json: &str) -> Option<String> {
    selected(view, json).map(|object| sorted(&Value::Object(object)))
}

/// The text of a value with its keys sorted.
fn sorted(value: &Value) -> String {
    let Value::Object(object) = value else {
        return value.to_text();
    };
    let fields: BTreeMap<_, _> = object.iter().collect();
    let fields = fields
        .iter()
        .map(|(key, value)| format!("{key}:{}", sorted(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn selected(view: &View, json: &str) -> Option<Object> {
    let document = data(json);
    let object = document.object();
    if view.filter.as_ref().is_some_and(|of| !of.matches(object)) {
        return None;
    }
    let Some(select) = &view.select else {
        return Some(object.clone());
    };
    let mut selected = Object::new();
    for field in select.fields() {
        match field.to_string().as_str() {
            "b.d" => {
                let inside = object.get("b").and_then(Value::as_object);
                if let Some(value) = inside.and_then(|inside| inside.get("d")) {
                    let mut of_b = Object::new();
                    of_b.insert("d", value.clone());
                    selected.insert("b", of_b);
                }
            }
            name => {
                if let Some(value) = object.get(name) {
                    selected.insert(name, value.clone());
                }
            }
        }
    }
    Some(selected)
}

/// The text of a document as [`in_view`] has it.
pub(crate) fn text(data: &Data) -> String {
    sorted(&Value::Object(data.object().clone()))
}

/// A change, without its patch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Effect {
    pub(crate) seq: Sequence,
    pub(crate) id: String,
    pub(crate) op: Op,
    pub(crate) cause: Option<Cause>,
    data: Option<String>,
    old: Option<String>,
}

/// The effects of the commits after `after`.
pub(crate) fn expected(view: &View, history: &History, after: Sequence) -> Vec<Effect> {
    let mut expected = Vec::new();
    for (seq, changes) in history.iter().filter(|(seq, _)| *seq > after) {
        for (id, (was, is)) in changes {
            let old = was.as_ref().and_then(|json| shown(view, json));
            let data = is.as_ref().and_then(|json| shown(view, json));
            let (op, is_its_own) = match (&old, &data) {
                (None, None) => continue,
                // Nothing that was selected has changed.
                (Some(old), Some(data)) if view.select.is_some() && old == data => continue,
                (None, Some(_)) => (Op::Insert, was.is_none()),
                (Some(_), Some(_)) => (Op::Update, true),
                (Some(_), None) => (Op::Delete, is.is_none()),
            };
            expected.push(Effect {
                seq: *seq,
                id: id.clone(),
                op,
                cause: (!is_its_own).then_some(Cause::Filter),
                data,
                old: old.filter(|_| view.old),
            });
        }
    }
    expected
}

/// The effects of changes that were received. Their patches must be right.
fn effects(view: &View, changes: &[(Sequence, Change)]) -> Vec<Effect> {
    let effects = changes.iter().map(|(seq, change)| {
        assert_eq!(change.version, *seq);
        assert_eq!(change.path, path(&format!("rooms/{}", change.path.id())));
        assert_patch(view, change);
        let object = |data: &Option<Data>| data.as_ref().map(text);
        Effect {
            seq: *seq,
            id: change.path.id().to_owned(),
            op: change.op,
            cause: change.cause,
            data: object(&change.data),
            old: object(&change.old),
        }
    });
    effects.collect()
}

fn assert_patch(view: &View, change: &Change) {
    let Some(patch) = &change.patch else {
        let needs_one = view.patch && change.op == Op::Update;
        // A merge patch cannot set a member to `null`.
        let data = change.data.as_ref().map(|data| data.as_str());
        let cannot = data.is_some_and(|data| data.contains("null"));
        assert!(!needs_one || cannot, "{change:?} has no patch");
        return;
    };
    assert!(view.patch && change.op == Op::Update, "{change:?}");
    if let (Some(old), Some(data)) = (&change.old, &change.data) {
        let mut patched = old.object().clone();
        merge_patch(&mut patched, patch.object());
        assert_eq!(&patched, data.object(), "{change:?}");
    }
}

/// The documents of a view after each commit, adding up what was expected or received.
fn fold(state: &mut BTreeMap<String, String>, effect: &Effect) {
    let before = match &effect.data {
        Some(data) => state.insert(effect.id.clone(), data.clone()),
        None => state.remove(&effect.id),
    };
    assert_eq!(before.is_none(), effect.op == Op::Insert, "{effect:?}");
    if let Some(old) = &effect.old {
        assert_eq!(before.as_ref(), Some(old), "{effect:?}");
    }
}

/// The documents that a view has as of `at`.
pub(crate) fn in_view(view: &View, history: &History, at: Sequence) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for (_, changes) in history.iter().filter(|(seq, _)| *seq <= at) {
        for (id, (_, is)) in changes {
            match is.as_ref().and_then(|json| shown(view, json)) {
                Some(document) => state.insert(id.clone(), document),
                None => state.remove(id),
            };
        }
    }
    state
}

/// What was received adds up to the view at every sequence.
pub(crate) fn assert_folds(
    view: &View,
    history: &History,
    after: Sequence,
    received: &[(Sequence, Change)],
) {
    let effects = effects(view, received);
    assert_eq!(effects, expected(view, history, after), "{view:?}");
    let mut state = in_view(view, history, after);
    let mut effects = effects.iter().peekable();
    for (seq, _) in history.iter().filter(|(seq, _)| *seq > after) {
        while let Some(effect) = effects.next_if(|effect| effect.seq <= *seq) {
            fold(&mut state, effect);
        }
        assert_eq!(state, in_view(view, history, *seq), "{view:?} at {seq}");
    }
}
