//! The expected shape of a document: the kind of its root, and the types that a JSON schema allows
//! for its values. Only types, properties, items, strings of an `enum` and references are read of a
//! schema, and leniently: a schema is a hint, never a reason to fail.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use serde_json::{Map, Value};

/// The maximum number of subschemas that are read. Those beyond allow any value.
const MAX_NODES: usize = 4096;

/// The maximum number of subschemas that are considered for one value.
const MAX_ALTERNATIVES: usize = 32;

/// The expected kind of a document's root value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootKind {
    /// Any value.
    #[default]
    Any,
    /// An object.
    Object,
    /// An array.
    Array,
}

impl RootKind {
    /// Returns whether a document is of this kind, by its first byte.
    pub(crate) fn matches(self, json: &[u8]) -> bool {
        let first = json.trim_ascii_start().first();
        match self {
            Self::Any => true,
            Self::Object => first == Some(&b'{'),
            Self::Array => first == Some(&b'['),
        }
    }
}

/// The expected shape of a document, as far as the caller knows it. The default is any JSON.
#[derive(Clone, Debug, Default)]
pub struct ExpectedShape {
    /// The kind of the root value.
    pub root: RootKind,
    /// The schema to whose types values are converted, where nothing is lost by that.
    pub schema: Option<Rc<Schema>>,
}

impl ExpectedShape {
    /// Returns the shape that a JSON schema describes. Text that is no schema expects nothing.
    pub fn from_schema(json: &str) -> Self {
        let schema = Schema::parse(json).map(Rc::new);
        let root = schema.as_ref().map(|schema| schema.root_kind()).unwrap_or_default();
        Self { root, schema }
    }

    /// Returns the shape with an object as its root.
    pub fn with_object_root(self) -> Self {
        Self { root: RootKind::Object, ..self }
    }
}

impl From<RootKind> for ExpectedShape {
    fn from(root: RootKind) -> Self {
        Self { root, schema: None }
    }
}

/// A set of JSON types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ValueTypes(u8);

impl ValueTypes {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const OBJECT: Self = Self(1);
    pub(crate) const ARRAY: Self = Self(2);
    pub(crate) const STRING: Self = Self(4);
    pub(crate) const INTEGER: Self = Self(8);
    pub(crate) const NUMBER: Self = Self(16);
    pub(crate) const BOOLEAN: Self = Self(32);
    pub(crate) const NULL: Self = Self(64);
    pub(crate) const ANY: Self = Self(127);
    /// The types of a number: one with a fraction may be an integer too, for example `3.0`.
    pub(crate) const NUMERIC: Self = Self::INTEGER.union(Self::NUMBER);

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether the sets have a type in common.
    pub(crate) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the union of all the sets.
    fn union_of(sets: impl Iterator<Item = Self>) -> Self {
        sets.fold(Self::NONE, Self::union)
    }

    /// Returns the types for a name of the keyword `type`.
    fn named(name: &str) -> Self {
        match name {
            "object" => Self::OBJECT,
            "array" => Self::ARRAY,
            "string" => Self::STRING,
            "integer" => Self::INTEGER,
            "number" => Self::NUMERIC,
            "boolean" => Self::BOOLEAN,
            "null" => Self::NULL,
            _ => Self::ANY,
        }
    }

    /// Returns the types of a value.
    fn of(value: &Value) -> Self {
        match value {
            Value::Object(_) => Self::OBJECT,
            Value::Array(_) => Self::ARRAY,
            Value::String(_) => Self::STRING,
            Value::Number(_) => Self::NUMERIC,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Null => Self::NULL,
        }
    }
}

/// The types that a JSON schema allows.
#[derive(Debug)]
pub struct Schema {
    /// All subschemas. The first is the root.
    nodes: Vec<SchemaNode>,
}

/// One subschema. Other subschemas are indices into [`Schema::nodes`].
#[derive(Debug, Default)]
struct SchemaNode {
    /// The types that the subschema itself allows, without its alternatives.
    types: ValueTypes,
    properties: BTreeMap<String, usize>,
    additional_properties: Option<usize>,
    items: Option<usize>,
    /// The strings of `enum` or `const`.
    choices: Vec<String>,
    /// The subschemas of `$ref`, `anyOf`, `oneOf` and `allOf`.
    alternatives: Vec<usize>,
}

/// The subschemas that apply to one value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subschemas(Vec<usize>);

impl Schema {
    /// Parses a schema. Returns `None` if the text is no JSON, or if the schema allows any value.
    pub fn parse(json: &str) -> Option<Self> {
        let root: Value = serde_json::from_str(json).ok()?;
        let schema = SchemaReader::new(&root).into_schema();
        (schema.allowed_types(&schema.root()) != ValueTypes::ANY).then_some(schema)
    }

    /// Returns the kind of root value that the schema allows.
    pub fn root_kind(&self) -> RootKind {
        match self.allowed_types(&self.root()) {
            ValueTypes::OBJECT => RootKind::Object,
            ValueTypes::ARRAY => RootKind::Array,
            _ => RootKind::Any,
        }
    }

    /// Returns the subschemas of the root value.
    pub(crate) fn root(&self) -> Subschemas {
        self.with_alternatives([0])
    }

    /// Returns subschemas together with their alternatives, and the alternatives of those.
    fn with_alternatives(&self, nodes: impl IntoIterator<Item = usize>) -> Subschemas {
        let mut found: Vec<usize> = Vec::new();
        let mut queue: VecDeque<usize> = nodes.into_iter().collect();
        while let Some(index) = queue.pop_front() {
            if !found.contains(&index) && found.len() < MAX_ALTERNATIVES {
                found.push(index);
                let node = self.nodes.get(index);
                queue.extend(node.iter().flat_map(|node| node.alternatives.iter().copied()));
            }
        }
        Subschemas(found)
    }

    fn nodes<'s>(&'s self, subschemas: &'s Subschemas) -> impl Iterator<Item = &'s SchemaNode> {
        subschemas.0.iter().filter_map(|index| self.nodes.get(*index))
    }

    /// Returns the types allowed for a value.
    pub(crate) fn allowed_types(&self, subschemas: &Subschemas) -> ValueTypes {
        let types = ValueTypes::union_of(self.nodes(subschemas).map(|node| node.types));
        if types == ValueTypes::NONE { ValueTypes::ANY } else { types }
    }

    /// Returns the subschemas of a property of an object.
    pub(crate) fn property(&self, object: &Subschemas, key: &str) -> Subschemas {
        let named: Vec<usize> =
            self.nodes(object).filter_map(|node| node.properties.get(key).copied()).collect();
        if !named.is_empty() {
            return self.with_alternatives(named);
        }
        self.with_alternatives(self.nodes(object).filter_map(|node| node.additional_properties))
    }

    /// Returns the subschemas of the items of an array.
    pub(crate) fn item(&self, array: &Subschemas) -> Subschemas {
        self.with_alternatives(self.nodes(array).filter_map(|node| node.items))
    }

    /// Returns the one allowed string that differs from `text` only in case or in white space around
    /// the text. Returns `None` if `text` itself is allowed.
    pub(crate) fn matching_choice<'s>(
        &'s self,
        subschemas: &'s Subschemas,
        text: &str,
    ) -> Option<&'s str> {
        let choices = || self.nodes(subschemas).flat_map(|node| node.choices.iter());
        if choices().any(|choice| choice == text) {
            return None;
        }
        let is_similar = |choice: &&String| choice.to_lowercase() == text.trim().to_lowercase();
        let first = choices().find(is_similar)?;
        choices().filter(is_similar).all(|other| other == first).then_some(first.as_str())
    }

    /// Returns whether the allowed strings are listed.
    pub(crate) fn has_choices(&self, subschemas: &Subschemas) -> bool {
        self.nodes(subschemas).any(|node| !node.choices.is_empty())
    }
}

/// A reader of a schema. It works breadth first, because a hostile schema nests deeper than the
/// program's stack.
struct SchemaReader<'v> {
    root: &'v Value,
    nodes: Vec<SchemaNode>,
    queue: VecDeque<(usize, &'v Value)>,
    /// The subschemas that were referred to, by their reference.
    references: BTreeMap<&'v str, usize>,
}

impl<'v> SchemaReader<'v> {
    fn new(root: &'v Value) -> Self {
        Self {
            root,
            nodes: vec![SchemaNode::default()],
            queue: VecDeque::from([(0, root)]),
            references: BTreeMap::from([("#", 0)]),
        }
    }

    fn into_schema(mut self) -> Schema {
        while let Some((index, value)) = self.queue.pop_front() {
            let node = match value.as_object() {
                Some(object) => self.read_node(object),
                None => SchemaNode { types: ValueTypes::ANY, ..SchemaNode::default() },
            };
            if let Some(slot) = self.nodes.get_mut(index) {
                *slot = node;
            }
        }
        Schema { nodes: self.nodes }
    }

    /// Queues a subschema and returns its index, or `None` if there are too many.
    fn enqueue(&mut self, value: &'v Value) -> Option<usize> {
        let index = self.nodes.len();
        if index >= MAX_NODES {
            return None;
        }
        self.nodes.push(SchemaNode { types: ValueTypes::ANY, ..SchemaNode::default() });
        self.queue.push_back((index, value));
        Some(index)
    }

    /// Returns the index of the subschema that `$ref` refers to.
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
                    // `collect` would sort first, and the sort is 6 KB of code.
                    node.properties.extend(all.iter().filter_map(named));
                }
                ("additionalProperties", Value::Object(_)) => {
                    node.additional_properties = self.enqueue(value);
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
        node.types = own_types(object, !node.alternatives.is_empty());
        node
    }
}

/// Returns the types that a subschema itself allows: those of `type`, else those of the listed values,
/// else those that its other keywords are about.
fn own_types(object: &Map<String, Value>, has_alternatives: bool) -> ValueTypes {
    let named = match object.get("type") {
        Some(Value::String(name)) => ValueTypes::named(name),
        Some(Value::Array(names)) => {
            ValueTypes::union_of(names.iter().filter_map(Value::as_str).map(ValueTypes::named))
        }
        _ => ValueTypes::NONE,
    };
    let listed = match (object.get("enum"), object.get("const")) {
        (Some(Value::Array(values)), _) => ValueTypes::union_of(values.iter().map(ValueTypes::of)),
        (_, Some(value)) => ValueTypes::of(value),
        _ => ValueTypes::NONE,
    };
    if named != ValueTypes::NONE {
        named
    } else if listed != ValueTypes::NONE {
        listed
    } else if object.contains_key("properties") {
        ValueTypes::OBJECT
    } else if object.contains_key("items") {
        ValueTypes::ARRAY
    } else if has_alternatives {
        ValueTypes::NONE
    } else {
        ValueTypes::ANY
    }
}
