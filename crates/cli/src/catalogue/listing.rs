//! The model catalogue as `attache models` prints it.

use serde_json::{Map, Value, json};

use super::{Catalogue, CatalogueModel};

/// The headings of the columns.
pub(super) const HEADINGS: [&str; 7] =
    ["MODEL", "FAMILY", "CONTEXT", "OUTPUT", "INPUT", "RETIRES", "PARAMETERS"];

impl Catalogue {
    /// Returns a table with a line for each model.
    pub(crate) fn table(&self) -> String {
        let rows = self.models.iter().map(CatalogueModel::row);
        let rows: Vec<_> = [HEADINGS.map(str::to_owned)].into_iter().chain(rows).collect();
        let longest = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(String::len).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..HEADINGS.len()).map(longest).collect();
        rows.iter().map(|row| line(row, &widths)).collect()
    }

    /// Returns a JSON object, the name of each model to its fields, family and sources.
    pub(crate) fn json(&self) -> String {
        let object = |model: &CatalogueModel| {
            let mut object = model.fields.clone();
            object.insert("family".to_owned(), json!(model.family));
            object.insert("source".to_owned(), json!(model.sources));
            (model.name.clone(), Value::Object(object))
        };
        let objects: Map<String, Value> = self.models.iter().map(object).collect();
        format!("{:#}\n", Value::Object(objects))
    }
}

impl CatalogueModel {
    fn row(&self) -> [String; HEADINGS.len()] {
        let words = |field: &str, separator: &str| {
            let words = self.fields.get(field).and_then(Value::as_array).into_iter().flatten();
            words.filter_map(Value::as_str).collect::<Vec<_>>().join(separator)
        };
        let scalar = |field: &str| match self.fields.get(field) {
            None => "-".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let input = words("input", ",");
        [
            self.name.clone(),
            self.family.clone(),
            scalar("context_length"),
            scalar("max_output_tokens"),
            if input.is_empty() { "text".to_owned() } else { input },
            scalar("retirement_date"),
            words("supported_parameters", ","),
        ]
    }
}

/// Returns cells in columns of these widths, without blanks at the end.
fn line(cells: &[String], widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
}
