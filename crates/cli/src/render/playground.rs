//! The playground: one page, assembled from the files in `envoy/playground`. Envoy serves it without
//! the module.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The file that holds the page.
pub(super) const FILE: &str = "playground.html";

const PAGE: &str = include_str!("../../../../envoy/playground/page.html");
const STYLE: &str = include_str!("../../../../envoy/playground/style.css");
const SCRIPTS: [&str; 4] = [
    include_str!("../../../../envoy/playground/request.js"),
    include_str!("../../../../envoy/playground/answer.js"),
    include_str!("../../../../envoy/playground/pane.js"),
    include_str!("../../../../envoy/playground/page.js"),
];

/// The page, and the values of its route.
#[derive(Clone, Serialize)]
pub(super) struct Playground {
    /// The whole page.
    #[serde(skip)]
    pub(super) html: String,
    /// Its length in bytes.
    size: usize,
    /// Its digest. Envoy reads the page again when its route changes, and the digest changes the route.
    digest: String,
    /// The digest of the one style sheet that a browser may apply.
    style: String,
    /// The digest of the one script that a browser may run.
    script: String,
}

impl Playground {
    pub(super) fn new() -> Self {
        let script = SCRIPTS.concat();
        let html = PAGE
            .replace("<style></style>", &format!("<style>{STYLE}</style>"))
            .replace("<script></script>", &format!("<script>{script}</script>"));
        let (style, script) = (digest(STYLE), digest(&script));
        Self { size: html.len(), digest: digest(&html), style, script, html }
    }
}

/// Returns a digest in the form of Content Security Policy Level 3, *hash-source*.
fn digest(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_what_browsers_compute() {
        // NIST, Secure Hash Standard, example of SHA-256 for one block.
        assert_eq!(digest("abc"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn the_page_is_one_file_that_asks_for_no_other() {
        let html = Playground::new().html;
        for tag in ["<style>", "</style>", "<script>", "</script>"] {
            assert_eq!(html.matches(tag).count(), 1, "{tag}");
        }
        for part in [STYLE].into_iter().chain(SCRIPTS) {
            assert!(html.contains(part), "{part}");
        }
        for other in ["https:", " src=", "@import", ": url(", "localStorage", "innerHTML"] {
            assert!(!html.contains(other), "{other}");
        }
    }
}
