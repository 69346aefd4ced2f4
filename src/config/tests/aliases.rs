//! Aliases of models.

use super::*;

#[test]
fn every_alias_is_checked() {
    assert_messages(
        r#"
/aliases = ["gpt"]
  aliases: found a list, allowed: an object, name to entry
/aliases = {"gpt": "gpt-4.1", "vendor/gpt@v1:0": "gpt-4.1", "gpt-*": "gpt-4.1", "*": "gpt-4.1"}
/aliases = {}
/aliases = {"gpt": "gpt-5", "gpt-*": "gpt-4.*", "old": "gpt"}
  aliases.gpt: found `gpt-5`, allowed: `gpt-4.1`
  aliases.gpt-*: found `gpt-4.*`, allowed: `gpt-4.1`
  aliases.old: found `gpt`, allowed: `gpt-4.1`
/aliases = {"gpt": {"model": "gpt-4.1"}}
  aliases.gpt: found an object, allowed: a string
/aliases = {"": "gpt-4.1", "*a*b*c*d*": "gpt-4.1", "*a*b*c*d": "gpt-4.1", "a b": "gpt-4.1"}
  aliases.: found the name `""`, allowed: up to 128 letters, digits and `-_.:@/`, with up to 4 `*`
  aliases.*a*b*c*d*: found the name `*a*b*c*d*`, allowed: up to 128 letters, digits and `-_.:@/`,
    with up to 4 `*`
  aliases.a b: found the name `a b`, allowed: up to 128 letters, digits and `-_.:@/`, with up to 4
    `*`
/aliases = {"GPT-4.1": "gpt-4.1"}
  aliases.GPT-4.1: found the name `GPT-4.1`, allowed: a name that differs from `gpt-4.1` in more
    than case
/aliases = {"A": "gpt-4.1", "a": "gpt-4.1"}
  aliases.a: found the name `a`, allowed: a name that differs from `A` in more than case
"#,
    );
}

/// Returns the smallest configuration with a second model and with aliases.
fn with_aliases(aliases: Value) -> Value {
    let mut document = with("/aliases", aliases);
    document["models"]["gpt-5"] = document["models"]["gpt-4.1"].clone();
    document
}

#[test]
fn a_name_never_matches_two_equally_specific_aliases() {
    let tie = json!({"GPT-*": "gpt-4.1", "*-mini": "gpt-4.1", "gp*t-": "gpt-5"});
    let expected = "aliases.gp*t-: found the name `gp*t-`, allowed: a name that is more or less \
                    specific than `GPT-*`";
    assert_eq!(mistakes(&with_aliases(tie)), expected);
    for fine in [
        json!({"gpt-*": "gpt-4.1", "foo-*": "gpt-5"}),
        json!({"gpt-*": "gpt-4.1", "gpt-5*": "gpt-5"}),
        json!({"gpt-*": "gpt-4.1", "*-gpt": "gpt-4.1"}),
    ] {
        assert_eq!(mistakes(&with_aliases(fine)), "");
    }
}

#[test]
fn the_most_specific_name_wins() {
    let aliases = json!({
        "*": "gpt-4.1", "gpt-*": "gpt-4.1", "gpt-5-*": "gpt-5", "gpt-5-old": "gpt-4.1",
    });
    let config = Config::parse(&with_aliases(aliases)).unwrap();
    let long = "x".repeat(129);
    let cases = [
        ("gpt-4.1", Some("gpt-4.1"), "gpt-4.1"),
        ("GPT-5", Some("gpt-5"), "gpt-5"),
        ("gpt-5-2025-08-07", Some("gpt-5"), "gpt-5-2025-08-07"),
        ("Gpt-5-Mini", Some("gpt-5"), "Gpt-5-Mini"),
        ("GPT-5-OLD", Some("gpt-4.1"), "gpt-5-old"),
        ("gpt-6", Some("gpt-4.1"), "gpt-6"),
        ("anything", Some("gpt-4.1"), "anything"),
        ("any thing", None, ""),
        ("any\u{e9}thing", None, ""),
        ("", None, ""),
        (&long, None, ""),
        (&long[1..], Some("gpt-4.1"), &long[1..]),
    ];
    for (asked, model, shown) in cases {
        let found = config.model(asked).map(|(name, _)| name);
        assert_eq!(found, model, "{asked}");
        if let Some(model) = model {
            assert_eq!(config.shown_name(model, asked), shown, "{asked}");
        }
    }
}
