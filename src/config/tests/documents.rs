//! Nothing that can be written is without its words in the documents.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// The keys that the readers ask for.
fn keys() -> BTreeSet<&'static str> {
    let sources = [
        include_str!("../../config.rs"),
        include_str!("../account.rs"),
        include_str!("../base_url.rs"),
        include_str!("../deadlines.rs"),
        include_str!("../listener.rs"),
        include_str!("../model.rs"),
        include_str!("../price.rs"),
        include_str!("../provider.rs"),
        include_str!("../telemetry.rs"),
    ];
    let calls = [
        "optional(",
        "required(",
        "entries(&mut top, ",
        "read_forms(&mut entry, ",
        "file(",
        "read(",
        "tokens(&mut entry, ",
        "required(&mut entry, ",
        "otherwise(",
        "flag(top, ",
    ];
    let mut keys = BTreeSet::new();
    for (source, call) in sources.into_iter().flat_map(|source| calls.map(|call| (source, call))) {
        for rest in source.split(call).skip(1) {
            let argument = rest.trim_start().strip_prefix('"');
            keys.extend(argument.and_then(|argument| argument.split_once('"')).map(|(key, _)| key));
        }
    }
    keys
}

#[test]
fn every_key_and_word_is_documented() {
    let page = include_str!("../../../docs/configuration.md");
    let quirks = Quirk::WORDS.map(|(word, _)| word);
    for word in keys().into_iter().chain(quirks).chain(Region::ALL.map(Region::name)) {
        let named = ["`", "."].into_iter().any(|before| page.contains(&format!("{before}{word}`")));
        assert!(named, "docs/configuration.md says nothing of `{word}`");
    }
    for known in ["connect", "tls", "certificate_file", "plans", "base_url", "context_length"] {
        assert!(keys().contains(known), "the scan has missed `{known}`");
    }
}
