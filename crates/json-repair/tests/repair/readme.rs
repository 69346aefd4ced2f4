//! Checks of the tables in the README.

use json_repair::{ExpectedShape, FlawKind, repair};

/// Returns the rows of a section's table whose text is one code span: that text, and the other two
/// cells.
fn rows(section: &str) -> Vec<[&str; 3]> {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once(&format!("\n## {section}\n")).unwrap();
    let table = rest.split("\n## ").next().unwrap();
    let cells = |line| -> Vec<&str> { str::split(line, " | ").collect() };
    let rows = table.lines().filter(|line| line.starts_with("| ")).map(cells);
    rows.filter_map(|row| row.try_into().ok()).skip(1).collect()
}

/// Returns the content of a cell that is one code span.
fn code(cell: &str) -> Option<&str> {
    let text = cell.trim_matches(['|', ' ']).strip_prefix('`')?.strip_suffix('`')?;
    (!text.contains('`')).then_some(text)
}

#[test]
fn the_readme_lists_every_flaw_with_its_repair() {
    let rows = rows("Repaired flaws");
    let names: Vec<&str> = rows.iter().filter_map(|[name, ..]| code(name)).collect();
    assert_eq!(names, FlawKind::ALL.map(FlawKind::name));
    let mut checked = 0;
    for [name, text, repaired] in rows {
        let (Some(name), Some(text), Some(repaired)) = (code(name), code(text), code(repaired))
        else {
            continue;
        };
        let (json, report) = repair(text, &ExpectedShape::default()).unwrap();
        assert_eq!(json, repaired, "{text}");
        assert!(report.kinds().any(|kind| kind.name() == name), "{name}: {:?}", report.flaws());
        checked += 1;
    }
    assert_eq!(checked, 26);
}

#[test]
fn the_readme_lists_refused_texts() {
    let rows = rows("Refused texts");
    assert_eq!(rows.len(), 8);
    for [text, failure, _] in rows {
        let result = repair(code(text).unwrap(), &ExpectedShape::default());
        assert_eq!(format!("{:?}", result.unwrap_err()), code(failure).unwrap(), "{text}");
    }
}
