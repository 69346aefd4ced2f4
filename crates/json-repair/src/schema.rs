//! What a JSON schema says about the kinds of values. Only that is read of it, and leniently: a
//! schema is a hint here, never a reason to fail.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use crate::whole::Root;

/// The most parts of a schema that are read. What lies behind them allows anything.
const MAX_NODES: usize = 4096;

/// The most alternatives that are looked at for one value.
const MAX_ALTERNATIVES: usize = 32;

/// Kinds of values, a bit each.
pub(crate) mod kind {
    pub const OBJECT: u8 = 1;
    pub const ARRAY: u8 = 2;
    pub const STRING: u8 = 4;
    pub const INTEGER: u8 = 8;
    pub const NUMBER: u8 = 16;
    pub const BOOLEAN: u8 = 32;
    pub const NULL: u8 = 64;
    pub const ANY: u8 = 127;
}

/// A schema, read.
#[derive(Debug)]
pub struct Schema {
    /// The first is the root.
    nodes: Vec<Node>,
}

/// A part of a schema.
#[derive(Debug, Default)]
struct Node {
    /// The kinds it allows itself, without its alternatives.
    kinds: u8,
    properties: BTreeMap<String, usize>,
    additional: Option<usize>,
    items: Option<usize>,
    /// The strings it allows, if it names them.
    choices: Vec<String>,
    /// `$ref`, `anyOf`, `oneOf`, `allOf`.
    alternatives: Vec<usize>,
}

/// The parts of a schema that speak of one value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place(Vec<usize>);

impl Schema {
    /// Reads a schema. `None` if it is no JSON, or allows anything.
    pub fn read(json: &str) -> Option<Self> {
        let root: Value = serde_json::from_str(json).ok()?;
        let schema = Reading::new(&root).read();
        let place = schema.root();
        (schema.kinds(&place) != kind::ANY).then_some(schema)
    }

    /// What a document is to be.
    pub fn document(&self) -> Root {
        match self.kinds(&self.root()) {
            kind::OBJECT => Root::Object,
            kind::ARRAY => Root::Array,
            _ => Root::Any,
        }
    }

    pub(crate) fn root(&self) -> Place {
        self.place([0])
    }

    /// The parts given, with their alternatives and theirs.
    fn place(&self, from: impl IntoIterator<Item = usize>) -> Place {
        let mut found: Vec<usize> = Vec::new();
        let mut queue: VecDeque<usize> = from.into_iter().collect();
        while let Some(index) = queue.pop_front() {
            if !found.contains(&index) && found.len() < MAX_ALTERNATIVES {
                found.push(index);
                let node = self.nodes.get(index);
                queue.extend(node.iter().flat_map(|node| node.alternatives.iter().copied()));
            }
        }
        Place(found)
    }

    fn nodes<'s>(&'s self, place: &'s Place) -> impl Iterator<Item = &'s Node> {
        place.0.iter().filter_map(|index| self.nodes.get(*index))
    }

    /// The kinds of values allowed there.
    pub(crate) fn kinds(&self, place: &Place) -> u8 {
        let kinds = self.nodes(place).fold(0, |kinds, node| kinds | node.kinds);
        if kinds == 0 { kind::ANY } else { kinds }
    }

    /// The value of a key.
    pub(crate) fn property(&self, place: &Place, key: &str) -> Place {
        let named: Vec<usize> =
            self.nodes(place).filter_map(|node| node.properties.get(key).copied()).collect();
        if !named.is_empty() {
            return self.place(named);
        }
        self.place(self.nodes(place).filter_map(|node| node.additional))
    }

    /// An item.
    pub(crate) fn item(&self, place: &Place) -> Place {
        self.place(self.nodes(place).filter_map(|node| node.items))
    }

    /// The one string that is allowed there and meant by `text`: the same but for case and white
    /// space around it.
    pub(crate) fn choice<'s>(&'s self, place: &'s Place, text: &str) -> Option<&'s str> {
        let choices = || self.nodes(place).flat_map(|node| node.choices.iter());
        if choices().any(|choice| choice == text) {
            return None;
        }
        let same = |choice: &&String| choice.to_lowercase() == text.trim().to_lowercase();
        let first = choices().find(same)?;
        choices().filter(same).all(|other| other == first).then_some(first.as_str())
    }

    /// Whether strings are named there.
    pub(crate) fn has_choices(&self, place: &Place) -> bool {
        self.nodes(place).any(|node| !node.choices.is_empty())
    }
}

/// A schema being read, breadth first: a hostile one nests deeper than the program's stack.
struct Reading<'v> {
    root: &'v Value,
    nodes: Vec<Node>,
    queue: VecDeque<(usize, &'v Value)>,
    /// Parts that were referred to, by their reference.
    known: BTreeMap<&'v str, usize>,
}

impl<'v> Reading<'v> {
    fn new(root: &'v Value) -> Self {
        let known = BTreeMap::from([("#", 0)]);
        Self { root, nodes: vec![Node::default()], queue: VecDeque::from([(0, root)]), known }
    }

    fn read(mut self) -> Schema {
        while let Some((index, value)) = self.queue.pop_front() {
            let node = match value.as_object() {
                Some(object) => self.node(object),
                None => Node { kinds: kind::ANY, ..Node::default() },
            };
            if let Some(place) = self.nodes.get_mut(index) {
                *place = node;
            }
        }
        Schema { nodes: self.nodes }
    }

    /// A part that is read later.
    fn later(&mut self, value: &'v Value) -> Option<usize> {
        let index = self.nodes.len();
        if index >= MAX_NODES {
            return None;
        }
        self.nodes.push(Node { kinds: kind::ANY, ..Node::default() });
        self.queue.push_back((index, value));
        Some(index)
    }

    fn reference(&mut self, value: &'v Value) -> Option<usize> {
        let reference = value.as_str()?;
        if let Some(index) = self.known.get(reference) {
            return Some(*index);
        }
        let target = self.root.pointer(reference.strip_prefix('#')?)?;
        let index = self.later(target)?;
        self.known.insert(reference, index);
        Some(index)
    }

    fn node(&mut self, object: &'v Map<String, Value>) -> Node {
        let mut node = Node::default();
        for (key, value) in object {
            match (key.as_str(), value) {
                ("$ref", _) => node.alternatives.extend(self.reference(value)),
                ("anyOf" | "oneOf" | "allOf", Value::Array(all)) => {
                    node.alternatives.extend(all.iter().filter_map(|one| self.later(one)));
                }
                ("properties", Value::Object(all)) => {
                    let named = |(key, value): (&String, &'v Value)| {
                        Some((key.clone(), self.later(value)?))
                    };
                    node.properties = all.iter().filter_map(named).collect();
                }
                ("additionalProperties", Value::Object(_)) => node.additional = self.later(value),
                ("items", Value::Object(_)) => node.items = self.later(value),
                ("enum", Value::Array(all)) => {
                    let texts = all.iter().filter_map(Value::as_str);
                    node.choices = texts.map(str::to_owned).collect();
                }
                ("const", Value::String(text)) => node.choices = vec![text.clone()],
                _ => {}
            }
        }
        node.kinds = kinds(object, !node.alternatives.is_empty());
        node
    }
}

/// The kinds of values that a part of a schema allows itself.
fn kinds(object: &Map<String, Value>, has_alternatives: bool) -> u8 {
    let named = match object.get("type") {
        Some(Value::String(name)) => kind_named(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).fold(0, |kinds, name| kinds | kind_named(name))
        }
        _ => 0,
    };
    let values = match (object.get("enum"), object.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().fold(0, |all, it| all | kind_of(it)),
        (_, Some(value)) => kind_of(value),
        _ => 0,
    };
    match (named, values) {
        (0, 0) if object.contains_key("properties") => kind::OBJECT,
        (0, 0) if object.contains_key("items") => kind::ARRAY,
        (0, 0) if has_alternatives => 0,
        (0, 0) => kind::ANY,
        (0, values) => values,
        (named, _) => named,
    }
}

fn kind_named(name: &str) -> u8 {
    match name {
        "object" => kind::OBJECT,
        "array" => kind::ARRAY,
        "string" => kind::STRING,
        "integer" => kind::INTEGER,
        "number" => kind::NUMBER | kind::INTEGER,
        "boolean" => kind::BOOLEAN,
        "null" => kind::NULL,
        _ => kind::ANY,
    }
}

fn kind_of(value: &Value) -> u8 {
    match value {
        Value::Object(_) => kind::OBJECT,
        Value::Array(_) => kind::ARRAY,
        Value::String(_) => kind::STRING,
        Value::Number(_) => kind::NUMBER | kind::INTEGER,
        Value::Bool(_) => kind::BOOLEAN,
        Value::Null => kind::NULL,
    }
}
