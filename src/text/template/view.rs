//! A dictionary's keys, values and items are lists that are no sequences, as in Python.

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use std::sync::Arc;

/// Holds what `keys()`, `values()` or `items()` of a dictionary returned.
#[derive(Debug)]
pub(super) enum View {
    Keys(Vec<Value>),
    Values(Vec<Value>),
    /// Holds tuples of a key and its value.
    Items(Vec<Value>),
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let (View::Keys(values) | View::Values(values) | View::Items(values)) = &**self;
        Enumerator::Values(values.clone())
    }
}
