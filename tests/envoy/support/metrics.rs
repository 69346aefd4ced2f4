//! Envoy's metrics in Prometheus' text format, as its administration interface tells them.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};
use testkit::envoy::Gateway;

/// Longer than Envoy keeps histograms back: it adds workers' numbers up every five seconds.
/// A bound for a hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// What counters and histograms say at a moment, by name and labels: `name label=value …`, the labels
/// in the order of the alphabet.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// What a gateway's own metrics say now.
    pub fn of(gateway: &Gateway) -> Self {
        let page = gateway.admin("/stats/prometheus?filter=(attache_|gen_ai_)");
        let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(series).collect())
    }

    /// What a series says; nothing is 0.
    pub fn get(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or_default()
    }

    /// All series whose name begins so.
    pub fn named<'m>(&'m self, prefix: &'m str) -> impl Iterator<Item = (&'m str, f64)> {
        let named = self.0.iter().filter(move |(series, _)| series.starts_with(prefix));
        named.map(|(series, value)| (series.as_str(), *value))
    }

    /// By how much each counter of ours has grown since, those that have.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters are whole and grow"
    )]
    pub fn grown(&self, since: &Self) -> BTreeMap<String, u64> {
        let grown = |(series, value): (&str, f64)| (series.to_owned(), value - since.get(series));
        let grown = self.named("attache_").map(grown).filter(|(_, more)| *more != 0.0);
        grown.map(|(series, more)| (series, more as u64)).collect()
    }
}

/// What is there once `series` says as much.
pub fn once(gateway: &Gateway, series: &str, value: f64) -> Metrics {
    let started = Instant::now();
    loop {
        let metrics = Metrics::of(gateway);
        if metrics.get(series) >= value {
            return metrics;
        }
        assert!(started.elapsed() < PATIENCE, "{series} is not {value}: {metrics:#?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A line of the page.
fn series(line: &str) -> (String, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let mut labels: Vec<_> =
        labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
    labels.sort_unstable();
    let words: Vec<_> = std::iter::once(name).chain(labels).collect();
    (words.join(" ").replace('"', ""), value.parse().expect("a number"))
}
