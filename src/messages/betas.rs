//! `anthropic-beta`: features of the Messages API that a client asks for by name. Claude API, *Beta
//! headers*.

use std::fmt;

/// Features that change the meaning of a request's or an answer's fields. Others are ignored: Claude's
/// servers refuse names that they do not know, and some of them grant rights to keys.
const KNOWN: [&str; 33] = [
    "advanced-tool-use-2025-11-20",
    "advisor-tool-2026-03-01",
    "cache-diagnosis-2026-04-07",
    "claude-code-20250219",
    "code-execution-2025-08-25",
    "compact-2026-01-12",
    "compact-2026-09-04",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "effort-2025-11-24",
    "extended-cache-ttl-2025-04-11",
    "fine-grained-tool-streaming-2025-05-14",
    "inline-tools-2026-09-15",
    "interleaved-thinking-2025-05-14",
    "mcp-client-2025-11-20",
    "mcp-client-2026-09-15",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-system-clear-at-2026-08-21",
    "mid-conversation-tool-changes-2026-07-01",
    "model-context-window-exceeded-2025-08-26",
    "output-128k-2025-02-19",
    "output-300k-2026-03-24",
    "per-turn-control-2026-07-01",
    "prompt-caching-scope-2026-01-05",
    "search-results-2025-06-09",
    "structured-outputs-2025-11-13",
    "structured-outputs-2025-12-15",
    "task-budgets-2026-03-13",
    "thinking-display-updates-2026-08-18",
    "thinking-token-count-2026-05-13",
    "web-fetch-2025-09-10",
];

/// Set of known features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Betas(
    /// One bit for each feature of [`KNOWN`].
    u64,
);

impl Betas {
    /// Reads a list of names, separated by commas. Unknown names are ignored.
    pub fn parse(list: &str) -> Self {
        let asked = |name: &&str| list.split(',').any(|one| one.trim() == *name);
        let bits = KNOWN.iter().enumerate().filter(|(_, name)| asked(name));
        Self(bits.fold(0, |set, (position, _)| set | 1 << position))
    }

    /// Adds the features of another list. A client may repeat the header.
    pub fn add(&mut self, list: &str) {
        self.0 |= Self::parse(list).0;
    }

    /// Returns the names, in alphabetical order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        KNOWN
            .into_iter()
            .enumerate()
            .filter_map(move |(position, name)| (self.0 & (1 << position) != 0).then_some(name))
    }

    /// Returns `true` if there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Betas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            f.write_str(if index > 0 { "," } else { "" })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_kept_and_others_ignored() {
        let list = "effort-2025-11-24, oauth-2025-04-20,context-1m-2025-08-07,,x;y";
        let betas = Betas::parse(list);
        assert_eq!(betas.to_string(), "context-1m-2025-08-07,effort-2025-11-24");
        assert_eq!(Betas::parse(&betas.to_string()), betas);
        assert!(Betas::parse("oauth-2025-04-20").is_empty());
        assert_eq!(Betas::parse(&KNOWN.join(",")).names().collect::<Vec<_>>(), KNOWN);
        let mut repeated = Betas::parse("effort-2025-11-24");
        repeated.add("context-1m-2025-08-07, nothing");
        assert_eq!(repeated, betas);
    }
}
