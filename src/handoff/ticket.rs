//! The ticket: everything one attempt has to know about its exchange, and the attempts that may
//! follow.
//!
//! In the stream lane, a ticket travels as text: from the gateway role to the provider role, and from
//! one attempt to the next. Clients can neither see nor write one. Envoy's routes read two parts of the
//! text: see [`Ticket::cluster_prefix`] and [`Ticket::route_pattern`]. In the answer lane, a ticket
//! does not leave the gateway role, and the text has these two parts only.

use std::time::Duration;

use crate::{
    chat::{
        attempt_log::{AttemptLog, split_name},
        request_variant::RequestVariant,
    },
    config::direct_cluster,
    failover::{AttemptRoute, BACK_OFF, EndpointIndex, Failover},
    inlet::Inlet,
    quota::LimitStatus,
    region::Region,
    time::Timestamp,
};

/// Cluster of a ticket that leads nowhere. Nobody listens there. Envoy's router would send another
/// attempt to the last cluster again if a ticket named none.
pub const EXHAUSTED_CLUSTER: &str = "nobody";

/// The two ways in which attempts follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The gateway role makes the attempts after the first. Answers come in one piece.
    Answer,
    /// Envoy's router makes the attempts after the first, so that tokens flow to the client as they
    /// come.
    Stream,
}

/// Target of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptTarget {
    /// Request that is made, and the endpoint of its model.
    pub route: AttemptRoute,
    /// Name of the model, as the operator spells it.
    pub model: String,
    /// Envoy's cluster for it.
    pub cluster: String,
}

/// Ticket of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Lane of the exchange.
    pub lane: Lane,
    /// Name of the timeouts that Envoy keeps for the exchange. See `Deadlines::profile`.
    pub deadline_profile: String,
    /// Version of the file that the exchange was planned by. See `Config::version`.
    pub version: String,
    /// Id of the exchange.
    pub request_id: String,
    /// Moment at which the client's request was complete.
    pub started: Timestamp,
    /// Region of the gateway, which bounds where the data may go.
    pub gateway_region: Region,
    /// Target of this attempt.
    pub target: AttemptTarget,
    /// Targets of the attempts that may follow, in order. Empty in the answer lane, where the gateway
    /// role has them.
    pub rest: Vec<AttemptTarget>,
    /// Moment at which the request may leave. `None`: at once.
    pub due: Option<Timestamp>,
    /// Account of the caller.
    pub account: String,
    /// State of the account's limit for the model. `None`: no limit.
    pub limit_status: Option<LimitStatus>,
    /// Attempts that have ended.
    pub attempt_log: AttemptLog,
    /// API in which the client asks.
    pub inlet: Inlet,
}

impl Ticket {
    /// Reads the text that [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(';');
        let cluster = fields.next()?.to_owned();
        let (lane, deadline_profile) = parse_route_field(fields.next()?)?;
        let version = fields.next()?.to_owned();
        let request_id = fields.next()?.to_owned();
        let started = parse_moment(fields.next()?)?;
        let gateway_region = Region::parse(fields.next()?)?;
        let (route, model) = fields.next()?.split_once(':')?;
        let (route, model) = (parse_route(route)?, model.to_owned());
        let rest = fields.next()?.split(',').filter(|target| !target.is_empty());
        Some(Self {
            lane,
            deadline_profile,
            version,
            request_id,
            started,
            gateway_region,
            target: AttemptTarget { route, model, cluster },
            rest: rest.map(parse_target).collect::<Option<_>>()?,
            due: parse_moment(fields.next()?),
            account: fields.next()?.to_owned(),
            limit_status: LimitStatus::parse(fields.next()?),
            attempt_log: AttemptLog::parse(fields.next()?.to_owned()),
            inlet: Inlet::parse(fields.next())?,
        })
    }

    /// Returns the ticket as text. Every request pays for this, and four times as much with `write!`.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(192);
        let AttemptTarget { route, model, cluster } = &self.target;
        let (started, region) = (self.started.as_millis().to_string(), self.gateway_region.name());
        out.extend(cluster_field(cluster));
        out.extend(route_field(self.lane, &self.deadline_profile));
        out.extend([&*self.version, ";", &*self.request_id, ";", &started, ";", region]);
        out.push(';');
        push_route(&mut out, *route);
        out.extend([":", model, ";"]);
        for AttemptTarget { route, model, cluster } in &self.rest {
            push_route(&mut out, *route);
            out.extend([":", model, ":", cluster, ","]);
        }
        out.push(';');
        out.extend(self.due.map(|due| due.as_millis().to_string()));
        out.extend([";", &self.account, ";"]);
        out.extend(self.limit_status.map(|status| status.to_string()));
        out.extend([";", self.attempt_log.as_str()]);
        if let Some(inlet) = self.inlet.to_text() {
            out.extend([";", &*inlet]);
        }
        out
    }

    /// Returns the text for Envoy's routes in the answer lane, where no other role reads a ticket.
    pub fn direct_route(&self) -> String {
        let mut out = String::with_capacity(64);
        out.extend(cluster_field(&self.direct_cluster()));
        out.extend(route_field(self.lane, &self.deadline_profile));
        out
    }

    /// Returns the cluster of an attempt in the answer lane.
    pub fn direct_cluster(&self) -> String {
        direct_cluster(&self.target.cluster)
    }

    /// Returns the beginning of every ticket for a cluster. Envoy's cluster specifier chooses the
    /// cluster by this prefix.
    pub fn cluster_prefix(cluster: &str) -> String {
        cluster_field(cluster).concat()
    }

    /// Returns the text that the tickets of a lane and a deadline profile contain. Envoy's routes
    /// choose their timeouts by this text.
    pub fn route_pattern(lane: Lane, deadline_profile: &str) -> String {
        [";", &route_field(lane, deadline_profile).concat()].concat()
    }

    /// Returns the ticket of the attempt after this one, which ended at `now`. `None` if no attempt
    /// may follow. The caller checks whether the account may ask the next model.
    pub fn after(
        &self,
        failover: Failover,
        attempt_log: AttemptLog,
        now: Timestamp,
    ) -> Option<Self> {
        let routes = self.rest.iter().map(|target| target.route);
        let next = failover.next_attempt(self.target.route, routes)?;
        let mut rest = self.rest.iter().skip(next).cloned();
        let target = rest.next()?;
        let is_retry = target.route == self.target.route;
        let is_same_model = target.model == self.target.model;
        Some(Self {
            target,
            rest: rest.collect(),
            due: is_retry.then(|| now.plus(BACK_OFF)),
            limit_status: self.limit_status.filter(|_| is_same_model),
            attempt_log,
            account: self.account.clone(),
            request_id: self.request_id.clone(),
            deadline_profile: self.deadline_profile.clone(),
            version: self.version.clone(),
            ..*self
        })
    }

    /// Returns `true` if the exchange has asked this model before, so that its account need not be
    /// admitted again. An attempt with status 429 does not count: the gateway may have refused it.
    pub fn is_admitted(&self) -> bool {
        let mut attempts = self.attempt_log.list();
        attempts.any(|(name, status, _)| split_name(name).0 == self.target.model && status != 429)
    }

    /// Returns a ticket that leads nowhere, for an exchange whose plan has ended. Envoy's router may
    /// still make an attempt with it.
    pub fn exhausted(&self, attempt_log: AttemptLog) -> Self {
        let target = AttemptTarget { cluster: EXHAUSTED_CLUSTER.to_owned(), ..self.target.clone() };
        Self { target, rest: Vec::new(), due: None, attempt_log, ..self.clone() }
    }

    /// Returns `true` if the ticket leads nowhere.
    pub fn is_exhausted(&self) -> bool {
        self.target.cluster == EXHAUSTED_CLUSTER
    }

    /// Returns the time that Envoy gives an attempt until its first content.
    pub fn first_content_timeout(&self) -> Duration {
        let millis = self.deadline_profile.split('-').next().and_then(|millis| millis.parse().ok());
        Duration::from_millis(millis.unwrap_or_default())
    }

    /// Returns a ticket with nothing in it but a request id.
    #[cfg(test)]
    pub fn for_test(request_id: &str) -> Self {
        Self::parse(&format!(";s;;{request_id};0;us;0:;;;;;")).unwrap()
    }
}

/// The first field of a ticket. Envoy's cluster specifier depends on the position.
fn cluster_field(cluster: &str) -> [&str; 2] {
    [cluster, ";"]
}

/// The field that Envoy's routes look for. Another field precedes it.
fn route_field(lane: Lane, deadline_profile: &str) -> [&str; 3] {
    let lane = match lane {
        Lane::Answer => "a",
        Lane::Stream => "s",
    };
    [lane, deadline_profile, ";"]
}

/// Reads the field that [`route_field`] wrote, without its separator.
fn parse_route_field(field: &str) -> Option<(Lane, String)> {
    let (lane, deadline_profile) = field.split_at_checked(1)?;
    let lane = match lane {
        "a" => Lane::Answer,
        "s" => Lane::Stream,
        _ => return None,
    };
    Some((lane, deadline_profile.to_owned()))
}

/// Reads milliseconds since the Unix epoch.
fn parse_moment(field: &str) -> Option<Timestamp> {
    field.parse().ok().map(|millis| Timestamp::from_epoch(Duration::from_millis(millis)))
}

fn parse_target(field: &str) -> Option<AttemptTarget> {
    let (route, rest) = field.split_once(':')?;
    let (model, cluster) = rest.split_once(':')?;
    let (model, cluster) = (model.to_owned(), cluster.to_owned());
    Some(AttemptTarget { route: parse_route(route)?, model, cluster })
}

/// Writes the number of a variant, and that of an endpoint behind a point unless the endpoint is the
/// first.
fn push_route(out: &mut String, AttemptRoute { variant, endpoint }: AttemptRoute) {
    out.push_str(&variant.to_text());
    if endpoint != EndpointIndex::FIRST {
        out.extend([".", &*endpoint.position().to_string()]);
    }
}

/// Reads the text that [`push_route`] wrote.
fn parse_route(text: &str) -> Option<AttemptRoute> {
    let (variant, endpoint) = text.split_once('.').unwrap_or((text, "0"));
    let endpoint = EndpointIndex::new(endpoint.parse().ok()?);
    Some(AttemptRoute { variant: RequestVariant::parse(variant)?, endpoint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::betas::Betas;

    const FALLBACK: RequestVariant = RequestVariant::fallback(0);

    fn target(variant: RequestVariant, cluster: &str) -> AttemptTarget {
        AttemptTarget {
            route: AttemptRoute { variant, endpoint: EndpointIndex::FIRST },
            model: format!("model-{}", variant.to_text()),
            cluster: cluster.to_owned(),
        }
    }

    fn sibling(cluster: &str, endpoint: usize) -> AttemptTarget {
        let endpoint = EndpointIndex::new(endpoint);
        let route = AttemptRoute { variant: RequestVariant::OWN, endpoint };
        AttemptTarget { route, ..target(RequestVariant::OWN, cluster) }
    }

    fn ticket() -> Ticket {
        Ticket {
            lane: Lane::Stream,
            deadline_profile: "2000-2500-9000".to_owned(),
            version: "c0ffee00".to_owned(),
            request_id: "id".to_owned(),
            started: at(3),
            gateway_region: Region::Eu,
            target: target(RequestVariant::OWN, "openai-us"),
            rest: vec![target(RequestVariant::OWN, "openai-us"), target(FALLBACK, "anthropic-us")],
            due: None,
            account: "acme".to_owned(),
            limit_status: LimitStatus::parse("30/29/60000"),
            attempt_log: AttemptLog::default(),
            inlet: Inlet::Chat,
        }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_epoch(Duration::from_millis(millis))
    }

    #[test]
    fn the_limit_of_a_model_stays_with_that_model() {
        let after = |failover| ticket().after(failover, AttemptLog::default(), at(9)).unwrap();
        let status = ticket().limit_status;
        assert!(status.is_some());
        assert_eq!(after(Failover::RetrySame).limit_status, status);
        assert_eq!(after(Failover::NextModel).limit_status, None);
        let mut same_model = ticket();
        let model = same_model.target.model.clone();
        same_model.rest = vec![AttemptTarget { model, ..target(FALLBACK, "openai-us") }];
        let next = same_model.after(Failover::NextModel, AttemptLog::default(), at(9)).unwrap();
        assert_eq!(next.limit_status, status);
    }

    #[test]
    fn a_ticket_that_leads_nowhere_is_followed_by_none() {
        let due = Ticket { due: Some(at(17)), ..ticket() };
        let exhausted = due.exhausted(AttemptLog::default());
        assert!(exhausted.is_exhausted());
        assert_eq!((exhausted.rest, exhausted.due), (Vec::new(), None));
    }

    #[test]
    fn what_is_written_is_read() {
        let made = AttemptLog::default().with_attempt("gpt-5", 503, Duration::from_millis(12));
        let late = Ticket { due: Some(at(17)), attempt_log: made, ..ticket() };
        let several = Ticket {
            target: sibling("openai-us-key2", 2),
            rest: vec![sibling("azure-us", 11), target(FALLBACK, "anthropic-us")],
            ..ticket()
        };
        let bare = Ticket { lane: Lane::Answer, rest: Vec::new(), limit_status: None, ..ticket() };
        let betas = Betas::parse("effort-2025-11-24,context-1m-2025-08-07");
        let asked = [
            Inlet::Messages(Betas::default()),
            Inlet::Messages(betas),
            Inlet::TokenCount(betas),
            Inlet::Responses,
        ];
        let of_inlets = asked.map(|inlet| Ticket { inlet, ..ticket() });
        for ticket in [ticket(), late, several, bare].into_iter().chain(of_inlets) {
            let text = ticket.to_text();
            assert_eq!(Ticket::parse(&text), Some(ticket), "{text}");
        }
        let good = "c;s0-0-0;v;id;5;eu;0:m;;;;;";
        assert!(Ticket::parse(good).is_some());
        for text in [
            "",
            "c",
            "c;x0-0-0;v;id;5;eu;0:m;;;;;",
            "c;s0-0-0;v;id;5;EU;0:m;;;;;",
            "c;s0-0-0;v;id;;eu;0:m;;;;;",
            "c;s0-0-0;v;id;5;0:m;;;;;",
            "c;s0-0-0;v;id;5;eu;;;;;;",
            "c;s0-0-0;v;id;5;eu;0;;;;;",
            "c;s0-0-0;v;id;5;eu;0.:m;;;;;",
            "c;s0-0-0;v;id;5;eu;0.x:m;;;;;",
            "c;s0-0-0;v;id;5;eu;0:m;x;;;;",
            "c;s0-0-0;v;id;5;eu;0:m;;",
            "c;s0-0-0;v;id;5;eu;0:m;;;;;;x",
        ] {
            assert_eq!(Ticket::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_retry_waits_and_a_move_does_not() {
        let made = || AttemptLog::default().with_attempt("gpt-5", 503, Duration::from_millis(7));
        let retry = ticket().after(Failover::RetrySame, made(), at(100)).unwrap();
        assert_eq!(
            (retry.target.route.variant, retry.due, retry.rest.len()),
            (RequestVariant::OWN, Some(at(600)), 1)
        );
        let moved = retry.after(Failover::RetrySame, made(), at(900)).unwrap();
        assert_eq!((moved.target.cluster.as_str(), moved.due), ("anthropic-us", None));
        assert_eq!(ticket().after(Failover::NextModel, made(), at(100)), Some(moved.clone()));
        for next in [Failover::RetrySame, Failover::NextModel, Failover::GiveUp] {
            assert_eq!(moved.after(next, made(), at(100)), None);
        }
    }

    #[test]
    fn another_endpoint_of_the_model_is_asked_at_once_and_needs_no_admission() {
        let made = || AttemptLog::default().with_attempt("model-0", 429, Duration::from_millis(7));
        let rest = vec![sibling("azure-us", 1), sibling("azure-us", 1), target(FALLBACK, "b-us")];
        let first = Ticket { rest, ..ticket() };
        for failover in [Failover::RetrySame, Failover::NextEndpoint] {
            let next = first.after(failover, made(), at(100)).unwrap();
            let found = (next.target.cluster.as_str(), next.due, next.rest.len());
            assert_eq!(found, ("azure-us", None, 2), "{failover:?}");
            assert_eq!(next.limit_status, first.limit_status, "{failover:?}");
            let retry = next.after(Failover::RetrySame, made(), at(200)).unwrap();
            assert_eq!((retry.target.cluster.as_str(), retry.due), ("azure-us", Some(at(700))));
            let moved = next.after(Failover::NextEndpoint, made(), at(200)).unwrap();
            assert_eq!((moved.target.cluster.as_str(), moved.due), ("b-us", None));
        }
        let refused = first.after(Failover::NextModel, made(), at(100)).unwrap();
        assert_eq!(refused.target.cluster, "b-us");
    }
}
