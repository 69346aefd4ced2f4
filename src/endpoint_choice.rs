//! Choice among the endpoints of a model in a region: the order in which an exchange may ask them.
//! The configuration has their weights and priorities, and [`cool_downs`] those that are passed over.

pub mod cool_downs;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher},
    rc::Rc,
};

use crate::{config::Endpoint, failover::EndpointIndex, time::Timestamp};

/// Endpoint that may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'e> {
    /// Position among the model's endpoints.
    pub index: EndpointIndex,
    /// Endpoint.
    pub endpoint: &'e Endpoint,
    /// Moment until which the endpoint is passed over. `None`: the endpoint is available.
    pub passed_over_until: Option<Timestamp>,
}

/// Number of draws for each model. Each worker thread counts for itself.
#[derive(Clone, Debug, Default)]
pub struct DrawCounts(Rc<RefCell<BTreeMap<String, u64>>>);

impl DrawCounts {
    /// Returns the next draw for a model. `key` names the model and its region.
    pub fn next(&self, key: &str) -> Draw {
        let mut counts = self.0.borrow_mut();
        let count = counts.entry(key.to_owned()).or_default();
        let point = count.wrapping_mul(STEP);
        *count = count.wrapping_add(1);
        Draw::Point(point)
    }
}

/// Distance between two points of a draw: 2^64 divided by the golden ratio, rounded to an odd number.
/// After any number of steps, each part of the line has its share of the points, but for a few: Knuth,
/// *The Art of Computer Programming*, volume 3, section 6.4, theorem S.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Draw of an endpoint.
#[derive(Clone, Debug)]
pub enum Draw {
    /// A point of the line on which each endpoint has a part of the length of its weight.
    Point(u64),
    /// The state of a hash of the fact by which the endpoint is chosen.
    Hash(DefaultHasher),
}

impl Draw {
    /// Returns the draw for a fact of a request. Equal facts have equal draws in all workers.
    pub fn by_hash<'f>(fact: impl IntoIterator<Item = &'f str>) -> Self {
        let mut hasher = DefaultHasher::new();
        write_parts(&mut hasher, fact);
        Self::Hash(hasher)
    }

    /// Returns the candidates in the order in which they are asked: those that are available, those
    /// with a weight, and those with a lower priority number come first. Where these are equal, the
    /// draw decides. Candidates that are passed over come in the order in which that ends.
    pub fn rank(&self, mut candidates: Vec<Candidate<'_>>) -> Vec<EndpointIndex> {
        let mut ranked = Vec::with_capacity(candidates.len());
        while let Some(best) = candidates.iter().map(rank).min() {
            let mut equal = candidates.iter().filter(|own| rank(own) == best).peekable();
            let first = equal.peek().map(|own| own.index);
            let drawn = match self {
                Self::Point(point) => draw_at(mixed(*point, ranked.len()), equal.collect()),
                Self::Hash(hasher) => {
                    let score = |own: &&Candidate<'_>| score(hasher, own.endpoint);
                    equal.max_by(|one, other| score(one).total_cmp(&score(other)))
                }
            };
            let Some(index) = drawn.map(|own| own.index).or(first) else { break };
            ranked.push(index);
            candidates.retain(|own| own.index != index);
        }
        ranked
    }
}

/// Returns the rank of a candidate. The lowest is asked first.
fn rank(candidate: &Candidate<'_>) -> (Option<Timestamp>, bool, u32) {
    let Endpoint { weight, priority, .. } = candidate.endpoint;
    (candidate.passed_over_until, *weight == 0, *priority)
}

/// Returns the point of a draw for the candidates that are left after as many draws. The load of an
/// endpoint that fails is to go to all others by their weights, which takes a point that says nothing
/// of the first.
fn mixed(point: u64, draws: usize) -> u64 {
    (0..draws).fold(point, |point, _| (point ^ (point >> 31)).wrapping_mul(STEP))
}

/// Returns the candidate whose part of the line has a point. `None` if no candidate has a weight.
fn draw_at<'c, 'e>(point: u64, equal: Vec<&'c Candidate<'e>>) -> Option<&'c Candidate<'e>> {
    let total: u64 = equal.iter().map(|own| own.endpoint.weight).sum();
    let mut left = (u128::from(point) * u128::from(total)) >> 64;
    equal.into_iter().find(|own| {
        let weight = u128::from(own.endpoint.weight);
        let is_here = left < weight;
        left = left.saturating_sub(weight);
        is_here
    })
}

/// Returns the score of an endpoint for a fact. The highest wins: rendezvous hashing, with weights as in
/// Schindelhauer and Schomaker, *Weighted Distributed Hash Tables*. An endpoint that is passed over
/// moves its own share only.
fn score(hasher: &DefaultHasher, endpoint: &Endpoint) -> f64 {
    let mut hasher = hasher.clone();
    let Endpoint { provider, upstream_model, api_schema, .. } = endpoint;
    let key = endpoint.key.suffix();
    write_parts(&mut hasher, [provider, &*key, upstream_model, api_schema.name()]);
    // A number above 0 and up to 1, of 53 bits.
    let unit = ((hasher.finish() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    endpoint.weight as f64 / -unit.ln()
}

/// Adds texts to a hash, so that other texts have another hash.
fn write_parts<'p>(hasher: &mut DefaultHasher, parts: impl IntoIterator<Item = &'p str>) {
    for part in parts {
        hasher.write(part.as_bytes());
        hasher.write_u8(0);
    }
}
