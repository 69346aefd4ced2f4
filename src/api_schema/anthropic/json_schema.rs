//! JSON schemas, brought down to what constrains Claude's output: guide *Structured outputs*, "JSON
//! Schema limitations", and what Anthropic's own SDKs do (`transform_schema` in `anthropic` for
//! Python). What cannot constrain stands in the description, for the model to read.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json, value::RawValue};

use self::{
    all_of::AllOfMerger,
    references::{definition, is_recursive},
};

mod all_of;
mod references;
mod tool_input;

pub(super) use self::tool_input::to_tool_input;

/// A schema that Claude's output can be held to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StrictSchema {
    /// The schema.
    pub(super) schema: Value,
    /// Whether it allows more than the one it was made of, or, where that allowed any further
    /// properties, less.
    pub(super) differs: bool,
}

/// Brings a schema down. `None` for one that only a freer model can follow: without a type
/// somewhere, recursive, with objects of any properties, or with parts from elsewhere.
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
    let uniting = AllOfMerger::new(definitions.as_ref());
    let mut converter = StrictTranslation { names: names(&root), merger: uniting, differs: false };
    let schema = converter.schema(root)?;
    Some(StrictSchema { schema, differs: converter.differs })
}

fn names(root: &Map<String, Value>) -> BTreeSet<String> {
    let definitions = root.get("$defs").and_then(Value::as_object);
    definitions.into_iter().flat_map(Map::keys).cloned().collect()
}

struct StrictTranslation<'d> {
    /// The definitions there are.
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

    /// By name. A property may be called like a keyword.
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
        // All of one is any of one, and that may stay a `$ref`.
        let is_one = from.get("allOf").and_then(Value::as_array).is_some_and(|all| all.len() == 1);
        let is_alone = !from.contains_key("properties") && !from.contains_key("items");
        if !(is_one && is_alone) {
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

    /// Nothing may stand beside a `$ref`, so a description goes around it.
    fn reference(
        &mut self,
        reference: &Value,
        from: Map<String, Value>,
        mut to: Map<String, Value>,
    ) -> Option<Value> {
        // Held to what is referred to, the model could not say these.
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

    /// Alternatives. False when there are none, or only such as further narrow what is said beside
    /// them: those are for the description.
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
                // Each would forbid the properties of the others.
                let is_object = |part: &Value| part.get("type") != Some(&json!("object"));
                let fits = parts.as_array()?.iter().all(|part| {
                    is_object(part) && part.get("$ref").is_none() && part.get("anyOf").is_none()
                });
                to.insert("allOf".to_owned(), parts);
                fits.then_some(true)
            }
            None => self.one_of_types(from, to),
        }
    }

    /// A list of types is any of them, each with the keywords that are its own.
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
        let open = from.shift_remove("additionalProperties");
        let is_open = open.as_ref().is_some_and(|open| *open != json!(false));
        let properties = from.shift_remove("properties");
        if from.contains_key("patternProperties") || adds_properties(from, properties.as_ref()) {
            return None;
        }
        // Held to this, the model could only say `{}`.
        let is_closed = open == Some(json!(false));
        let has_some = properties.as_ref().and_then(Value::as_object).map(|some| !some.is_empty());
        if (has_some == Some(false) && is_open) || (has_some.is_none() && !is_closed) {
            return None;
        }
        self.differs |= is_open;
        let properties = self.named(properties.unwrap_or_else(|| json!({})))?;
        let known = |name: &Value| name.as_str().is_some_and(|n| properties.get(n).is_some());
        let mut required = from.shift_remove("required");
        if let Some(Value::Array(names)) = &mut required {
            let asked = names.len();
            names.retain(known);
            self.differs |= names.len() < asked;
        }
        to.insert("properties".to_owned(), properties);
        to.extend(required.map(|names| ("required".to_owned(), names)));
        to.insert("additionalProperties".to_owned(), json!(false));
        Some(())
    }

    fn array(&mut self, from: &mut Map<String, Value>, to: &mut Map<String, Value>) -> Option<()> {
        if let Some(items) = from.shift_remove("items") {
            // These are about the items after the first ones.
            if from.contains_key("prefixItems") {
                return None;
            }
            to.insert("items".to_owned(), self.any(items)?);
        }
        keep_if(from, to, "minItems", |least| matches!(least.as_u64(), Some(0 | 1)));
        Some(())
    }

    /// What is left over goes into the description.
    fn describe(&mut self, mut from: Map<String, Value>, to: &mut Map<String, Value>) {
        let description = from.shift_remove("description");
        keep_if(&mut from, to, "title", Value::is_string);
        self.differs |= from.keys().any(|key| !REMARKS.contains(&key.as_str()));
        let said = description.as_ref().and_then(Value::as_str).unwrap_or_default();
        let rest: Vec<String> =
            from.iter().map(|(key, value)| format!("{key}: {}", shown(value))).collect();
        let between = if said.is_empty() || rest.is_empty() { "" } else { "\n\n" };
        let rest = if rest.is_empty() { String::new() } else { format!("{{{}}}", rest.join(", ")) };
        if !said.is_empty() || !rest.is_empty() {
            to.insert("description".to_owned(), json!(format!("{said}{between}{rest}")));
        }
    }
}

/// Whether alternatives beside an object's properties have properties of their own, which an object
/// that is held to the others could not have.
fn adds_properties(from: &Map<String, Value>, properties: Option<&Value>) -> bool {
    let is_new = |name: &String| properties.is_none_or(|known| known.get(name).is_none());
    let adds = |variant: &Value| {
        let own = variant.get("properties").and_then(Value::as_object);
        variant.get("$ref").is_some() || own.is_some_and(|own| own.keys().any(is_new))
    };
    let variants = ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| from.get(*key)?.as_array());
    variants.flatten().any(adds)
}

/// Takes values that the schema lists. They have their types with them.
fn take_literals(from: &mut Map<String, Value>, to: &mut Map<String, Value>) -> bool {
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    let plain_list = |list: &Value| {
        list.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(is_plain))
    };
    keep_if(from, to, "enum", plain_list);
    keep_if(from, to, "const", is_plain);
    to.contains_key("enum") || to.contains_key("const")
}

fn keep_if(
    from: &mut Map<String, Value>,
    to: &mut Map<String, Value>,
    key: &str,
    fits: impl Fn(&Value) -> bool,
) {
    if from.get(key).is_some_and(fits) {
        to.extend(from.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
}

/// A value in a description.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Formats that constrain: guide *Structured outputs*, "JSON Schema limitations".
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Keywords that constrain nothing: JSON Schema validation, section 9.
const REMARKS: [&str; 6] =
    ["default", "examples", "example", "deprecated", "readOnly", "writeOnly"];

/// The keywords of a type: JSON Schema validation, section 6.
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
