//! The proxy's core in simulated time, on a simulated network, under faults that follow from a seed.
//!
//! ```text
//! clients ─ turmoil's TCP ─ server::serve ─ Proxy::answer ─ Upstreams ─ turmoil's TCP ─ upstreams
//! ```
//!
//! A seed decides what clients ask and how badly they behave, what upstreams do, what the network loses or holds
//! back, when the configuration is edited, when the clock jumps and when the gateway is stopped. Whatever that comes
//! to, each request has one outcome and one record, nobody gets a byte of another's reply, nothing is in flight in the
//! end, and the same seed comes to the same once more.
//!
//! `SEEDS` says how many seeds are run; `SEED` runs one alone.
//!
//! Not simulated: reqwest (each request has a connection of its own here), TLS, HTTP/2, the reading of files that were
//! edited, the model (every question is judged beforehand, so that its verdicts are in the cache), and rates, which
//! keep real time and refill too slowly to matter.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on fails its test"
)]

mod check;
mod client;
mod gateway;
#[expect(
    dead_code,
    reason = "what the tests of the running gateway need besides"
)]
#[path = "../it/kit/intents.rs"]
mod intents;
mod judging;
mod network;
mod plan;
mod record;
mod upstream;
mod wire;

use std::cell::RefCell;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use intentgate::config::Limits;
use intentgate::metrics::Metrics;
use intentgate::server::{self, Door, Tasks};
use intentgate::upstream::demo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use client::Outcome;
use gateway::{Parts, Progress};
use judging::Judging;
use plan::{Fault, Link, Plan};
use record::{Record, Records};

/// Seeds that are run where `SEEDS` says nothing.
const SEEDS: u64 = 200;
/// After so many that fail no more are run.
const SHOWN: usize = 5;
/// Longer than anything may take, in simulated time.
const NEVER: Duration = Duration::from_secs(600);
/// The steps in which the network's time goes; timers are finer.
const TICK: Duration = Duration::from_millis(10);

#[test]
fn whatever_happens_each_request_has_one_outcome_and_one_record() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS),
    };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(begin_counting());
    let judging = Rc::new(runtime.block_on(Judging::fitted()));
    let mut failed = Vec::new();
    for seed in seeds {
        if failed.len() == SHOWN {
            break;
        }
        let twice = catch_unwind(AssertUnwindSafe(|| twice(seed, &judging)));
        let why = match twice {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => why,
            Err(panic) => match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(_) => "a panic".to_owned(),
            },
        };
        failed.push(format!(
            "seed {seed}: {why}\nalone: SEED={seed} cargo test --test simulate\n"
        ));
    }
    assert!(
        failed.is_empty(),
        "{} seeds failed, or more\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// The server counts its moments from the first that there was. Were that one of a simulation's, whose clock is ahead
/// of real time, it would be later than the begin of the next, so it is a real one.
async fn begin_counting() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tasks, door) = (Tasks::default(), Door::plain(listener, &Limits::default()));
    tasks.spawn("first", server::serve(door, tasks.clone(), demo::answer));
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    client.write_all(request).await.unwrap();
    client.read_to_end(&mut Vec::new()).await.unwrap();
    tasks.cut().await;
}

/// What a seed comes to.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    outcomes: Vec<Outcome>,
    records: Vec<Record>,
}

fn twice(seed: u64, judging: &Rc<Judging>) -> check::Checked {
    let (first, second) = (once(seed, judging)?, once(seed, judging)?);
    if first == second {
        return Ok(());
    }
    let both = first.outcomes.iter().zip(&second.outcomes);
    let differs: Vec<_> = both.filter(|(first, second)| first != second).collect();
    Err(format!("two runs of it differ: {differs:#?}"))
}

fn once(seed: u64, judging: &Rc<Judging>) -> Result<Trace, String> {
    let plan = Rc::new(Plan::of(seed));
    // The share of rejections that passes is drawn in the proxy.
    fastrand::seed(seed);
    let (metrics, records) = (Metrics::new().unwrap(), Records::default());
    let outcomes = Rc::new(RefCell::new(Vec::new()));
    let received = Rc::new(RefCell::new(Vec::new()));
    let folder = plan.journal.then(|| tempfile::tempdir().unwrap());
    let path = folder.as_ref().map(|folder| folder.path());

    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .simulation_duration(NEVER)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(120));
    let mut sim = builder.build();
    for which in 0..2 {
        let (log, keyed) = (received.clone(), plan.is_keyed());
        let host = move || upstream::run(seed, which, keyed, log.clone());
        sim.host(format!("upstream-{which}"), host);
    }
    let progress = Rc::new(Progress::default());
    progress.asking.set(plan.clients.len());
    let parts = Parts::new(judging, &metrics, path);
    let result = records.hear(|| {
        sim.client(
            "gateway",
            gateway::run(parts, plan.clone(), progress.clone()),
        );
        for which in 0..plan.clients.len() {
            let (plan, outcomes, progress) = (plan.clone(), outcomes.clone(), progress.clone());
            sim.client(format!("client-{which}"), async move {
                client::run(which, &plan.clients[which], outcomes).await?;
                progress.asking.update(|asking| asking - 1);
                match which {
                    0 => gateway::probe(&progress).await,
                    _ => Ok(()),
                }
            });
        }
        sim.client("faults", faults(plan.clone(), progress.clone()));
        let result = sim.run();
        drop(sim);
        result
    });
    result.map_err(|error| error.to_string())?;

    let (mut outcomes, panics, records) = (outcomes.take(), records.panics(), records.all());
    outcomes.sort_by(|a: &Outcome, b| a.mark.cmp(&b.mark));
    check::requests(&plan, &outcomes, &records, &received.borrow())?;
    check::counts(&metrics, &records)?;
    if let Some(folder) = path {
        check::journal(folder, &records)?;
    }
    if panics > 0 {
        return Err(format!("{panics} tasks panicked"));
    }
    Ok(Trace { outcomes, records })
}

/// What happens to the network, when it is time.
async fn faults(plan: Rc<Plan>, progress: Rc<Progress>) -> turmoil::Result {
    let mut now = Duration::ZERO;
    for (at, fault) in &plan.faults {
        sleep(at.saturating_sub(now)).await;
        now = *at;
        match *fault {
            Fault::Partition(link) => turmoil::partition(host(link), "gateway"),
            Fault::Repair(link) => turmoil::repair(host(link), "gateway"),
            Fault::Hold(link) => turmoil::hold(host(link), "gateway"),
            Fault::Release(link) => turmoil::release(host(link), "gateway"),
        }
    }
    progress.calm.set(true);
    Ok(())
}

fn host(link: Link) -> String {
    match link {
        Link::Client(which) => format!("client-{which}"),
        Link::Upstream(which) => format!("upstream-{which}"),
    }
}
