//! Windows under a played clock: how many are admitted, whoever comes when, in whatever order.

use std::{cell::RefCell, collections::BTreeMap, num::NonZeroU32, time::Duration};

use attache::{
    quota::{
        CasConflict, Counted, LimitStatus, SharedStore, Verdict, WINDOW, admit_request, charge,
        limit_status,
    },
    time::Timestamp,
};

use fastrand::Rng;
use testkit::play::Table;

/// A table in which others take between a look and the change that follows it, and others again
/// between theirs.
#[derive(Debug)]
struct Crowded<'t> {
    table: &'t Table,
    random: &'t RefCell<Rng>,
    /// Who came between, and when: as if they were other threads.
    others: &'t RefCell<Vec<(u64, Verdict)>>,
    now: u64,
    depth: usize,
}

impl Crowded<'_> {
    fn below(&self, end: usize) -> u64 {
        self.random.borrow_mut().usize(..end).try_into().unwrap()
    }
}

impl SharedStore for Crowded<'_> {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.table.get(key)
    }

    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), CasConflict> {
        while self.depth < 4 && self.below(3) == 0 {
            // Each thread has read the clock at a moment of its own.
            let now = self.now + self.below(20);
            let other = Crowded { now, depth: self.depth + 1, ..*self };
            let verdict = admit_request(&other, key, LIMIT, at(now));
            self.others.borrow_mut().push((now, verdict));
        }
        self.table.set(key, value, version)
    }
}

const LIMIT: NonZeroU32 = NonZeroU32::new(7).unwrap();

fn at(millis: u64) -> Timestamp {
    Timestamp::from_epoch(Duration::from_millis(millis))
}

fn admitted(remaining: u32, until: u64) -> Verdict {
    Verdict::Admit(LimitStatus { limit: LIMIT, remaining, until: at(until) })
}

fn refused(until: u64) -> Verdict {
    let status = LimitStatus { limit: LIMIT, remaining: 0, until: at(until) };
    Verdict::Refuse { status, exceeded: Counted::Requests }
}

#[test]
fn a_window_opens_with_its_first_request_and_ends_a_minute_later() {
    let table = Table::default();
    let ask = |now| admit_request(&table, "k", LIMIT, at(now));
    assert_eq!(ask(1_000_500), admitted(6, 1_060_500));
    for count in 1..7 {
        assert_eq!(ask(1_030_500), admitted(6 - count, 1_060_500));
    }
    assert_eq!(ask(1_030_500), refused(1_060_500));
    assert_eq!(ask(1_060_499), refused(1_060_500));
    assert_eq!(ask(1_060_500), admitted(6, 1_120_500));
    assert_eq!(ask(1_150_000), admitted(6, 1_210_000));
    assert_eq!(admit_request(&table, "another", LIMIT, at(1_150_000)), admitted(6, 1_210_000));
}

#[test]
fn what_is_refused_costs_nothing_and_changes_nothing() {
    let table = Table::default();
    for _ in 0..7 {
        admit_request(&table, "k", LIMIT, at(1_000));
    }
    let before = table.get("k");
    for _ in 0..100 {
        assert_eq!(admit_request(&table, "k", LIMIT, at(2_000)), refused(61_000));
        assert_eq!(limit_status(&table, "k", LIMIT, at(2_000)).remaining, 0);
    }
    assert_eq!(table.get("k"), before);
}

#[test]
fn a_limit_that_changes_counts_what_was_admitted_under_the_old_one() {
    let table = Table::default();
    let limit = |limit| NonZeroU32::new(limit).unwrap();
    let ask = |most| match admit_request(&table, "k", limit(most), at(1_000)) {
        Verdict::Admit(status) => Some(status.remaining),
        _ => None,
    };
    let asked = [5, 5, 5, 2, 3, 4, 4, 9].map(ask);
    assert_eq!(asked, [Some(4), Some(3), Some(2), None, None, Some(0), None, Some(4)]);
    let most = limit(u32::MAX);
    charge(&table, "full", u32::MAX - 1, at(1_000));
    assert!(matches!(admit_request(&table, "full", most, at(1_000)), Verdict::Admit(_)));
    assert!(matches!(admit_request(&table, "full", most, at(1_000)), Verdict::Refuse { .. }));
}

#[test]
fn garbage_in_the_store_is_a_fresh_window() {
    let old = at(1_000).as_millis().to_be_bytes();
    let cases: [&[u8]; 6] = [b"", b"x", &[0; 11], &[0xff; 12], &[0; 13], &old];
    for garbage in cases {
        let table = Table::default();
        table.set("k", garbage, None).unwrap();
        assert_eq!(
            admit_request(&table, "k", LIMIT, at(90_000)),
            admitted(6, 150_000),
            "{garbage:?}"
        );
        assert_eq!(
            admit_request(&table, "k", LIMIT, at(90_000)),
            admitted(5, 150_000),
            "{garbage:?}"
        );
    }
}

#[test]
fn a_clock_that_goes_back_neither_refuses_for_long_nor_admits_twice() {
    let hour = 3_600_000;
    let fill = |table: &Table, now| {
        (0..7).for_each(|_| {
            assert!(matches!(admit_request(table, "k", LIMIT, at(now)), Verdict::Admit(_)));
        });
    };
    // By less than a window: the one under way still counts.
    let table = Table::default();
    fill(&table, hour);
    assert_eq!(admit_request(&table, "k", LIMIT, at(hour - 59_999)), refused(hour + 60_000));
    assert_eq!(admit_request(&table, "k", LIMIT, at(hour + 59_999)), refused(hour + 60_000));
    // By more: it lies where the clock will not be for long, and is forgotten.
    let table = Table::default();
    fill(&table, hour);
    fill(&table, hour - 60_000);
    assert_eq!(admit_request(&table, "k", LIMIT, at(hour - 60_000)), refused(hour));
    fill(&table, 0);
}

#[test]
fn tokens_are_counted_afterwards_and_may_overdraw() {
    let table = Table::default();
    let left = |now| limit_status(&table, "k", LIMIT, at(now)).remaining;
    assert_eq!((left(1_000), table.get("k")), (7, None));
    charge(&table, "k", 5, at(1_000));
    assert_eq!(left(1_500), 2);
    charge(&table, "k", 5, at(2_000));
    assert_eq!((left(2_000), left(60_999), left(61_000)), (0, 0, 7));
    charge(&table, "k", u32::MAX, at(61_500));
    charge(&table, "k", u32::MAX, at(61_500));
    assert_eq!((left(61_500), left(121_500)), (0, 7));
}

/// Checks takes of one key against what may be said of all of them: each window of a minute has as
/// many numbers as were admitted, no number twice, none missing, and refuses only when full.
fn check(takes: &[(u64, Verdict)]) {
    let mut windows: BTreeMap<Duration, Vec<u32>> = BTreeMap::new();
    let until = |status: &LimitStatus| status.until.since(Timestamp::default());
    for (_, verdict) in takes {
        if let Verdict::Admit(status) = verdict {
            windows.entry(until(status)).or_default().push(status.remaining);
        }
    }
    for (ends, remaining) in &mut windows {
        remaining.sort_unstable();
        let all = LIMIT.get() - u32::try_from(remaining.len()).unwrap();
        assert!(remaining.iter().copied().eq(all..LIMIT.get()), "{ends:?}: {remaining:?}");
    }
    for (now, verdict) in takes {
        if let Verdict::Refuse { status, .. } = verdict {
            let admitted = windows.get(&until(status)).map(Vec::len);
            assert_eq!(admitted, Some(7), "refused at {now}: {windows:?}");
        }
    }
    let ends: Vec<&Duration> = windows.keys().collect();
    assert!(ends.windows(2).all(|pair| *pair[1] - *pair[0] >= WINDOW), "{ends:?}");
}

#[test]
fn no_window_ever_admits_more_or_less_than_it_should() {
    for seed in 0..300 {
        let (table, random) = (Table::default(), RefCell::new(Rng::with_seed(seed)));
        let others = RefCell::default();
        let (mut now, mut takes) = (1_000_000, Vec::new());
        for _ in 0..200 {
            let wait =
                *random.borrow_mut().choice(&[0, 0, 1, 50, 3_000, 30_000, 59_980, 61_000]).unwrap();
            now += wait + u64::try_from(random.borrow_mut().usize(..20)).unwrap();
            let crowd = Crowded { table: &table, random: &random, others: &others, now, depth: 0 };
            takes.push((now, admit_request(&crowd, "k", LIMIT, at(now))));
            takes.append(&mut others.borrow_mut());
        }
        check(&takes);
    }
}

/// A table that real threads share.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Default)]
pub struct SharedTable(std::sync::Mutex<BTreeMap<String, (Vec<u8>, u32)>>);

#[cfg(not(target_family = "wasm"))]
impl SharedStore for SharedTable {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.lock().unwrap().get(key).cloned()
    }

    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), CasConflict> {
        let mut values = self.0.lock().unwrap();
        let known = values.get(key).map(|(_, version)| *version);
        if known != version {
            return Err(CasConflict);
        }
        values.insert(key.to_owned(), (value.to_vec(), known.unwrap_or_default() + 1));
        Ok(())
    }
}

/// The same with real threads, and nothing played but the clock.
#[test]
#[cfg(not(target_family = "wasm"))]
fn threads_together_are_admitted_exactly_as_often_as_one() {
    use std::sync::Arc;

    let limit = NonZeroU32::new(1_000).unwrap();
    for window in 0..20 {
        let shared = Arc::new(SharedTable::default());
        let ask = |_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                let mut remaining = Vec::new();
                for _ in 0..500 {
                    let verdict = admit_request(&*shared, "k", limit, at(window * 60_000));
                    remaining.extend(match verdict {
                        Verdict::Admit(status) => Some(status.remaining),
                        _ => None,
                    });
                }
                remaining
            })
        };
        let threads: Vec<_> = (0..4).map(ask).collect();
        let mut remaining: Vec<u32> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        remaining.sort_unstable();
        assert!(remaining.into_iter().eq(0..1_000), "window {window}");
    }
}
