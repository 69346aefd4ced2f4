//! Names of tools and ids of calls that Claude accepts: letters, digits, `_` and `-`.
//! Claude API reference, *Create a Message*: `tools.name`, `tool_use.id`.

use crate::api_schema::{
    tool_names::{FirstCharacter, NameRules},
    unique_names::UniqueNames,
};

/// The rules for names and for ids.
pub(super) const RULES: NameRules =
    NameRules { max_length: 128, marks: "_-", first: FirstCharacter::Any };

/// The ids of the calls of a conversation, each used once.
#[derive(Debug, Default)]
pub(super) struct ToolUseIds(UniqueNames);

impl ToolUseIds {
    /// Returns an id for a call: its own, if that is valid and no earlier call has it.
    pub(super) fn assign(&mut self, id: &str) -> String {
        let default = format!("call_{}", self.0.len());
        self.0.claim(RULES.sanitized(id, &default), RULES.max_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_valid_and_never_used_twice() {
        let mut ids = ToolUseIds::default();
        let cases = [
            ("call_1", "call_1"),
            ("call_1", "call_1_2"),
            ("functions.f:0", "functions_f_0"),
            ("functions_f_0", "functions_f_0_2"),
            ("", "call_4"),
            ("", "call_5"),
            ("☃", "_"),
        ];
        for (id, assigned) in cases {
            assert_eq!(ids.assign(id), assigned, "{id:?}");
        }
    }
}
