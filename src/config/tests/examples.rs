//! The examples of the documents.

use super::*;

/// Each example stands in a configuration that has what the example speaks of.
#[test]
fn the_documented_examples_are_valid() {
    let pages = [
        include_str!("../../../docs/configuration.md"),
        include_str!("../../../docs/embeddings.md"),
        include_str!("../../../docs/assemblyai-voice-agent.md"),
        include_str!("../../../docs/vapi.md"),
    ];
    let blocks = pages.iter().flat_map(|page| page.split("```yaml\n").skip(1));
    assert!(blocks.clone().count() > 6);
    for block in blocks {
        let (yaml, _) = block.split_once("\n```").unwrap();
        let example: Map<String, Value> = serde_saphyr::from_str(yaml).unwrap();
        let mut document = smallest();
        let anthropic = document["providers"]["openai"].clone();
        document["providers"]["anthropic"] = anthropic;
        for (key, value) in example {
            match (document.get_mut(&key).and_then(Value::as_object_mut), value) {
                (Some(entries), Value::Object(more)) => entries.extend(more),
                (_, value) => document[&key] = value,
            }
        }
        assert_eq!(mistakes(&document), "", "{yaml}");
    }
}

/// The example in docs/configuration.md is what its output says it is.
#[test]
fn the_documented_mistakes_are_real() {
    let page = include_str!("../../../docs/configuration.md");
    let block = |fence: &str| {
        let (_, rest) = page.split_once(fence).unwrap();
        rest.split_once("\n```").unwrap().0.to_owned()
    };
    let broken: Value = serde_saphyr::from_str(&block("```yaml broken\n")).unwrap();
    let said = mistakes(&broken);
    let shown = block("$ attache check broken.yaml\n");
    let shown: Vec<_> =
        shown.lines().filter_map(|line| line.strip_prefix("broken.yaml: ")).collect();
    let count = format!("mistakes: {}", said.lines().count());
    assert_eq!(shown, said.lines().chain([count.as_str()]).collect::<Vec<_>>());
}
