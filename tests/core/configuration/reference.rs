//! Field reference in `docs/configuration.md`: tables and lists of words between markers.

use attache::config::{
    GATEWAY,
    table::{Field, ObjectTable, Presence, ValueType},
};

/// Number of words up to which the table of fields shows them.
const MAX_WORDS: usize = 8;

/// Returns the marker in front of a generated part.
pub fn begin(kind: &str, name: &str) -> String {
    format!("<!-- {kind}: {name} begin -->\n")
}

fn end(kind: &str, name: &str) -> String {
    format!("<!-- {kind}: {name} end -->\n")
}

/// Returns the page with every generated part as it should be.
pub fn fill(page: &str) -> String {
    let mut page = page.to_owned();
    for table in GATEWAY.with_nested() {
        page = replace(&page, "fields", table.name, &rows(table));
        for field in table.fields {
            if let ValueType::Words(words) = field.value_type {
                let name = format!("{}.{}", table.name, field.key);
                page = replace(&page, "words", &name, &format!("{}.\n", quoted(&(words.0)())));
            }
        }
    }
    page
}

fn replace(page: &str, kind: &str, name: &str, generated: &str) -> String {
    let (begin, end) = (begin(kind, name), end(kind, name));
    let Some((before, rest)) = page.split_once(&begin) else { return page.to_owned() };
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no end of {kind}: {name}"));
    format!("{before}{begin}\n{generated}\n{end}{after}")
}

/// Returns the table of an object, required fields first.
fn rows(table: &ObjectTable) -> String {
    let mut fields: Vec<&Field> = table.fields.iter().collect();
    let is_required =
        |field: &Field| matches!(field.presence, Presence::Required(_) | Presence::RequiredName);
    fields.sort_by_key(|field| !is_required(field));
    let row = |field: &&Field| {
        let (key, value_type) = (field.key, type_name(field.value_type));
        format!("| `{key}` | {value_type} | {} | {} |\n", default(field), field.description.trim())
    };
    let head = "| Field | Type | Default | Description |\n|---|---|---|---|\n";
    head.to_owned() + &fields.iter().map(row).collect::<String>()
}

fn default(field: &Field) -> String {
    match field.presence {
        Presence::Required(_) | Presence::RequiredName => "required".to_owned(),
        Presence::FromCatalogue(_) => "required if the catalogue lacks the model".to_owned(),
        Presence::RequiredUnless(other) => format!("required without `{}`", other.0),
        Presence::Default(literal) => format!("`{literal}`"),
        Presence::Optional(meaning) => meaning.0.to_owned(),
    }
}

fn type_name(value_type: ValueType) -> String {
    match value_type {
        ValueType::Flag => "`true` or `false`".to_owned(),
        ValueType::Text => "text".to_owned(),
        ValueType::UpstreamName => "text".to_owned(),
        ValueType::Path => "path".to_owned(),
        ValueType::IpAddress => "IP address".to_owned(),
        ValueType::Url => "URL".to_owned(),
        ValueType::Origin => "URL without a path".to_owned(),
        ValueType::Duration => "duration".to_owned(),
        ValueType::Date => "`YYYY-MM-DD`".to_owned(),
        ValueType::Name(of) => format!("name in `{of}`"),
        ValueType::Names(of) => format!("name to name in `{of}`"),
        ValueType::Number { least, most: u32::MAX } => format!("whole number, at least {least}"),
        ValueType::Number { least, most } => format!("whole number, {least} to {most}"),
        ValueType::Decimal { least, most } => format!("number, {least} to {most}"),
        ValueType::Rate { least } => format!("whole number, at least {least}, or `unlimited`"),
        ValueType::Word(words) => quoted(&(words.0)()),
        ValueType::Words(words) if (words.0)().len() > MAX_WORDS => "list of words".to_owned(),
        ValueType::Words(words) => format!("list of {}", quoted(&(words.0)())),
        ValueType::List(ValueType::Name(of)) => format!("list of names in `{of}`"),
        ValueType::List(item) => format!("list of {}s", type_name(*item)),
        ValueType::Object(table) => format!("object, {}", link(table)),
        ValueType::OneOrMore(table) => format!("object or list of objects, {}", link(table)),
        ValueType::Entries(table) => format!("name to {}", link(table)),
        ValueType::ByModel(table) => format!("name in `models` to {}", link(table)),
    }
}

/// Returns a link to the reference of an object, whose heading is its name.
fn link(table: &ObjectTable) -> String {
    format!("[`{}`](#{})", table.name, table.name.replace('.', ""))
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
