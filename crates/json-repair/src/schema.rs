//! What a JSON schema says about the kinds of values. Only that is read of it, and leniently: a
//! schema is a hint here, never a reason to fail.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use crate::whole::RootKind;

/// The most parts of a schema that are read. What lies behind them allows anything.
const MAX_NODES: usize = 4096;

/// The most alternatives that are looked at for one value.
const MAX_ALTERNATIVES: usize = 32;

/// Kinds of values, a bit each.
pub(crate) mod value_type {
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
    nodes: Vec<SchemaNode>,
}

/// A part of a schema.
#[derive(Debug, Default)]
struct SchemaNode {
    /// The kinds it allows itself, without its alternatives.
    types: u8,
    properties: BTreeMap<String, usize>,
    additional_properties: Option<usize>,
    items: Option<usize>,
    /// The strings it allows, if it names them.
    choices: Vec<String>,
    /// `$ref`, `anyOf`, `oneOf`, `allOf`.
    alternatives: Vec<usize>,
}

/// The parts of a schema that speak of one value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subschemas(Vec<usize>);

impl Schema {
    /// Reads a schema. `None` if it is no JSON, or allows anything.
    pub fn parse(json: &str) -> Option<Self> {
        let root: Value = serde_json::from_str(json).ok()?;
        let schema = SchemaReader::new(&root).into_schema();
        let place = schema.root();
        (schema.allowed_types(&place) != value_type::ANY).then_some(schema)
    }

    /// What a document is to be.
    pub fn root_kind(&self) -> RootKind {
        match self.allowed_types(&self.root()) {
            value_type::OBJECT => RootKind::Object,
            value_type::ARRAY => RootKind::Array,
            _ => RootKind::Any,
        }
    }

    pub(crate) fn root(&self) -> Subschemas {
        self.with_alternatives([0])
    }

    /// The parts given, with their alternatives and theirs.
    fn with_alternatives(&self, from: impl IntoIterator<Item = usize>) -> Subschemas {
        let mut found: Vec<usize> = Vec::new();
        let mut queue: VecDeque<usize> = from.into_iter().collect();
        while let Some(index) = queue.pop_front() {
            if !found.contains(&index) && found.len() < MAX_ALTERNATIVES {
                found.push(index);
                let node = self.nodes.get(index);
                queue.extend(node.iter().flat_map(|node| node.alternatives.iter().copied()));
            }
        }
        Subschemas(found)
    }

    fn nodes<'s>(&'s self, place: &'s Subschemas) -> impl Iterator<Item = &'s SchemaNode> {
        place.0.iter().filter_map(|index| self.nodes.get(*index))
    }

    /// The kinds of values allowed there.
    pub(crate) fn allowed_types(&self, place: &Subschemas) -> u8 {
        let kinds = self.nodes(place).fold(0, |kinds, node| kinds | node.types);
        if kinds == 0 { value_type::ANY } else { kinds }
    }

    /// The value of a key.
    pub(crate) fn property(&self, place: &Subschemas, key: &str) -> Subschemas {
        let named: Vec<usize> =
            self.nodes(place).filter_map(|node| node.properties.get(key).copied()).collect();
        if !named.is_empty() {
            return self.with_alternatives(named);
        }
        self.with_alternatives(self.nodes(place).filter_map(|node| node.additional_properties))
    }

    /// An item.
    pub(crate) fn item(&self, place: &Subschemas) -> Subschemas {
        self.with_alternatives(self.nodes(place).filter_map(|node| node.items))
    }

    /// The one string that is allowed there and meant by `text`: the same but for case and white
    /// space around it.
    pub(crate) fn matching_choice<'s>(
        &'s self,
        place: &'s Subschemas,
        text: &str,
    ) -> Option<&'s str> {
        let choices = || self.nodes(place).flat_map(|node| node.choices.iter());
        if choices().any(|choice| choice == text) {
            return None;
        }
        let same = |choice: &&String| choice.to_lowercase() == text.trim().to_lowercase();
        let first = choices().find(same)?;
        choices().filter(same).all(|other| other == first).then_some(first.as_str())
    }

    /// Whether strings are named there.
    pub(crate) fn has_choices(&self, place: &Subschemas) -> bool {
        self.nodes(place).any(|node| !node.choices.is_empty())
    }
}

/// A schema being read, breadth first: a hostile one nests deeper than the program's stack.
struct SchemaReader<'v> {
    root: &'v Value,
    nodes: Vec<SchemaNode>,
    queue: VecDeque<(usize, &'v Value)>,
    /// Parts that were referred to, by their reference.
    references: BTreeMap<&'v str, usize>,
}

impl<'v> SchemaReader<'v> {
    fn new(root: &'v Value) -> Self {
        let known = BTreeMap::from([("#", 0)]);
        Self {
            root,
            nodes: vec![SchemaNode::default()],
            queue: VecDeque::from([(0, root)]),
            references: known,
        }
    }

    fn into_schema(mut self) -> Schema {
        while let Some((index, value)) = self.queue.pop_front() {
            let node = match value.as_object() {
                Some(object) => self.read_node(object),
                None => SchemaNode { types: value_type::ANY, ..SchemaNode::default() },
            };
            if let Some(place) = self.nodes.get_mut(index) {
                *place = node;
            }
        }
        Schema { nodes: self.nodes }
    }

    /// A part that is read later.
    fn enqueue(&mut self, value: &'v Value) -> Option<usize> {
        let index = self.nodes.len();
        if index >= MAX_NODES {
            return None;
        }
        self.nodes.push(SchemaNode { types: value_type::ANY, ..SchemaNode::default() });
        self.queue.push_back((index, value));
        Some(index)
    }

    fn resolve_reference(&mut self, value: &'v Value) -> Option<usize> {
        let reference = value.as_str()?;
        if let Some(index) = self.references.get(reference) {
            return Some(*index);
        }
        let target = self.root.pointer(reference.strip_prefix('#')?)?;
        let index = self.enqueue(target)?;
        self.references.insert(reference, index);
        Some(index)
    }

    fn read_node(&mut self, object: &'v Map<String, Value>) -> SchemaNode {
        let mut node = SchemaNode::default();
        for (key, value) in object {
            match (key.as_str(), value) {
                ("$ref", _) => node.alternatives.extend(self.resolve_reference(value)),
                ("anyOf" | "oneOf" | "allOf", Value::Array(all)) => {
                    node.alternatives.extend(all.iter().filter_map(|one| self.enqueue(one)));
                }
                ("properties", Value::Object(all)) => {
                    let named = |(key, value): (&String, &'v Value)| {
                        Some((key.clone(), self.enqueue(value)?))
                    };
                    node.properties = all.iter().filter_map(named).collect();
                }
                ("additionalProperties", Value::Object(_)) => {
                    node.additional_properties = self.enqueue(value)
                }
                ("items", Value::Object(_)) => node.items = self.enqueue(value),
                ("enum", Value::Array(all)) => {
                    let texts = all.iter().filter_map(Value::as_str);
                    node.choices = texts.map(str::to_owned).collect();
                }
                ("const", Value::String(text)) => node.choices = vec![text.clone()],
                _ => {}
            }
        }
        node.types = kinds(object, !node.alternatives.is_empty());
        node
    }
}

/// The kinds of values that a part of a schema allows itself.
fn kinds(object: &Map<String, Value>, has_alternatives: bool) -> u8 {
    let named = match object.get("type") {
        Some(Value::String(name)) => type_named(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).fold(0, |kinds, name| kinds | type_named(name))
        }
        _ => 0,
    };
    let values = match (object.get("enum"), object.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().fold(0, |all, it| all | type_of(it)),
        (_, Some(value)) => type_of(value),
        _ => 0,
    };
    match (named, values) {
        (0, 0) if object.contains_key("properties") => value_type::OBJECT,
        (0, 0) if object.contains_key("items") => value_type::ARRAY,
        (0, 0) if has_alternatives => 0,
        (0, 0) => value_type::ANY,
        (0, values) => values,
        (named, _) => named,
    }
}

fn type_named(name: &str) -> u8 {
    match name {
        "object" => value_type::OBJECT,
        "array" => value_type::ARRAY,
        "string" => value_type::STRING,
        "integer" => value_type::INTEGER,
        "number" => value_type::NUMBER | value_type::INTEGER,
        "boolean" => value_type::BOOLEAN,
        "null" => value_type::NULL,
        _ => value_type::ANY,
    }
}

fn type_of(value: &Value) -> u8 {
    match value {
        Value::Object(_) => value_type::OBJECT,
        Value::Array(_) => value_type::ARRAY,
        Value::String(_) => value_type::STRING,
        Value::Number(_) => value_type::NUMBER | value_type::INTEGER,
        Value::Bool(_) => value_type::BOOLEAN,
        Value::Null => value_type::NULL,
    }
}
