//! What one attempt is told about the exchange it belongs to, and what it leaves to the next.
//!
//! A ticket travels as text: from the gateway role to the provider role, and from one attempt of a
//! stream to the next. Clients can neither see nor write one.

use std::{borrow::Cow, time::Duration};

use crate::{
    chat::attempt_log::AttemptLog,
    failover::{BACK_OFF, Failover, skip},
    quota::LimitStatus,
    region::Region,
    time::Timestamp,
};

/// The cluster of an attempt that is not to be made: nobody listens there. Envoy's router would go
/// on with the last cluster if a ticket named none.
pub const EXHAUSTED_CLUSTER: &str = "nobody";

/// Who makes the attempts after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The gateway role: the answer comes in one piece.
    Answer,
    /// Envoy's router: tokens go on to the client as they come.
    Stream,
}

/// One attempt of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptTarget {
    /// Which request is made: 0 is the client's own, then its fallbacks in order.
    pub variant: usize,
    /// The model that is asked, as the operator spells it.
    pub model: String,
    /// Envoy's cluster for it.
    pub cluster: String,
}

/// What an attempt is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Who makes the next attempt.
    pub lane: Lane,
    /// Which deadlines hold. See `Deadlines::class`.
    pub deadline_profile: String,
    /// Which file the exchange was planned by. See `Config::version`.
    pub version: String,
    /// The exchange's id.
    pub request_id: String,
    /// When the client's request was complete.
    pub started: Timestamp,
    /// Where the gateway stands that was asked: how far the data may go.
    pub gateway_region: Region,
    /// This attempt.
    pub target: AttemptTarget,
    /// Those that may follow, in order. None in the answer lane: the gateway role has them.
    pub rest: Vec<AttemptTarget>,
    /// When it may begin, if not at once.
    pub due: Option<Timestamp>,
    /// Who asks.
    pub account: String,
    /// Where the account stands with the model, if it has a limit.
    pub limit_status: Option<LimitStatus>,
    /// Attempts that came to an end.
    pub attempt_log: AttemptLog,
}

impl Ticket {
    /// Reads what [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(';');
        let cluster = fields.next()?.to_owned();
        let (lane, class) = parse_lane(fields.next()?)?;
        let version = fields.next()?.to_owned();
        let request_id = fields.next()?.to_owned();
        let started = parse_moment(fields.next()?)?;
        let home = Region::parse(fields.next()?)?;
        let (entry, model) = fields.next()?.split_once(':')?;
        let leg = AttemptTarget { variant: entry.parse().ok()?, model: model.to_owned(), cluster };
        let rest = fields.next()?.split(',').filter(|leg| !leg.is_empty()).map(parse_target);
        let rest = rest.collect::<Option<_>>()?;
        let due = parse_moment(fields.next()?);
        let account = fields.next()?.to_owned();
        let standing = LimitStatus::parse(fields.next()?);
        let made = AttemptLog::parse(fields.next()?.to_owned());
        Some(Self {
            lane,
            deadline_profile: class,
            version,
            request_id,
            started,
            gateway_region: home,
            target: leg,
            rest,
            due,
            account,
            limit_status: standing,
            attempt_log: made,
        })
    }

    /// The ticket as it travels. Every request pays for it, and with `write!` four times as much.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(192);
        let AttemptTarget { variant: entry, model, cluster } = &self.target;
        let (id, started) = (&*self.request_id, self.started.as_millis().to_string());
        let (home, entry) = (self.gateway_region.name(), digits(*entry));
        out.extend(cluster_field(cluster));
        out.extend(route_field(self.lane, &self.deadline_profile));
        out.extend([&*self.version, ";", id, ";", &started, ";", home]);
        out.extend([";", &*entry, ":", model, ";"]);
        for AttemptTarget { variant: entry, model, cluster } in &self.rest {
            out.extend([&*digits(*entry), ":", model, ":", cluster, ","]);
        }
        out.push(';');
        out.extend(self.due.map(|due| due.as_millis().to_string()));
        out.extend([";", &self.account, ";"]);
        out.extend(self.limit_status.map(|standing| standing.to_string()));
        out.extend([";", self.attempt_log.as_str()]);
        out
    }

    /// Returns the beginning of every ticket for a cluster. Envoy's cluster specifier chooses the
    /// cluster by this prefix.
    pub fn cluster_prefix(cluster: &str) -> String {
        cluster_field(cluster).concat()
    }

    /// Returns a text that the tickets of a lane and a deadline profile contain. No other route has the same text.
    /// Envoy's routes choose their timeouts by this text.
    pub fn route_pattern(lane: Lane, deadline_profile: &str) -> String {
        [";", &route_field(lane, deadline_profile).concat()].concat()
    }

    /// The ticket of a request of which nothing but its own attempt is known.
    #[cfg(test)]
    pub fn for_test(request_id: &str) -> Self {
        let leg = AttemptTarget { variant: 0, model: String::new(), cluster: String::new() };
        let (lane, made, rest) = (Lane::Stream, AttemptLog::default(), Vec::new());
        let (request_id, account) = (request_id.to_owned(), String::new());
        let (home, started, due, standing) = (Region::Us, Timestamp::default(), None, None);
        let (class, version) = (String::new(), String::new());
        Self {
            lane,
            deadline_profile: class,
            version,
            request_id,
            started,
            gateway_region: home,
            target: leg,
            rest,
            due,
            account,
            limit_status: standing,
            attempt_log: made,
        }
    }

    /// The ticket of the attempt after this one, which ended at `now`; `None` if there is none. That
    /// the account may ask another model is not said with it.
    pub fn after(&self, next: Failover, made: AttemptLog, now: Timestamp) -> Option<Self> {
        let skip = skip(next, self.target.variant, self.rest.iter().map(|leg| leg.variant))?;
        let mut rest = self.rest.iter().skip(skip).cloned();
        let leg = rest.next()?;
        let is_retry = leg.variant == self.target.variant;
        let due = is_retry.then(|| now.plus(BACK_OFF));
        let standing = self.limit_status.filter(|_| is_retry);
        let (rest, account) = (rest.collect(), self.account.clone());
        let request_id = self.request_id.clone();
        let (class, version) = (self.deadline_profile.clone(), self.version.clone());
        Some(Self {
            target: leg,
            rest,
            due,
            account,
            limit_status: standing,
            attempt_log: made,
            request_id,
            deadline_profile: class,
            version,
            ..*self
        })
    }

    /// Whether its model was asked before in this exchange. One that was refused may have been by the
    /// gateway itself.
    pub fn is_admitted(&self) -> bool {
        self.attempt_log
            .list()
            .any(|(model, status, _)| model == self.target.model && status != 429)
    }

    /// A ticket that leads nowhere: the plan is over, whatever Envoy's router may still try.
    pub fn exhausted(&self, made: AttemptLog) -> Self {
        let leg = AttemptTarget { cluster: EXHAUSTED_CLUSTER.to_owned(), ..self.target.clone() };
        Self { target: leg, rest: Vec::new(), due: None, attempt_log: made, ..self.clone() }
    }

    /// How long Envoy waits for the first content: the beginning of the class.
    pub fn first_content_timeout(&self) -> Duration {
        let millis = self.deadline_profile.split('-').next().and_then(|millis| millis.parse().ok());
        Duration::from_millis(millis.unwrap_or_default())
    }

    /// Whether it leads nowhere.
    pub fn is_exhausted(&self) -> bool {
        self.target.cluster == EXHAUSTED_CLUSTER
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

/// The number of an entry, which is nearly always 0.
fn digits(number: usize) -> Cow<'static, str> {
    if number == 0 { Cow::Borrowed("0") } else { Cow::Owned(number.to_string()) }
}

fn parse_lane(field: &str) -> Option<(Lane, String)> {
    let (lane, class) = field.split_at_checked(1)?;
    let lane = match lane {
        "a" => Lane::Answer,
        "s" => Lane::Stream,
        _ => return None,
    };
    Some((lane, class.to_owned()))
}

/// A moment in milliseconds since the Unix epoch.
fn parse_moment(field: &str) -> Option<Timestamp> {
    field.parse().ok().map(|millis| Timestamp::from_epoch(Duration::from_millis(millis)))
}

fn parse_target(field: &str) -> Option<AttemptTarget> {
    let (entry, rest) = field.split_once(':')?;
    let (model, cluster) = rest.split_once(':')?;
    let (model, cluster) = (model.to_owned(), cluster.to_owned());
    Some(AttemptTarget { variant: entry.parse().ok()?, model, cluster })
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn target(entry: usize, cluster: &str) -> AttemptTarget {
        AttemptTarget {
            variant: entry,
            model: format!("model-{entry}"),
            cluster: cluster.to_owned(),
        }
    }

    fn ticket() -> Ticket {
        Ticket {
            lane: Lane::Stream,
            deadline_profile: "2000-2500-9000".to_owned(),
            version: "c0ffee00".to_owned(),
            request_id: "id".to_owned(),
            started: at(3),
            gateway_region: Region::Eu,
            target: target(0, "openai-us"),
            rest: vec![target(0, "openai-us"), target(1, "anthropic-us")],
            due: None,
            account: "acme".to_owned(),
            limit_status: LimitStatus::parse("30/29/60000"),
            attempt_log: AttemptLog::default(),
        }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_epoch(Duration::from_millis(millis))
    }

    #[test]
    fn what_is_written_is_read() {
        let made = AttemptLog::default().with_attempt("gpt-5", 503, Duration::from_millis(12));
        let late = Ticket { due: Some(at(17)), attempt_log: made, ..ticket() };
        let bare = Ticket { lane: Lane::Answer, rest: Vec::new(), limit_status: None, ..ticket() };
        for ticket in [ticket(), late, bare] {
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
            "c;s0-0-0;v;id;5;eu;0:m;x;;;;",
            "c;s0-0-0;v;id;5;eu;0:m;;",
        ] {
            assert_eq!(Ticket::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_retry_waits_and_a_move_does_not() {
        let made = || AttemptLog::default().with_attempt("gpt-5", 503, Duration::from_millis(7));
        let retry = ticket().after(Failover::RetrySame, made(), at(100)).unwrap();
        assert_eq!((retry.target.variant, retry.due, retry.rest.len()), (0, Some(at(600)), 1));
        let moved = retry.after(Failover::RetrySame, made(), at(900)).unwrap();
        assert_eq!((moved.target.cluster.as_str(), moved.due), ("anthropic-us", None));
        assert_eq!(ticket().after(Failover::NextModel, made(), at(100)), Some(moved.clone()));
        for next in [Failover::RetrySame, Failover::NextModel, Failover::GiveUp] {
            assert_eq!(moved.after(next, made(), at(100)), None);
        }
    }
}
