//! Endpoints of a model: the deployments that share its name.

use serde_json::{Map, Value, json};

use super::{REGION, source::Deployment, values::whole_number};
use crate::served_model::ServedModel;

/// Deployments of one model, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct ImportedEndpoints(Vec<ImportedEndpoint>);

/// Deployment of a model.
#[derive(Clone, Debug)]
struct ImportedEndpoint {
    served: ServedModel,
    params: Map<String, Value>,
}

/// Fields of a deployment that may be its weight. LiteLLM, *Load Balancing*: the first that any
/// deployment of a model has applies to all.
const WEIGHTS: [&str; 3] = ["weight", "rpm", "tpm"];

/// Highest weight of an endpoint.
const MAX_WEIGHT: f64 = 1_000_000.0;

/// Highest priority of an endpoint.
const MAX_PRIORITY: u64 = 100;

impl ImportedEndpoints {
    pub(super) fn add(&mut self, served: ServedModel, deployment: &Deployment) {
        self.0.push(ImportedEndpoint { served, params: deployment.params.clone() });
    }

    /// Returns the value of `regions`. `None` for an only endpoint.
    pub(super) fn regions(&self) -> Option<Value> {
        if self.0.len() < 2 {
            return None;
        }
        let (weights, priorities) = (self.weights(), self.priorities());
        let endpoint = |(at, own): (usize, &ImportedEndpoint)| {
            let ServedModel { provider, upstream_model, .. } = &own.served;
            let mut entry = json!({"provider": provider, "upstream_model": upstream_model});
            for (key, values) in [("weight", &weights), ("priority", &priorities)] {
                if let (Some(entry), Some(value)) = (entry.as_object_mut(), values.get(at)) {
                    entry.insert(key.to_owned(), json!(value));
                }
            }
            entry
        };
        let endpoints: Vec<Value> = self.0.iter().enumerate().map(endpoint).collect();
        Some(json!({REGION: endpoints}))
    }

    /// Returns the sum of a limit per minute. `None` if a deployment has none.
    pub(super) fn limit(&self, key: &str) -> Option<u64> {
        let limit = |own: &ImportedEndpoint| whole_number(own.params.get(key)?);
        let sum: u64 = self.0.iter().map(limit).sum::<Option<u64>>()?;
        Some(sum).filter(|sum| *sum > 0)
    }

    /// Returns the weights. Empty if all are the same.
    fn weights(&self) -> Vec<u64> {
        let weight =
            |own: &ImportedEndpoint, key: &str| own.params.get(key).and_then(Value::as_f64);
        let key =
            WEIGHTS.into_iter().find(|key| self.0.iter().any(|own| weight(own, key).is_some()));
        let weights = self.0.iter().map(|own| key.and_then(|key| weight(own, key)));
        let weights: Vec<f64> = weights.map(|weight| weight.unwrap_or_default().max(0.0)).collect();
        let most = weights.iter().copied().fold(0.0, f64::max);
        if most == 0.0 || weights.iter().all(|weight| *weight == most) {
            return Vec::new();
        }
        let has_fractions = weights.iter().any(|weight| weight.fract() != 0.0);
        let scale = if has_fractions { 1000.0 } else { 1.0 };
        let scale = f64::min(scale, MAX_WEIGHT / most);
        weights.iter().map(|weight| whole(weight * scale)).collect()
    }

    /// Returns the priorities. Empty if no deployment has an order. A deployment without one comes
    /// last.
    fn priorities(&self) -> Vec<u64> {
        let orders = self.0.iter().map(|own| own.params.get("order").and_then(whole_number));
        let orders: Vec<Option<u64>> = orders.collect();
        let Some(last) = orders.iter().flatten().max() else { return Vec::new() };
        orders.iter().map(|order| order.unwrap_or(last + 1).min(MAX_PRIORITY)).collect()
    }
}

/// Returns a weight as a whole number, at least 1 unless there is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to MAX_WEIGHT")]
fn whole(weight: f64) -> u64 {
    if weight > 0.0 { weight.round().max(1.0) as u64 } else { 0 }
}
