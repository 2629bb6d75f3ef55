//! Attributes of a group that hold texts.

use std::collections::{BTreeSet, HashMap};

use hdf5_pure::{AttrValue, Group};

/// All attributes of one group.
pub(super) struct Attributes {
    values: HashMap<String, AttrValue>,
    /// Also of attributes whose type has no value here.
    names: BTreeSet<String>,
}

impl Attributes {
    pub(super) fn of(group: &Group) -> Result<Self, hdf5_pure::Error> {
        Ok(Self { values: group.attrs()?, names: group.attr_datatypes()?.into_keys().collect() })
    }

    /// Whether there is such a list, whole or in parts.
    pub(super) fn has_list(&self, key: &str) -> bool {
        self.names.contains(key) || self.names.contains(&part(key, 0))
    }

    /// Those that are one text.
    pub(super) fn texts(&self) -> impl Iterator<Item = (String, String)> {
        self.values.iter().filter_map(|(key, value)| Some((key.clone(), trimmed(value.as_str()?))))
    }

    /// A list of texts. One that is too long for an attribute stands in parts: `key0`, `key1`, ...
    ///
    /// # Errors
    /// The reason why there is no such list.
    pub(super) fn list(&self, key: &str) -> Result<Vec<String>, String> {
        if self.names.contains(key) {
            return self.one_list(key);
        }
        let parts: Vec<String> = (0..).map(|i| part(key, i)).take_while(|name| self.names.contains(name)).collect();
        if parts.is_empty() {
            return Err(format!("has no attribute '{key}'"));
        }
        let lists: Result<Vec<_>, _> = parts.iter().map(|name| self.one_list(name)).collect();
        Ok(lists?.concat())
    }

    fn one_list(&self, name: &str) -> Result<Vec<String>, String> {
        let value = self.values.get(name);
        if let Some(texts) = value.and_then(AttrValue::as_strings) {
            return Ok(texts.iter().map(|text| trimmed(text)).collect());
        }
        // An empty list has no texts to tell its type by: it is stored as an array of no f64.
        if value.and_then(AttrValue::to_f64s).is_some_and(|numbers| numbers.is_empty()) {
            return Ok(Vec::new());
        }
        Err(format!("its attribute '{name}' is no list of texts"))
    }
}

fn part(key: &str, index: usize) -> String {
    format!("{key}{index}")
}

fn trimmed(text: &str) -> String {
    text.trim_end_matches('\0').to_owned()
}
