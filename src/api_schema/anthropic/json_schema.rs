//! JSON schemas that Claude enforces: guide *Structured outputs*, "JSON Schema limitations", and
//! `transform_schema` of Anthropic's own Python SDK. Keywords that Claude does not enforce are
//! moved to the description, for the model to read.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json, value::RawValue};

use self::{
    all_of::AllOfMerger,
    references::{definition, is_recursive},
};
use crate::collections::set_of;

mod all_of;
mod references;
mod tool_input;

pub(super) use self::tool_input::to_tool_input;

/// A schema that Claude enforces.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::api_schema) struct StrictSchema {
    /// The schema.
    pub(in crate::api_schema) schema: Value,
    /// True if it accepts other values than the original: more where a keyword became a
    /// description, fewer where the original accepted any further properties.
    pub(super) differs: bool,
}

/// Translates a schema. Returns `None` for one that Claude cannot enforce: recursive, without a
/// type in some place, with objects of any properties, or with references to other documents.
pub(super) fn to_strict(raw: &RawValue) -> Option<StrictSchema> {
    let Value::Object(mut root) = serde_json::from_str(raw.get()).ok()? else { return None };
    // The name of `$defs` up to draft 7.
    if let Some(Value::Object(old)) = root.shift_remove("definitions") {
        let definitions = root.entry("$defs").or_insert_with(|| json!({})).as_object_mut()?;
        old.into_iter().for_each(|(name, schema)| {
            definitions.entry(name).or_insert(schema);
        });
    }
    if is_recursive(&root) {
        return None;
    }
    let definitions = root.get("$defs").and_then(Value::as_object).cloned();
    let merger = AllOfMerger::new(definitions.as_ref());
    let mut translation = StrictTranslation { names: names(&root), merger, differs: false };
    let schema = translation.schema(root)?;
    Some(StrictSchema { schema, differs: translation.differs })
}

/// Returns the names of the definitions.
fn names(root: &Map<String, Value>) -> BTreeSet<String> {
    let definitions = root.get("$defs").and_then(Value::as_object);
    set_of(definitions.into_iter().flat_map(Map::keys).cloned())
}

/// A schema that is being translated. Its methods return `None` where Claude cannot enforce it;
/// they move keywords `from` the original `to` the translation.
struct StrictTranslation<'d> {
    /// The names of the definitions.
    names: BTreeSet<String>,
    merger: AllOfMerger<'d>,
    differs: bool,
}

impl StrictTranslation<'_> {
    fn any(&mut self, value: Value) -> Option<Value> {
        let Value::Object(fields) = value else { return None };
        self.schema(fields)
    }

    fn each(&mut self, values: Value) -> Option<Value> {
        let Value::Array(values) = values else { return None };
        values.into_iter().map(|value| self.any(value)).collect::<Option<_>>().map(Value::Array)
    }

    /// Translates schemas by name: properties may have the names of keywords.
    fn named(&mut self, values: Value) -> Option<Value> {
        let Value::Object(values) = values else { return None };
        let convert = |(name, value)| Some((name, self.any(value)?));
        values.into_iter().map(convert).collect::<Option<_>>().map(Value::Object)
    }

    fn schema(&mut self, mut from: Map<String, Value>) -> Option<Value> {
        let mut to = Map::new();
        for ignored in ["$schema", "$id", "$comment"] {
            from.shift_remove(ignored);
        }
        // An `allOf` of one part is an `anyOf` of one, in which a `$ref` can stay.
        let is_one = from.get("allOf").and_then(Value::as_array).is_some_and(|all| all.len() == 1);
        let has_no_members = !from.contains_key("properties") && !from.contains_key("items");
        if !(is_one && has_no_members) {
            from = self.merger.merge(&from).unwrap_or(from);
        }
        if let Some(definitions) = from.shift_remove("$defs") {
            to.insert("$defs".to_owned(), self.named(definitions)?);
        }
        if let Some(reference) = from.shift_remove("$ref") {
            return self.reference(&reference, from, to);
        }
        if !take_literals(&mut from, &mut to) && !self.combine(&mut from, &mut to)? {
            self.typed(&mut from, &mut to)?;
        } else {
            from.shift_remove("type");
        }
        self.describe(from, &mut to);
        Some(Value::Object(to))
    }

    /// Translates a `$ref`. No keyword may be beside it, so that a description is put around it.
    fn reference(
        &mut self,
        reference: &Value,
        from: Map<String, Value>,
        mut to: Map<String, Value>,
    ) -> Option<Value> {
        // The properties beside the `$ref` would be forbidden by the definition.
        if from.contains_key("properties") {
            return None;
        }
        let name = definition(reference.as_str()?).filter(|name| self.names.contains(*name))?;
        let reference = json!(format!("#/$defs/{name}"));
        if from.is_empty() {
            to.insert("$ref".to_owned(), reference);
        } else {
            to.insert("anyOf".to_owned(), json!([{ "$ref": reference }]));
            self.describe(from, &mut to);
        }
        Some(Value::Object(to))
    }

    /// Translates alternatives. Returns `false` if there are none, or if they only narrow the
    /// keywords beside them, and are left to the description.
    fn combine(
        &mut self,
        from: &mut Map<String, Value>,
        to: &mut Map<String, Value>,
    ) -> Option<bool> {
        if from.contains_key("properties") || from.contains_key("items") {
            return self.one_of_types(from, to);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(variants) = from.shift_remove(key) {
                to.insert("anyOf".to_owned(), self.each(variants)?);
                return Some(true);
            }
        }
        match from.shift_remove("allOf") {
            Some(Value::Array(parts)) if parts.len() == 1 => {
                to.insert("anyOf".to_owned(), self.each(Value::Array(parts))?);
                Some(true)
            }
            Some(parts) => {
                let parts = self.each(parts)?;
                // Objects would each forbid the properties of the others.
                let may_be_object = |part: &Value| {
                    part.get("type") == Some(&json!("object"))
                        || part.get("$ref").is_some()
                        || part.get("anyOf").is_some()
                };
                let has_objects = parts.as_array()?.iter().any(may_be_object);
                to.insert("allOf".to_owned(), parts);
                (!has_objects).then_some(true)
            }
            None => self.one_of_types(from, to),
        }
    }

    /// Translates a list of types into alternatives, each with the keywords of its type. Returns
    /// `false` if there is no such list.
    fn one_of_types(
        &mut self,
        from: &mut Map<String, Value>,
        to: &mut Map<String, Value>,
    ) -> Option<bool> {
        let types = match from.get("type") {
            Some(Value::Array(types)) if types.len() > 1 => types.clone(),
            _ => return Some(false),
        };
        let mut variants = Vec::new();
        for kind in &types {
            let mut variant = Map::new();
            variant.insert("type".to_owned(), kind.clone());
            for key in keywords(kind.as_str()?) {
                variant.extend(from.shift_remove(*key).map(|value| ((*key).to_owned(), value)));
            }
            variants.push(self.schema(variant)?);
        }
        to.insert("anyOf".to_owned(), Value::Array(variants));
        Some(true)
    }

    fn typed(&mut self, from: &mut Map<String, Value>, to: &mut Map<String, Value>) -> Option<()> {
        let kind = match from.shift_remove("type") {
            Some(Value::String(kind)) => kind,
            Some(Value::Array(kinds)) => kinds.first()?.as_str()?.to_owned(),
            None if from.contains_key("properties") => "object".to_owned(),
            None if from.contains_key("items") => "array".to_owned(),
            _ => return None,
        };
        to.insert("type".to_owned(), json!(kind));
        match kind.as_str() {
            "object" => self.object(from, to),
            "array" => self.array(from, to),
            "string" => {
                let known = |format: &Value| format.as_str().is_some_and(|f| FORMATS.contains(&f));
                keep_if(from, to, "format", known);
                Some(())
            }
            "boolean" | "integer" | "number" | "null" => Some(()),
            _ => None,
        }
    }

    fn object(&mut self, from: &mut Map<String, Value>, to: &mut Map<String, Value>) -> Option<()> {
        let additional = from.shift_remove("additionalProperties");
        let is_open = additional.as_ref().is_some_and(|schema| *schema != json!(false));
        let properties = from.shift_remove("properties");
        if from.contains_key("patternProperties") || adds_properties(from, properties.as_ref()) {
            return None;
        }
        // The only object that such a schema would accept is `{}`.
        let is_closed = additional == Some(json!(false));
        let is_empty = properties.as_ref().and_then(Value::as_object).map(Map::is_empty);
        if (is_empty == Some(true) && is_open) || (is_empty.is_none() && !is_closed) {
            return None;
        }
        self.differs |= is_open;
        let properties = self.named(properties.unwrap_or_else(|| json!({})))?;
        let known = |name: &Value| name.as_str().is_some_and(|n| properties.get(n).is_some());
        let mut required = from.shift_remove("required");
        if let Some(Value::Array(names)) = &mut required {
            let before = names.len();
            names.retain(known);
            self.differs |= names.len() < before;
        }
        to.insert("properties".to_owned(), properties);
        to.extend(required.map(|names| ("required".to_owned(), names)));
        to.insert("additionalProperties".to_owned(), json!(false));
        Some(())
    }

    fn array(&mut self, from: &mut Map<String, Value>, to: &mut Map<String, Value>) -> Option<()> {
        if let Some(items) = from.shift_remove("items") {
            // Beside `prefixItems`, `items` is the schema of the items after the prefix only.
            if from.contains_key("prefixItems") {
                return None;
            }
            to.insert("items".to_owned(), self.any(items)?);
        }
        keep_if(from, to, "minItems", |minimum| matches!(minimum.as_u64(), Some(0 | 1)));
        Some(())
    }

    /// Writes the description: the original's own, and the keywords that are left over.
    fn describe(&mut self, mut from: Map<String, Value>, to: &mut Map<String, Value>) {
        let description = from.shift_remove("description");
        keep_if(&mut from, to, "title", Value::is_string);
        self.differs |= from.keys().any(|key| !REMARKS.contains(&key.as_str()));
        let own = description.as_ref().and_then(Value::as_str).unwrap_or_default();
        let rest: Vec<String> =
            from.iter().map(|(key, value)| format!("{key}: {}", to_words(value))).collect();
        let separator = if own.is_empty() || rest.is_empty() { "" } else { "\n\n" };
        let rest = if rest.is_empty() { String::new() } else { format!("{{{}}}", rest.join(", ")) };
        if !own.is_empty() || !rest.is_empty() {
            to.insert("description".to_owned(), json!(format!("{own}{separator}{rest}")));
        }
    }
}

/// Returns whether alternatives beside an object's properties have further properties, which the
/// closed object would forbid.
fn adds_properties(from: &Map<String, Value>, properties: Option<&Value>) -> bool {
    let is_new = |name: &String| properties.is_none_or(|known| known.get(name).is_none());
    let adds = |variant: &Value| {
        let own = variant.get("properties").and_then(Value::as_object);
        variant.get("$ref").is_some() || own.is_some_and(|own| own.keys().any(is_new))
    };
    let variants = ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| from.get(*key)?.as_array());
    variants.flatten().any(adds)
}

/// Moves `enum` and `const`, which need no type beside them. Returns whether there are any.
fn take_literals(from: &mut Map<String, Value>, to: &mut Map<String, Value>) -> bool {
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    let plain_list = |list: &Value| {
        list.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(is_plain))
    };
    keep_if(from, to, "enum", plain_list);
    keep_if(from, to, "const", is_plain);
    to.contains_key("enum") || to.contains_key("const")
}

/// Moves a keyword whose value passes a test.
fn keep_if(
    from: &mut Map<String, Value>,
    to: &mut Map<String, Value>,
    key: &str,
    test: impl Fn(&Value) -> bool,
) {
    if from.get(key).is_some_and(test) {
        to.extend(from.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
}

/// Returns a value as it is written in a description.
fn to_words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The formats that Claude enforces: guide *Structured outputs*, "JSON Schema limitations".
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The keywords that accept any value: JSON Schema validation, section 9.
const REMARKS: [&str; 6] =
    ["default", "examples", "example", "deprecated", "readOnly", "writeOnly"];

/// Returns the keywords of a type: JSON Schema validation, section 6.
fn keywords(kind: &str) -> &'static [&'static str] {
    match kind {
        "object" => &[
            "properties",
            "required",
            "additionalProperties",
            "patternProperties",
            "propertyNames",
            "minProperties",
            "maxProperties",
        ],
        "array" => &["items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"],
        "string" => &["format", "pattern", "minLength", "maxLength"],
        "integer" | "number" => {
            &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
        }
        _ => &[],
    }
}
