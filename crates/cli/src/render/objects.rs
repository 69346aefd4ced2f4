//! Kubernetes objects, and the files that they are written to.

use serde_json::{Value, json};

use super::{RenderError, RenderedFile, WritePhase};

/// A kind of Kubernetes object.
pub(super) struct ObjectKind {
    pub(super) api_version: &'static str,
    pub(super) name: &'static str,
    /// The key of its content.
    pub(super) body: &'static str,
}

pub(super) const CONFIG_MAP: ObjectKind =
    ObjectKind { api_version: "v1", name: "ConfigMap", body: "data" };

impl ObjectKind {
    /// Returns a kind whose content is `spec`.
    pub(super) const fn with_spec(api_version: &'static str, name: &'static str) -> Self {
        Self { api_version, name, body: "spec" }
    }
}

/// The names that objects of one gateway share.
#[derive(Clone, Debug)]
pub struct ObjectNames {
    /// The namespace of the pods and of the objects.
    pub namespace: String,
    /// The prefix of the objects' names.
    pub prefix: String,
}

impl ObjectNames {
    /// Returns an object.
    pub(super) fn object(&self, kind: &ObjectKind, name: &str, body: Value) -> Value {
        let labels = json!({
            "app.kubernetes.io/managed-by": "attache",
            "app.kubernetes.io/instance": self.prefix,
        });
        json!({
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": self.name(name), "namespace": self.namespace, "labels": labels},
            kind.body: body,
        })
    }

    /// Returns the whole name of an object.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }
}

/// Returns the files of objects. A listener needs its clusters, and `kubectl` applies files in
/// alphabetical order.
pub(super) fn files(
    clusters: Vec<Value>,
    listeners: Vec<Value>,
) -> Result<Vec<RenderedFile>, RenderError> {
    let files = [("clusters", clusters), ("listeners", listeners)];
    files.into_iter().map(|(name, objects)| file(name, &objects)).collect()
}

/// Returns a file with a YAML document for each object.
fn file(name: &str, objects: &[Value]) -> Result<RenderedFile, RenderError> {
    let mut text = "# Rendered from gateway.yaml by `attache render`.\n".to_owned();
    for object in objects {
        let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
        text.push_str("---\n");
        serde_saphyr::to_fmt_writer_with_options(&mut text, object, options)
            .map_err(|error| RenderError::Yaml(error.to_string()))?;
    }
    Ok(RenderedFile { path: format!("{name}.yaml"), text, phase: WritePhase::Targets })
}

/// Returns a name as a DNS label. A name that is changed or cut gets a checksum, so that labels differ.
pub(super) fn dns_label(name: &str) -> String {
    let kept = |letter: char| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9') => letter,
        _ => '-',
    };
    let label: String = name.chars().map(kept).take(40).collect();
    let label = label.trim_matches('-');
    if label == name { name.to_owned() } else { format!("{label}-{:08x}", checksum(name)) }
}

/// Returns the FNV-1a hash of a text, 32 bits.
fn checksum(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

#[cfg(test)]
mod tests {
    use super::dns_label;

    #[test]
    fn every_name_becomes_a_label_of_its_own() {
        let long = "a".repeat(64);
        let names = ["openai-us", "Open_AI-us", "open.ai-us", "open-ai-us", "_jwks", "jwks", &long];
        let labels = names.map(dns_label);
        assert_eq!(labels[0], "openai-us");
        for label in &labels {
            let is_legal =
                |byte: u8| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(label.bytes().all(is_legal) && label.len() < 64, "{label}");
            assert!(!label.starts_with('-') && !label.ends_with('-'), "{label}");
        }
        let different: std::collections::BTreeSet<_> = labels.iter().collect();
        assert_eq!(different.len(), names.len(), "{labels:?}");
    }
}
