//! What one attempt is told about the exchange it belongs to, and what it leaves to the next.
//!
//! A ticket travels as text: from the gateway role to the provider role, and from one attempt of a
//! stream to the next. Clients can neither see nor write one.

use std::{borrow::Cow, time::Duration};

use crate::{
    chat::attempt_log::Made,
    failover::{BACK_OFF, Next, skip},
    quota::Standing,
    region::Region,
    time::Timestamp,
};

/// The cluster of an attempt that is not to be made: nobody listens there. Envoy's router would go
/// on with the last cluster if a ticket named none.
pub const NOBODY: &str = "nobody";

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
pub struct Leg {
    /// Which request is made: 0 is the client's own, then its fallbacks in order.
    pub entry: usize,
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
    pub class: String,
    /// Which file the exchange was planned by. See `Config::version`.
    pub version: String,
    /// The exchange's id.
    pub request_id: String,
    /// When the client's request was complete.
    pub started: Timestamp,
    /// Where the gateway stands that was asked: how far the data may go.
    pub home: Region,
    /// This attempt.
    pub leg: Leg,
    /// Those that may follow, in order. None in the answer lane: the gateway role has them.
    pub rest: Vec<Leg>,
    /// When it may begin, if not at once.
    pub due: Option<Timestamp>,
    /// Who asks.
    pub account: String,
    /// Where the account stands with the model, if it has a limit.
    pub standing: Option<Standing>,
    /// Attempts that came to an end.
    pub made: Made,
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
        let leg = Leg { entry: entry.parse().ok()?, model: model.to_owned(), cluster };
        let rest = fields.next()?.split(',').filter(|leg| !leg.is_empty()).map(parse_leg);
        let rest = rest.collect::<Option<_>>()?;
        let due = parse_moment(fields.next()?);
        let account = fields.next()?.to_owned();
        let standing = Standing::parse(fields.next()?);
        let made = Made::parse(fields.next()?.to_owned());
        Some(Self {
            lane,
            class,
            version,
            request_id,
            started,
            home,
            leg,
            rest,
            due,
            account,
            standing,
            made,
        })
    }

    /// The ticket as it travels. Every request pays for it, and with `write!` four times as much.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(192);
        let lane = match self.lane {
            Lane::Answer => "a",
            Lane::Stream => "s",
        };
        let Leg { entry, model, cluster } = &self.leg;
        let (class, version) = (self.class.as_str(), self.version.as_str());
        let (id, started) = (&*self.request_id, self.started.as_millis().to_string());
        let (home, entry) = (self.home.name(), digits(*entry));
        out.extend([cluster, ";", lane, class, ";", version, ";", id, ";", &started, ";", home]);
        out.extend([";", &*entry, ":", model, ";"]);
        for Leg { entry, model, cluster } in &self.rest {
            out.extend([&*digits(*entry), ":", model, ":", cluster, ","]);
        }
        out.push(';');
        out.extend(self.due.map(|due| due.as_millis().to_string()));
        out.extend([";", &self.account, ";"]);
        out.extend(self.standing.map(|standing| standing.to_string()));
        out.extend([";", self.made.as_str()]);
        out
    }

    /// The ticket of a request of which nothing but its own attempt is known.
    #[cfg(test)]
    pub fn alone(request_id: &str) -> Self {
        let leg = Leg { entry: 0, model: String::new(), cluster: String::new() };
        let (lane, made, rest) = (Lane::Stream, Made::default(), Vec::new());
        let (request_id, account) = (request_id.to_owned(), String::new());
        let (home, started, due, standing) = (Region::Us, Timestamp::default(), None, None);
        let (class, version) = (String::new(), String::new());
        Self {
            lane,
            class,
            version,
            request_id,
            started,
            home,
            leg,
            rest,
            due,
            account,
            standing,
            made,
        }
    }

    /// The ticket of the attempt after this one, which ended at `now`; `None` if there is none. That
    /// the account may ask another model is not said with it.
    pub fn after(&self, next: Next, made: Made, now: Timestamp) -> Option<Self> {
        let skip = skip(next, self.leg.entry, self.rest.iter().map(|leg| leg.entry))?;
        let mut rest = self.rest.iter().skip(skip).cloned();
        let leg = rest.next()?;
        let is_retry = leg.entry == self.leg.entry;
        let due = is_retry.then(|| now.plus(BACK_OFF));
        let standing = self.standing.filter(|_| is_retry);
        let (rest, account) = (rest.collect(), self.account.clone());
        let request_id = self.request_id.clone();
        let (class, version) = (self.class.clone(), self.version.clone());
        Some(Self { leg, rest, due, account, standing, made, request_id, class, version, ..*self })
    }

    /// Whether its model was asked before in this exchange. One that was refused may have been by the
    /// gateway itself.
    pub fn has_counted(&self) -> bool {
        self.made.list().any(|(model, status, _)| model == self.leg.model && status != 429)
    }

    /// A ticket that leads nowhere: the plan is over, whatever Envoy's router may still try.
    pub fn none(&self, made: Made) -> Self {
        let leg = Leg { cluster: NOBODY.to_owned(), ..self.leg.clone() };
        Self { leg, rest: Vec::new(), due: None, made, ..self.clone() }
    }

    /// How long Envoy waits for the first content: the beginning of the class.
    pub fn patience(&self) -> Duration {
        let millis = self.class.split('-').next().and_then(|millis| millis.parse().ok());
        Duration::from_millis(millis.unwrap_or_default())
    }

    /// Whether it leads nowhere.
    pub fn is_none(&self) -> bool {
        self.leg.cluster == NOBODY
    }
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

fn parse_leg(field: &str) -> Option<Leg> {
    let (entry, rest) = field.split_once(':')?;
    let (model, cluster) = rest.split_once(':')?;
    let (model, cluster) = (model.to_owned(), cluster.to_owned());
    Some(Leg { entry: entry.parse().ok()?, model, cluster })
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn leg(entry: usize, cluster: &str) -> Leg {
        Leg { entry, model: format!("model-{entry}"), cluster: cluster.to_owned() }
    }

    fn ticket() -> Ticket {
        Ticket {
            lane: Lane::Stream,
            class: "2000-2500-9000".to_owned(),
            version: "c0ffee00".to_owned(),
            request_id: "id".to_owned(),
            started: at(3),
            home: Region::Eu,
            leg: leg(0, "openai-us"),
            rest: vec![leg(0, "openai-us"), leg(1, "anthropic-us")],
            due: None,
            account: "acme".to_owned(),
            standing: Standing::parse("30/29/60000"),
            made: Made::default(),
        }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_epoch(Duration::from_millis(millis))
    }

    #[test]
    fn what_is_written_is_read() {
        let made = Made::default().and("gpt-5", 503, Duration::from_millis(12));
        let late = Ticket { due: Some(at(17)), made, ..ticket() };
        let bare = Ticket { lane: Lane::Answer, rest: Vec::new(), standing: None, ..ticket() };
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
        let made = || Made::default().and("gpt-5", 503, Duration::from_millis(7));
        let retry = ticket().after(Next::Retry, made(), at(100)).unwrap();
        assert_eq!((retry.leg.entry, retry.due, retry.rest.len()), (0, Some(at(600)), 1));
        let moved = retry.after(Next::Retry, made(), at(900)).unwrap();
        assert_eq!((moved.leg.cluster.as_str(), moved.due), ("anthropic-us", None));
        assert_eq!(ticket().after(Next::Move, made(), at(100)), Some(moved.clone()));
        for next in [Next::Retry, Next::Move, Next::Stop] {
            assert_eq!(moved.after(next, made(), at(100)), None);
        }
    }
}
