//! The operator's sample, model by model and chain by chain: where a request's data may go.

use std::rc::Rc;

use attache::{
    attempt::DraftContext,
    chat::request,
    config::Config,
    gateway::{
        Exchange, Gateway, Input, RequestHead,
        plan::{Plan, PlanIndex},
    },
    inlet::Inlet,
    region::Region::{self, Eu, Global, Us},
};
use serde_json::{Value, json};
use testkit::play;

fn sample() -> Rc<Config> {
    let text = include_str!("../../envoy/gateway.yaml");
    let document = attache_cli::gateway_file::document(text).unwrap();
    Rc::new(Config::parse(&document).unwrap())
}

/// The clusters of all attempts of a request, in the order of the plan and on the ticket.
fn clusters(gateway: &Gateway, body: &Value) -> Option<Vec<String>> {
    let body = body.to_string();
    let exchange = DraftContext { request_id: play::REQUEST_ID, inlet: Inlet::Chat };
    let plan = Plan::new(
        gateway,
        "demo",
        exchange,
        request::parameters(body.as_bytes()).unwrap(),
        play::sent(),
    );
    let (plan, _) = plan.ok()?;
    let places = (0..=plan.max_retries()).map(PlanIndex::new);
    let planned = places.map(|index| plan.get(index).unwrap());
    let mut clusters: Vec<_> = planned.map(|planned| planned.cluster.clone()).collect();
    let fresh = Gateway { store: Rc::new(play::Table::default()), ..gateway.clone() };
    let mut exchange = Exchange::new(Rc::new(fresh), play::REQUEST_ID.to_owned());
    let head = RequestHead { account: Some("demo".to_owned()), ..play::client_head() };
    exchange.on(Input::Head(head), play::sent);
    let output = exchange.on(Input::Body(body.into_bytes()), play::sent);
    let ticket = play::ticket(output);
    assert_eq!(ticket.gateway_region, gateway.region);
    clusters.extend(ticket.rest.into_iter().map(|target| target.cluster));
    Some(clusters)
}

#[test]
fn no_model_and_no_chain_of_fallbacks_leads_out_of_the_region() {
    let config = sample();
    let models: Vec<&str> = config.models.keys().map(String::as_str).collect();
    let mut planned = [0, 0];
    for home in [Us, Eu] {
        let store = Rc::new(play::Table::default());
        let gateway = Gateway::new(Rc::clone(&config), home, store);
        for first in &models {
            for second in &models {
                let chain = json!([{"model": second}, {"model": first, "model_region": "global"}]);
                for (stream, global) in [(false, false), (true, false), (false, true), (true, true)]
                {
                    let mut body = json!({"model": first, "prompt": "x", "stream": stream,
                        "fallbacks": chain, "fallback_config": {"depth": 2}});
                    if global {
                        body["model_region"] = json!("global");
                    }
                    let mut simple = body.clone();
                    simple["fallbacks"] = json!([{"model": second}]);
                    for body in [body, simple] {
                        let Some(clusters) = clusters(&gateway, &body) else { continue };
                        planned[usize::from(home == Eu)] += 1;
                        for cluster in clusters {
                            let (_, region) = cluster.rsplit_once('-').unwrap();
                            let region = Region::parse(region).unwrap();
                            let may = [(Us, Us), (Us, Global), (Eu, Eu)].contains(&(home, region));
                            assert!(may, "{home:?}: {body} leads to {cluster}");
                        }
                    }
                }
            }
        }
    }
    // Every pair of models that both are there, in both lanes.
    assert!(planned[0] >= 26 * 26 * 2 && planned[1] >= 10 * 10 * 2, "{planned:?}");
}

#[test]
fn an_operators_own_fallbacks_stay_in_the_region_too() {
    let config = sample();
    for home in [Us, Eu] {
        let store = Rc::new(play::Table::default());
        let gateway = Gateway::new(Rc::clone(&config), home, store);
        for model in config.models.keys() {
            let body = json!({"model": model, "prompt": "x"});
            for cluster in clusters(&gateway, &body).into_iter().flatten() {
                assert!(cluster.ends_with(home.name()), "{home:?}: {model} leads to {cluster}");
            }
        }
    }
}
