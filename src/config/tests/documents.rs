//! Documentation of the fields and words of the configuration.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn every_key_and_word_is_documented() {
    let page = include_str!("../../../docs/configuration.md");
    let tables = GATEWAY.with_nested();
    let keys = tables.iter().flat_map(|table| table.fields.iter().map(|field| field.key));
    let quirks = Quirk::WORDS.map(|(word, _)| word);
    for word in keys.chain(quirks) {
        let named = ["`", "."].into_iter().any(|before| page.contains(&format!("{before}{word}`")));
        assert!(named, "docs/configuration.md says nothing of `{word}`");
    }
    assert_eq!(tables.len(), 24);
}
