//! `attache drain`: ends the work of an Envoy before its process is ended. Envoy itself ends at once
//! when it gets a signal.

use std::{thread, time::Duration};

use ureq::Agent;

/// Envoy's administration interface.
pub(crate) trait Admin {
    /// Sends a command.
    fn command(&self, path: &str) -> Result<(), String>;

    /// Returns a page.
    fn page(&self, path: &str) -> Result<String, String>;
}

/// Administration interface at an address.
pub(crate) struct AdminAddress(pub(crate) String);

/// Limits on the time of a drain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainTimes {
    /// Time in which load balancers learn that the Envoy takes no new requests.
    pub(crate) at_least: Duration,
    /// Time after which requests in progress are given up.
    pub(crate) at_most: Duration,
}

/// Commands that make an Envoy fail its health check and ask clients to close their connections.
const COMMANDS: [&str; 2] = ["/healthcheck/fail", "/drain_listeners?graceful"];

/// Page with the number of requests in progress, per listener.
const ACTIVE: &str = "/stats?filter=downstream_rq_active$";

/// Prefix of the administration interface's own requests on that page.
const OWN: &str = "http.admin.";

/// Time between two looks at the requests in progress.
const POLL: Duration = Duration::from_millis(250);

/// Deadline of a request to the administration interface.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Drains an Envoy, and returns once no request is in progress. Fails if one still is when the time is
/// up.
pub(crate) fn drain(
    admin: &impl Admin,
    times: DrainTimes,
    mut wait: impl FnMut(Duration),
) -> Result<(), String> {
    COMMANDS.iter().try_for_each(|command| admin.command(command))?;
    let mut waited = Duration::ZERO;
    loop {
        let active = active_requests(&admin.page(ACTIVE)?);
        if active == 0 && waited >= times.at_least {
            return Ok(());
        }
        if waited >= times.at_most {
            return Err(format!("{active} requests are still in progress"));
        }
        wait(POLL);
        waited += POLL;
    }
}

/// Waits on the clock.
pub(crate) fn wait(span: Duration) {
    thread::sleep(span);
}

/// Returns the number of clients' requests in progress.
fn active_requests(page: &str) -> u64 {
    let counts = page.lines().filter(|line| !line.starts_with(OWN));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

impl AdminAddress {
    fn url(&self, path: &str) -> String {
        ["http://", &self.0, path].concat()
    }

    fn problem(&self, error: &ureq::Error) -> String {
        format!("{}: {error}", self.0)
    }
}

impl Admin for AdminAddress {
    fn command(&self, path: &str) -> Result<(), String> {
        let sent = agent().post(&self.url(path)).send_empty();
        sent.map(drop).map_err(|error| self.problem(&error))
    }

    fn page(&self, path: &str) -> Result<String, String> {
        let answer = agent().get(&self.url(path)).call();
        let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
        text.map_err(|error| self.problem(&error))
    }
}

fn agent() -> Agent {
    Agent::config_builder().timeout_global(Some(TIMEOUT)).proxy(None).build().into()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Interface that has had commands, and has a page for each look.
    struct Played {
        commands: RefCell<Vec<String>>,
        pages: RefCell<Vec<&'static str>>,
    }

    impl Played {
        fn new(pages: &[&'static str]) -> Self {
            let pages = pages.iter().rev().copied().collect();
            Self { commands: RefCell::default(), pages: RefCell::new(pages) }
        }
    }

    impl Admin for Played {
        fn command(&self, path: &str) -> Result<(), String> {
            self.commands.borrow_mut().push(path.to_owned());
            Ok(())
        }

        fn page(&self, _path: &str) -> Result<String, String> {
            self.pages.borrow_mut().pop().map(str::to_owned).ok_or("no more pages".to_owned())
        }
    }

    const IDLE: &str =
        "http.admin.downstream_rq_active: 1\nhttp.gateway-us.downstream_rq_active: 0\n";
    const BUSY: &str =
        "http.gateway-eu.downstream_rq_active: 2\nhttp.gateway-us.downstream_rq_active: 1\n";

    /// Drains an Envoy with these pages: the result, and the time it took.
    fn play(pages: &[&'static str], least: u64, most: u64) -> (Result<(), String>, Duration) {
        let (admin, mut waited) = (Played::new(pages), Duration::ZERO);
        let times = DrainTimes {
            at_least: Duration::from_millis(least),
            at_most: Duration::from_millis(most),
        };
        let result = drain(&admin, times, |span| waited += span);
        assert_eq!(*admin.commands.borrow(), COMMANDS);
        (result, waited)
    }

    #[test]
    fn a_drain_waits_for_load_balancers_and_for_requests() {
        assert_eq!(play(&[IDLE], 0, 1_000), (Ok(()), Duration::ZERO));
        assert_eq!(play(&[IDLE; 3], 500, 1_000), (Ok(()), POLL * 2));
        assert_eq!(play(&[BUSY, BUSY, BUSY, IDLE], 250, 1_000), (Ok(()), POLL * 3));
    }

    #[test]
    fn a_drain_gives_up_in_time() {
        let left = Err("3 requests are still in progress".to_owned());
        assert_eq!(play(&[BUSY; 5], 0, 1_000), (left, POLL * 4));
        assert_eq!(play(&[], 0, 1_000), (Err("no more pages".to_owned()), Duration::ZERO));
    }
}
