use super::*;
use crate::chat::delta::samples::{call, content, finish};

/// Returns the repaired deltas of a stream whose content is to be an object, a line for each
/// that is not empty.
fn repair(deltas: Vec<Delta<'_>>) -> Result<Vec<String>, Error> {
    let request = RepairRequest {
        content: RootKind::Object.into(),
        check: None,
        tools: Some(BTreeMap::new()),
    };
    let (mut repairer, mut lines) = (Repairer::new(Rc::new(request)), Vec::new());
    for delta in deltas {
        repairer.repair(delta, |delta| match delta {
            delta if delta.is_empty() => {}
            Delta::Content { choice, text, .. } => {
                lines.push(format!("{choice} content {}", text.decode()));
            }
            Delta::Arguments { call, text, .. } => {
                lines.push(format!("call {call} {}", text.decode()));
            }
            Delta::Call { call, .. } => lines.push(format!("call {call}")),
            Delta::Finish { choice, .. } => lines.push(format!("{choice} finish")),
            other => lines.push(format!("{other:?}")),
        })?;
    }
    Ok(lines)
}

fn arguments(call: usize, text: &str) -> Delta<'static> {
    Delta::Arguments { choice: 0, call, text: Text::new(text) }
}

#[test]
fn a_finish_or_the_end_lets_go_what_was_held_back() {
    let opened = || vec![content(0, "{\"a\": [1"), content(1, "{}")];
    let (begun, rest_0, rest_1) = ("0 content {\"a\": [", "0 content 1]}", "1 content {}");
    let mut finished = opened();
    finished.extend([finish(0), finish(1), Delta::End]);
    let expected = [begun, rest_0, "0 finish", rest_1, "1 finish", "End"];
    assert_eq!(repair(finished).unwrap(), expected);
    let mut ended = opened();
    ended.push(Delta::End);
    assert_eq!(repair(ended).unwrap(), [begun, rest_0, rest_1, "End"]);
}

#[test]
fn prose_beside_a_call_passes_unchanged() {
    let deltas = vec![content(0, "Let me see."), call(0), arguments(0, "{a: 1"), finish(0)];
    let lines = repair(deltas).unwrap();
    assert_eq!(lines[..2], ["0 content Let me see.", "call 0"]);
    let rest: String = lines[2..].iter().filter_map(|line| line.strip_prefix("call 0 ")).collect();
    assert_eq!(rest, "{\"a\": 1}");
}

#[test]
fn text_without_json_is_an_error_at_the_finish() {
    assert!(repair(vec![content(0, "No.")]).is_ok());
    let error = repair(vec![content(0, "No."), finish(0)]).unwrap_err();
    assert!(matches!(error, Error::PostProcessing { .. }), "{error:?}");
}

#[test]
fn deltas_beyond_the_limits_or_after_the_finish_pass_unread() {
    let deltas = vec![
        content(0, "{}"),
        finish(0),
        content(0, "[}"),
        content(usize::MAX, "[}"),
        finish(usize::MAX),
        arguments(usize::MAX, "[}"),
    ];
    assert_eq!(repair(deltas).unwrap().len(), 6);
}

/// Plays a stream whose content is to follow a schema that the provider does not enforce.
fn check(content: &str, has_call: bool, finish: Finish) -> Result<(), Error> {
    let schema = r#"{"name": "n", "schema": {"type": "object", "required": ["a"]}}"#;
    let format = ResponseFormat::JsonSchema(serde_json::from_str(schema).unwrap());
    let request = RepairRequest {
        content: RootKind::Object.into(),
        check: FormatCheck::new(&format),
        tools: None,
    };
    let mut repairer = Repairer::new(Rc::new(request));
    let mut deltas: Vec<Delta<'_>> =
        content.chars().map(|character| self::content(0, &character.to_string())).collect();
    deltas.extend(has_call.then(|| [call(0), arguments(0, "{")]).into_iter().flatten());
    deltas.push(Delta::Finish { choice: 0, finish, native: None });
    let mut called = String::new();
    for delta in deltas {
        repairer.repair(delta, |delta| {
            if let Delta::Arguments { text, .. } = delta {
                called.push_str(&text.decode());
            }
        })?;
    }
    assert_eq!(called, if has_call { "{" } else { "" }, "arguments pass unchanged");
    Ok(())
}

#[test]
fn a_format_that_the_gateway_checks_is_checked_at_the_finish() {
    let cases = [
        ("{\"a\": 1}", false, Finish::Stop, true),
        ("{'a': 1, ", false, Finish::Stop, true),
        ("{\"b\": 1}", false, Finish::Stop, false),
        ("{\"b\": ", false, Finish::Length, true),
        ("{\"b\": 1}", true, Finish::ToolCalls, true),
        ("Let me see.", true, Finish::ToolCalls, true),
        ("No.", false, Finish::Stop, false),
        ("", false, Finish::Stop, true),
    ];
    for (content, has_call, finish, is_accepted) in cases {
        let checked = check(content, has_call, finish);
        assert_eq!(checked.is_ok(), is_accepted, "{content} {checked:?}");
    }
}
