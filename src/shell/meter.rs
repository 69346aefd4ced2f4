//! What is counted of every answer. Where that goes is found in one step, by who was asked for whom.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use super::metrics::{
    ATTEMPT, Counter, FIRST_CONTENT, Histogram, REQUEST, TOKENS, of_account, of_request,
};
use crate::summary::Summary;

thread_local! {
    /// By provider, model and account: only names of the configuration come here.
    static METERS: RefCell<HashMap<String, Rc<Meter>>> = RefCell::default();
}

/// A model at a provider, for an account. What never happens is never defined.
pub(super) struct Meter {
    model: String,
    /// What the names of its counters end in.
    labels: String,
    /// The same of the histograms of attempts.
    of_attempt: String,
    /// Input, output, and what of them was cached and reasoning.
    tokens: [OnceCell<Counter>; 4],
    /// Input and output of an answer.
    usage: [OnceCell<Histogram>; 2],
    cost: OnceCell<Counter>,
    attempt: OnceCell<Histogram>,
    request: OnceCell<Histogram>,
    first_content: OnceCell<Histogram>,
}

impl Meter {
    /// The one for these. `None`: accounts are not told apart.
    pub(super) fn of(provider: &str, model: &str, account: Option<&str>) -> Rc<Self> {
        let key = [provider, model, account.unwrap_or_default()].join("/");
        let known = METERS.with_borrow(|meters| meters.get(&key).cloned());
        known.unwrap_or_else(|| {
            let meter = Rc::new(Self::new(provider, model, account));
            METERS.with_borrow_mut(|meters| meters.insert(key, Rc::clone(&meter)));
            meter
        })
    }

    fn new(provider: &str, model: &str, account: Option<&str>) -> Self {
        let account = of_account(account);
        Self {
            model: model.to_owned(),
            labels: format!("_provider_=_{provider}_=_model_=_{model}_={account}"),
            of_attempt: format!("_asked_=_{model}_=_by_=_{provider}_="),
            tokens: Default::default(),
            usage: Default::default(),
            cost: OnceCell::new(),
            attempt: OnceCell::new(),
            request: OnceCell::new(),
            first_content: OnceCell::new(),
        }
    }

    /// Takes in what an attempt has cost, whatever came of it.
    pub(super) fn spent(&self, summary: &Summary<'_>) {
        let Some(usage) = summary.usage else { return };
        let counts = [
            ("input", usage.prompt),
            ("output", usage.completion),
            ("cached", usage.cached),
            ("reasoning", usage.reasoning),
        ];
        for (counter, (kind, count)) in self.tokens.iter().zip(counts) {
            self.add(counter, count, || format!("attache_tokens_type_=_{kind}_="));
        }
        for (histogram, (kind, count)) in self.usage.iter().zip(counts) {
            let define = || {
                let of_attempt = &self.of_attempt;
                Histogram::define(&format!("{TOKENS}{of_attempt}_token_=_{kind}_="))
            };
            histogram.get_or_init(define).record(count);
        }
        self.add(&self.cost, summary.cost.unwrap_or_default(), || "attache_cost_pico_usd".into());
    }

    fn add(&self, counter: &OnceCell<Counter>, amount: u64, name: impl FnOnce() -> String) {
        if amount > 0 {
            counter.get_or_init(|| Counter::define(&(name() + &self.labels))).add(amount);
        }
    }

    /// Takes in how long a provider took for an answer.
    pub(super) fn answered(&self, summary: &Summary<'_>) {
        let Some(took) = summary.provider_time else { return };
        let define = || Histogram::define(&[ATTEMPT, &self.of_attempt].concat());
        self.attempt.get_or_init(define).time(took);
    }

    /// Takes in how long a client waited for the whole of it.
    pub(super) fn served(&self, summary: &Summary<'_>) {
        if let Some(total) = summary.total {
            self.of_request(&self.request, REQUEST, summary).time(total);
        }
    }

    /// Takes in how long a client waited for the first of a stream.
    pub(super) fn begun(&self, summary: &Summary<'_>) {
        if let Some(first) = summary.first_content {
            self.of_request(&self.first_content, FIRST_CONTENT, summary).time(first);
        }
    }

    /// A client has asked for one model, whichever answers.
    fn of_request(
        &self,
        own: &OnceCell<Histogram>,
        name: &str,
        summary: &Summary<'_>,
    ) -> Histogram {
        let asked = summary.request_model;
        let of_request = || of_request(name, asked);
        if asked == self.model { *own.get_or_init(of_request) } else { of_request() }
    }
}
