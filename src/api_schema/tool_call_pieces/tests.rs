use super::*;
use crate::api_schema::origin::ResponseHead;

/// Piece as a test writes it: number, id, name, arguments.
type Piece = (Option<usize>, &'static str, &'static str, &'static str);

/// Calls as the client joins them, each with its name and its arguments, or the problem.
fn joined(pieces: &[Piece]) -> Result<Vec<(String, String)>, &'static str> {
    let head = ResponseHead::default();
    let origin = ResponseContext { provider: "p", model: "m", head: &head };
    let (mut calls, mut deltas) = (ToolCallPieces::default(), Vec::new());
    let placed = pieces.iter().try_for_each(|(number, id, name, arguments)| {
        let text = |text: &str| Some(Text::new(text));
        let (id, name, arguments) = (text(id), text(name), text(arguments));
        let piece = CallPiece { number: *number, id, name, arguments, ..CallPiece::default() };
        calls.place(piece, origin, &mut deltas)
    });
    match placed.and_then(|()| calls.finish(0, Finish::ToolCalls, origin, &mut deltas)) {
        Ok(()) => Ok(join(&deltas)),
        Err(Error::BadAnswer { problem, .. }) => Err(problem),
        Err(other) => panic!("{other:?}"),
    }
}

fn join(deltas: &[Delta<'_>]) -> Vec<(String, String)> {
    let mut calls: Vec<(String, String)> = Vec::new();
    for delta in deltas {
        match delta {
            Delta::Call { call, name, .. } => {
                assert_eq!(*call, calls.len(), "calls begin in order");
                calls.push((name.decode().into_owned(), String::new()));
            }
            Delta::Arguments { call, text, .. } => calls[*call].1.push_str(&text.decode()),
            other => panic!("{other:?}"),
        }
    }
    calls
}

/// Checks that pieces make these calls.
fn assert_calls(pieces: &[Piece], expected: &[(&str, &str)]) {
    let found = joined(pieces).unwrap_or_else(|problem| panic!("{problem}: {pieces:?}"));
    let found: Vec<_> = found.iter().map(|(name, own)| (&**name, &**own)).collect();
    assert_eq!(found, expected, "{pieces:?}");
}

const OSLO: &str = r#"{"city":"Oslo"}"#;
const ROME: &str = r#"{"city":"Rome"}"#;

#[test]
fn a_new_call_may_have_the_number_of_an_old_one() {
    let two = [("f", OSLO), ("g", ROME)];
    let cases: [&[Piece]; 5] = [
        &[(Some(0), "a", "f", OSLO), (Some(0), "b", "g", ROME)],
        &[(Some(0), "", "f", OSLO), (Some(0), "", "g", ROME)],
        &[(Some(3), "a", "f", ""), (Some(3), "", "", OSLO), (Some(3), "b", "g", ROME)],
        &[(Some(0), "a", "f", OSLO), (Some(0), "b", "g", ""), (Some(0), "", "", ROME)],
        &[(Some(0), "a", "f", OSLO), (Some(0), "a", "g", ROME)],
    ];
    cases.into_iter().for_each(|pieces| assert_calls(pieces, &two));
    let same: [&[Piece]; 3] = [
        &[(Some(0), "", "f", OSLO), (Some(0), "", "f", ROME)],
        &[(Some(0), "a", "f", OSLO), (Some(0), "a", "f", ROME)],
        &[(Some(0), "a", "f", OSLO), (Some(1), "a", "f", ""), (Some(1), "a", "", ROME)],
    ];
    same.into_iter().for_each(|pieces| assert_calls(pieces, &[("f", OSLO), ("f", ROME)]));
}

#[test]
fn arguments_under_another_number_go_to_the_only_call_that_lacks_them() {
    let two = [("f", OSLO), ("g", ROME)];
    let (oslo, rome) = (OSLO.split_at(8), ROME.split_at(9));
    let cases: [&[Piece]; 4] = [
        // The number of a head is always 0.
        &[
            (Some(0), "a", "f", ""),
            (Some(0), "", "", OSLO),
            (Some(0), "b", "g", ""),
            (Some(1), "", "", rome.0),
            (Some(1), "", "", rome.1),
        ],
        // The number of arguments is always 0.
        &[
            (Some(0), "a", "f", ""),
            (Some(0), "", "", OSLO),
            (Some(1), "b", "g", ""),
            (Some(0), "", "", rome.0),
            (Some(0), "", "", rome.1),
        ],
        // The number of arguments is one more.
        &[
            (Some(0), "a", "f", ""),
            (Some(1), "", "", oslo.0),
            (Some(1), "", "", oslo.1),
            (Some(1), "b", "g", ""),
            (Some(2), "", "", ROME),
        ],
        // The id tells more than the number.
        &[
            (Some(0), "a", "f", ""),
            (Some(1), "b", "g", ""),
            (Some(1), "a", "", OSLO),
            (Some(0), "b", "", ROME),
        ],
    ];
    cases.into_iter().for_each(|pieces| assert_calls(pieces, &two));
}

#[test]
fn arguments_may_come_before_the_name() {
    let two = [("f", OSLO), ("g", ROME)];
    let (start, rest) = OSLO.split_at(5);
    let cases: [&[Piece]; 4] = [
        &[(Some(0), "", "", OSLO), (Some(0), "a", "f", ""), (Some(1), "b", "g", ROME)],
        &[
            (Some(0), "", "", start),
            (Some(0), "", "", rest),
            (Some(0), "a", "f", ""),
            (Some(1), "", "", ROME),
            (Some(1), "b", "g", ""),
        ],
        &[(Some(0), "", "", start), (Some(0), "a", "f", rest), (Some(1), "b", "g", ROME)],
        &[(Some(0), "a", "", OSLO), (Some(0), "", "f", ""), (None, "", "g", ROME)],
    ];
    cases.into_iter().for_each(|pieces| assert_calls(pieces, &two));
}

#[test]
fn calls_without_numbers_follow_each_other() {
    let cases: [&[Piece]; 3] = [
        &[(None, "a", "f", ""), (None, "", "", OSLO), (None, "b", "g", ""), (None, "", "", ROME)],
        &[(None, "a", "f", OSLO), (None, "b", "g", ""), (None, "b", "", ROME)],
        &[(None, "", "f", OSLO), (None, "", "g", ROME)],
    ];
    cases.into_iter().for_each(|pieces| assert_calls(pieces, &[("f", OSLO), ("g", ROME)]));
}

#[test]
fn numbers_may_jump_and_ids_may_be_missing_or_change() {
    let cases: [&[Piece]; 3] = [
        &[(Some(4), "a", "f", OSLO), (Some(9), "b", "g", ""), (Some(9), "", "", ROME)],
        &[(Some(1), "", "f", OSLO), (Some(0), "", "g", ROME)],
        // Some servers send a new id with each piece.
        &[(Some(0), "a", "f", ""), (Some(0), "b", "", OSLO), (Some(1), "c", "g", ROME)],
    ];
    cases.into_iter().for_each(|pieces| assert_calls(pieces, &[("f", OSLO), ("g", ROME)]));
}

#[test]
fn a_call_that_is_told_again_is_one_call() {
    let (start, rest) = OSLO.split_at(5);
    let spaced = r#"{"city": "Oslo"}"#;
    let cases: [&[Piece]; 7] = [
        &[(Some(0), "a", "f", OSLO), (Some(0), "a", "f", OSLO)],
        &[(Some(0), "a", "f", start), (Some(0), "", "", rest), (None, "a", "f", spaced)],
        &[(Some(0), "", "f", OSLO), (Some(0), "", "f", OSLO)],
        &[(None, "", "f", OSLO), (None, "", "f", OSLO)],
        &[(Some(0), "a", "f", OSLO), (Some(1), "a", "f", OSLO), (Some(0), "", "", OSLO)],
        // The name and the id come with each piece.
        &[(Some(0), "a", "f", start), (Some(0), "a", "f", rest), (Some(0), "a", "f", "")],
        // The id comes late.
        &[(Some(0), "", "f", ""), (Some(0), "a", "", ""), (Some(0), "a", "f", OSLO)],
    ];
    cases.into_iter().for_each(|pieces| assert_calls(pieces, &[("f", OSLO)]));
}

#[test]
fn an_empty_object_is_the_arguments_only_if_no_others_follow() {
    assert_calls(&[(Some(0), "a", "f", "{}"), (Some(0), "", "", OSLO)], &[("f", OSLO)]);
    assert_calls(&[(Some(0), "a", "f", OSLO), (Some(0), "a", "", "{}")], &[("f", OSLO)]);
    assert_calls(&[(Some(0), "a", "f", OSLO), (Some(1), "", "", "{}")], &[("f", OSLO)]);
    let two = [("f", "{}"), ("g", "{}")];
    assert_calls(&[(Some(0), "a", "f", "{}"), (Some(1), "b", "g", "{}")], &two);
    assert_calls(&[(Some(0), "", "f", "{}"), (Some(0), "", "g", "{}")], &two);
    // The writer of the stream completes a call without arguments.
    assert_calls(&[(Some(0), "a", "f", "")], &[("f", "")]);
}

#[test]
fn a_piece_whose_call_is_not_certain_is_a_fault() {
    let cases: [(&[Piece], &str); 11] = [
        (&[], NO_CALLS),
        (&[(Some(0), "", "", "")], NO_CALLS),
        (&[(Some(0), "a", "", "")], NO_NAME),
        (&[(Some(0), "a", "", OSLO)], NO_NAME),
        (&[(None, "", "", OSLO)], NO_NAME),
        (&[(Some(0), "a", "f", OSLO), (Some(1), "b", "", ROME)], STRAY_PIECE),
        (&[(Some(0), "a", "f", OSLO), (Some(1), "", "", ROME)], STRAY_PIECE),
        // Each of two calls may be meant.
        (&[(Some(0), "a", "f", ""), (Some(1), "b", "g", ""), (Some(2), "", "", OSLO)], STRAY_PIECE),
        (
            &[
                (Some(0), "a", "f", ""),
                (Some(0), "b", "g", ""),
                (Some(0), "", "", OSLO),
                (Some(1), "", "", ROME),
            ],
            STRAY_PIECE,
        ),
        (
            &[
                (Some(1), "a", "f", ""),
                (Some(2), "b", "g", ""),
                (Some(0), "", "", OSLO),
                (Some(1), "", "", ROME),
            ],
            STRAY_PIECE,
        ),
        // The name changes before the arguments come.
        (&[(Some(0), "a", "f", ""), (Some(0), "a", "g", OSLO)], STRAY_PIECE),
    ];
    for (pieces, problem) in cases {
        assert_eq!(joined(pieces), Err(problem), "{pieces:?}");
    }
    // The arguments were given to the call before, but this one got none.
    let doubtful = [(Some(0), "a", "f", ""), (Some(1), "", "", OSLO), (Some(1), "b", "g", "")];
    assert_eq!(joined(&doubtful), Err(STRAY_PIECE));
}

#[test]
fn nothing_but_a_repetition_may_follow_the_end() {
    let after_end = |pieces: [Piece; 2]| {
        let head = ResponseHead::default();
        let origin = ResponseContext { provider: "p", model: "m", head: &head };
        let (mut calls, mut deltas) = (ToolCallPieces::default(), Vec::new());
        let [first, second] = pieces.map(|(number, id, name, arguments)| CallPiece {
            number,
            id: Some(Text::new(id)),
            name: Some(Text::new(name)),
            arguments: Some(Text::new(arguments)),
            ..CallPiece::default()
        });
        calls.place(first, origin, &mut deltas).unwrap();
        calls.finish(0, Finish::ToolCalls, origin, &mut deltas).unwrap();
        let is_placed = calls.place(second, origin, &mut deltas).is_ok();
        calls.finish(0, Finish::Stop, origin, &mut deltas).unwrap();
        is_placed
    };
    let told = (Some(0), "a", "f", OSLO);
    assert!(after_end([told, told]));
    assert!(after_end([told, (Some(0), "a", "", "")]));
    assert!(!after_end([told, (Some(1), "b", "g", ROME)]));
    assert!(!after_end([(Some(0), "a", "f", ""), (Some(0), "", "", OSLO)]));
}

#[test]
fn calls_choices_and_waiting_pieces_are_bounded() {
    let head = ResponseHead::default();
    let origin = ResponseContext { provider: "p", model: "m", head: &head };
    let place = |piece: &dyn Fn(usize) -> CallPiece<'static>| {
        let (mut calls, mut deltas) = (ToolCallPieces::default(), Vec::new());
        let mut numbers = 0..=MAX_ITEMS;
        let full = numbers.find(|number| calls.place(piece(*number), origin, &mut deltas).is_err());
        (full, deltas.len())
    };
    let text = |text: &str| Some(Text::new(text));
    let named = CallPiece { name: text("f"), ..CallPiece::default() };
    let numbered = |number| CallPiece { number: Some(number), ..named.clone() };
    assert_eq!(place(&numbered), (None, MAX_ITEMS));
    let in_choice = |_| CallPiece { choice: MAX_ITEMS, ..named.clone() };
    assert_eq!(place(&in_choice), (None, 0));
    let arguments = CallPiece { arguments: text("{"), ..CallPiece::default() };
    assert_eq!(place(&|_| arguments.clone()), (Some(MAX_ITEMS), 0));
    let long = CallPiece { arguments: text(&"x".repeat(MAX_EVENT / 2)), ..CallPiece::default() };
    assert_eq!(place(&|_| long.clone()), (Some(1), 0));
}
