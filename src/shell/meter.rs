//! What is counted of every answer. Where that goes is found in one step, by who was asked for whom.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use super::metrics::{ATTEMPT, Counter, FIRST_CONTENT, Histogram, REQUEST, of_account, of_request};
use crate::{chat::usage::Usage, summary::Summary};

thread_local! {
    /// By provider, model and account: only names of the configuration come here.
    static METERS: RefCell<HashMap<String, Rc<Meter>>> = RefCell::default();
}

/// A model at a provider, for an account.
pub(super) struct Meter {
    model: String,
    /// What the names of its counters end in.
    labels: String,
    input: Tokens,
    output: Tokens,
    attempt: Histogram,
    request: Histogram,
    // Not every model has these.
    cached: OnceCell<Counter>,
    reasoning: OnceCell<Counter>,
    cost: OnceCell<Counter>,
    first_content: OnceCell<Histogram>,
}

/// How many there were, and how many at a time.
struct Tokens {
    count: Counter,
    usage: Histogram,
}

impl Meter {
    /// The one for these. `None`: accounts are not told apart.
    pub(super) fn of(provider: &str, model: &str, account: Option<&str>) -> Rc<Self> {
        let key = [provider, model, account.unwrap_or_default()].join("/");
        let known = METERS.with_borrow(|meters| meters.get(&key).cloned());
        known.unwrap_or_else(|| {
            let meter = Rc::new(Self::define(provider, model, account));
            METERS.with_borrow_mut(|meters| meters.insert(key, Rc::clone(&meter)));
            meter
        })
    }

    fn define(provider: &str, model: &str, account: Option<&str>) -> Self {
        let labels = format!("_provider_=_{provider}_=_model_=_{model}_={}", of_account(account));
        let of_provider = format!("_asked_=_{model}_=_by_=_{provider}_=");
        let tokens = |kind| {
            let usage = format!("gen_ai_client_token_usage{of_provider}_token_=_{kind}_=");
            let count = Counter::define(&format!("attache_tokens_type_=_{kind}_={labels}"));
            Tokens { count, usage: Histogram::define(&usage) }
        };
        Self {
            model: model.to_owned(),
            input: tokens("input"),
            output: tokens("output"),
            attempt: Histogram::define(&format!("{ATTEMPT}{of_provider}")),
            request: of_request(REQUEST, model),
            cached: OnceCell::new(),
            reasoning: OnceCell::new(),
            cost: OnceCell::new(),
            first_content: OnceCell::new(),
            labels,
        }
    }

    /// Takes in what an attempt has cost, whatever came of it.
    pub(super) fn spent(&self, summary: &Summary<'_>) {
        let Some(Usage { prompt, completion, cached, reasoning, .. }) = summary.usage else {
            return;
        };
        for (tokens, amount) in [(&self.input, prompt), (&self.output, completion)] {
            tokens.count.add(amount);
            tokens.usage.record(amount);
        }
        let cost = summary.cost.unwrap_or_default();
        self.add(&self.cached, cached, "attache_tokens_type_=_cached_=");
        self.add(&self.reasoning, reasoning, "attache_tokens_type_=_reasoning_=");
        self.add(&self.cost, cost, "attache_cost_pico_usd");
    }

    fn add(&self, counter: &OnceCell<Counter>, amount: u64, name: &str) {
        if amount > 0 {
            counter.get_or_init(|| Counter::define(&[name, &self.labels].concat())).add(amount);
        }
    }

    /// Takes in how long a provider took for an answer.
    pub(super) fn answered(&self, summary: &Summary<'_>) {
        if let Some(took) = summary.provider_time {
            self.attempt.time(took);
        }
    }

    /// Takes in how long a client waited for the whole of it. It has asked for one model, whichever
    /// answers.
    pub(super) fn served(&self, summary: &Summary<'_>) {
        let asked = summary.request_model;
        let Some(total) = summary.total else { return };
        if asked == self.model { self.request } else { of_request(REQUEST, asked) }.time(total);
    }

    /// Takes in how long a client waited for the first of a stream.
    pub(super) fn begun(&self, summary: &Summary<'_>) {
        let asked = summary.request_model;
        let Some(first) = summary.first_content else { return };
        let own = || *self.first_content.get_or_init(|| of_request(FIRST_CONTENT, asked));
        if asked == self.model { own() } else { of_request(FIRST_CONTENT, asked) }.time(first);
    }
}
