//! Edits of the intents while the gateway runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use intentgate::config::Config;
use intentgate::embed::Embedder;
use intentgate::reload::Intents;
use notify::event::AccessKind;
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

use crate::kit::intents::*;
use crate::kit::{
    Answer, COMPLETION, Gateway, Upstream, chat, check_reply, eventually, intents, soon,
};

const IN_SYNC: &str = "intentgate_intents_in_sync";
const PUBLISHED: &str = "intentgate_intents_reloads_total{result=\"ok\"}";
const REFUSED: &str = "intentgate_intents_reloads_total{result=\"refused\"}";
const BROKEN: &str = "action = \"rejct\"\nexamples = \"\"\"\n可以包装吗\n\"\"\"";

async fn decides(gateway: &Gateway, question: &str, decision: &str) {
    let what = format!("{question} → {decision}");
    eventually(&what, async || gateway.decision(question).await == decision).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_published() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.decision(GIFT).await, "forward");
    write(gateway.intents(), "gift", GIFT_REJECTED);
    decides(&gateway, GIFT, "reject").await;
    let answer = gateway.ask(&chat(GIFT)).await;
    assert_eq!(check_reply(&chat(GIFT), &answer), GIFT_REPLY);
    gateway.metric_becomes(PUBLISHED, 1.0).await;
    gateway
        .metric_becomes("intentgate_intents{action=\"reject\"}", 3.0)
        .await;
    assert_eq!(gateway.decision(REFUND).await, "forward");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_may_come_and_go() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    fs::remove_file(gateway.intents().join("gift.toml")).unwrap();
    gateway
        .metric_becomes("intentgate_intents{action=\"forward\"}", 2.0)
        .await;
    write(gateway.intents(), "wrapping", GIFT_REJECTED);
    decides(&gateway, GIFT, "reject").await;
    gateway.metric_becomes(PUBLISHED, 2.0).await;
    gateway.metric_becomes(IN_SYNC, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_changes_nothing_until_it_is_mended() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let breakages: [(&str, &[u8]); 4] = [
        ("an unknown action", BROKEN.as_bytes()),
        ("no TOML", b"examples = \"\"\""),
        ("no UTF-8", b"title = \"\xff\""),
        ("a duplicate", "examples = \"我要退款\"".as_bytes()),
    ];
    for (count, (what, text)) in (1_u8..).zip(breakages) {
        fs::write(gateway.intents().join("gift.toml"), text).unwrap();
        // A file that has an edit of its own beside the broken one waits with it.
        write(
            gateway.intents(),
            "wishes",
            "action = \"reject\"\nexamples = \"退款呢\"",
        );
        gateway.metric_becomes(IN_SYNC, 0.0).await;
        assert_eq!(gateway.decision(GIFT).await, "forward", "{what}");
        assert_eq!(gateway.decision(REFUND).await, "forward", "{what}");
        assert!(gateway.metric(REFUSED).await >= f64::from(count), "{what}");

        fs::remove_file(gateway.intents().join("wishes.toml")).unwrap();
        write(gateway.intents(), "gift", GIFT_FORWARDED);
        gateway.metric_becomes(IN_SYNC, 1.0).await;
    }
    write(gateway.intents(), "gift", GIFT_REJECTED);
    decides(&gateway, GIFT, "reject").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_folder_is_a_broken_edit_and_so_is_a_missing_one() {
    let upstream = Upstream::start().await;
    let home = tempfile::tempdir().unwrap();
    let folder = version(home.path(), "intents", GIFT_FORWARDED);
    let gateway = Gateway::start_on(&folder, &upstream.url(), "").await;
    for (count, gift, decision) in [
        (1.0, GIFT_REJECTED, "reject"),
        (2.0, GIFT_FORWARDED, "forward"),
    ] {
        fs::remove_dir_all(&folder).unwrap();
        if count == 1.0 {
            fs::create_dir(&folder).unwrap();
        }
        gateway.metric_becomes(IN_SYNC, 0.0).await;
        assert_eq!(gateway.decision(POEM).await, "reject");
        fs::remove_dir_all(&folder).ok();
        version(home.path(), "intents", gift);
        decides(&gateway, GIFT, decision).await;
        gateway.metric_becomes(IN_SYNC, 1.0).await;
        assert!(gateway.metric(REFUSED).await >= count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_replaced_by_rename_is_noticed() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for (text, decision) in [(GIFT_REJECTED, "reject"), (GIFT_FORWARDED, "forward")] {
        let new = gateway.intents().join(".gift.toml.swp");
        fs::write(&new, text).unwrap();
        fs::rename(&new, gateway.intents().join("gift.toml")).unwrap();
        decides(&gateway, GIFT, decision).await;
    }
}

/// Points `link` at `target` in one step.
fn swap(link: &Path, target: &Path) {
    let new = link.with_file_name("..new");
    symlink(target, &new).unwrap();
    fs::rename(&new, link).unwrap();
}

/// A folder `name` below `home` with the shop's files and this one about gifts.
fn version(home: &Path, name: &str, gift: &str) -> std::path::PathBuf {
    let folder = home.join(name);
    fs::create_dir(&folder).unwrap();
    write_all(&folder);
    write(&folder, "gift", gift);
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_a_swapped_link_is_noticed_each_time() {
    let upstream = Upstream::start().await;
    let home = tempfile::tempdir().unwrap();
    let (link, old) = (
        home.path().join("intents"),
        version(home.path(), "1", GIFT_FORWARDED),
    );
    let new = version(home.path(), "2", GIFT_REJECTED);
    swap(&link, &old);
    let gateway = Gateway::start_on(&link, &upstream.url(), "").await;
    assert_eq!(gateway.decision(GIFT).await, "forward");
    swap(&link, &new);
    decides(&gateway, GIFT, "reject").await;
    // Behind the link now, where no watcher was at the start.
    write(&new, "gift", GIFT_FORWARDED);
    decides(&gateway, GIFT, "forward").await;
}

/// As Kubernetes mounts a ConfigMap: each file is a link through `..data`, which is swapped.
#[tokio::test(flavor = "multi_thread")]
async fn files_behind_a_swapped_link_are_noticed() {
    let upstream = Upstream::start().await;
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("..data");
    let old = version(home.path(), "..1", GIFT_FORWARDED);
    let new = version(home.path(), "..2", GIFT_REJECTED);
    swap(&data, &old);
    for file in fs::read_dir(&old).unwrap() {
        let name = file.unwrap().file_name();
        symlink(Path::new("..data").join(&name), home.path().join(&name)).unwrap();
    }
    let gateway = Gateway::start_on(home.path(), &upstream.url(), "").await;
    assert_eq!(gateway.decision(GIFT).await, "forward");
    swap(&data, &new);
    decides(&gateway, GIFT, "reject").await;
    assert_eq!(gateway.metric(REFUSED).await, 0.0);
}

/// Whoever wakes at every event in the folder wakes at its own reading, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_nobody_edits_is_not_read_over_and_over() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let (read, mut reads) = mpsc::unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if matches!(event.unwrap().kind, EventKind::Access(AccessKind::Open(_))) {
            read.send(Instant::now()).ok();
        }
    })
    .unwrap();
    let file = gateway.intents().join("refund.toml");
    watcher.watch(&file, RecursiveMode::NonRecursive).unwrap();
    write(gateway.intents(), "gift", GIFT_REJECTED);
    decides(&gateway, GIFT, "reject").await;
    while reads.try_recv().is_ok() {}
    let begun = Instant::now();
    for _ in 0..2 {
        soon("a look at the folder", reads.recv()).await.unwrap();
    }
    assert!(
        begun.elapsed() > Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_are_embedded_once() {
    let (folder, cache) = (intents::folder(), tempfile::tempdir().unwrap());
    let mut config = Config::default();
    config.gate.intents = Some(folder.path().to_owned());
    config.gate.background = false;
    config.model.cache = Some(cache.path().to_owned());
    let embedder = Embedder::load(&config.model).unwrap();
    let intents = Intents::new(&config, &embedder).unwrap();
    let embedded = AtomicUsize::new(0);
    let prepare = async || {
        embedded.store(0, Ordering::Relaxed);
        let files = intents.read().unwrap();
        let count = |done, _| embedded.store(done, Ordering::Relaxed);
        let prepared = intents.prepare(&files, &embedder, count).await;
        (prepared.unwrap(), embedded.load(Ordering::Relaxed))
    };

    let ((first, first_review), embedded) = prepare().await;
    // Those of the shipped intents come with the model.
    let all = first.intents.iter().flat_map(|intent| &intent.examples);
    let unknown = all.filter(|example| embedder.example(&example.read).is_none());
    assert_eq!(embedded, unknown.count());
    write(folder.path(), "gift", GIFT_REJECTED);
    let ((second, review), embedded) = prepare().await;
    assert_eq!(embedded, 1, "only the new example");
    assert_eq!(second.examples(), first.examples() + 1);
    for (text, vector) in &first_review.vectors {
        assert_eq!(*vector, review.vectors[text], "{text}");
    }

    let intents = Intents::new(&config, &embedder).unwrap();
    let files = intents.read().unwrap();
    let nothing = |_, _| panic!("the next start finds all of them");
    let (_, again) = intents.prepare(&files, &embedder, nothing).await.unwrap();
    assert_eq!(again.vectors, review.vectors);
}

/// Between [`GIFT_FORWARDED`], [`GIFT_REJECTED`] and a broken file: every third edit is broken, no edit is
/// like the one before, and those that are last of their burst are of each kind in turn.
fn edit(number: usize) -> (&'static str, String) {
    let (counter, text) = match number % 3 {
        0 => (PUBLISHED, GIFT_FORWARDED),
        1 => (PUBLISHED, GIFT_REJECTED),
        _ => (REFUSED, BROKEN),
    };
    (counter, format!("# edit {number}\n{text}"))
}

/// Edits in bursts, because the gateway waits for the end of an edit's events: each burst is seen before the
/// next begins.
async fn edit_in_bursts(gateway: &Gateway) {
    for burst in 0..EDITS / BURST {
        let numbers = burst * BURST..(burst + 1) * BURST;
        let (counter, _) = edit(numbers.end - 1);
        let before = gateway.metric(counter).await;
        for number in numbers {
            write(gateway.intents(), "gift", &edit(number).1);
        }
        let what = format!("burst {burst} is seen");
        eventually(&what, async || gateway.metric(counter).await > before).await;
    }
}

const EDITS: usize = 500;
const BURST: usize = 25;
const WORKERS: usize = 32;
const REQUESTS: usize = 2_000;

/// The reply is what one of the two versions says to the question, all of it.
fn check_version(question: &str, answer: &Answer) {
    let allowed: &[(&str, &str)] = match question {
        GREETING => &[("answer", GREETING_REPLY)],
        POEM => &[("reject", POEM_REPLY)],
        WEATHER => &[("reject", WEATHER_REPLY)],
        GIFT => &[("forward", COMPLETION), ("reject", GIFT_REPLY)],
        _ => &[("forward", COMPLETION)],
    };
    let said = match answer.decision() {
        "forward" => answer.text(),
        _ => check_reply(&chat(question), answer),
    };
    assert_eq!(answer.status, 200);
    let told = (answer.decision(), said.as_str());
    assert!(allowed.contains(&told), "{question}: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_edits_under_load_lose_no_request_and_tear_no_verdict() {
    let upstream = Upstream::start().await;
    let gateway = Arc::new(Gateway::start(&upstream).await);
    let (sent, edited) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (gateway, sent, edited) = (gateway.clone(), sent.clone(), edited.clone());
        workers.spawn(async move {
            let questions = [GIFT, POEM, REFUND, GREETING, GIFT, WEATHER, DELIVERY];
            let mut verdicts = [0_usize; 2];
            for question in questions.iter().cycle().skip(worker) {
                if edited.load(Ordering::Relaxed) && sent.load(Ordering::Relaxed) >= REQUESTS {
                    break;
                }
                sent.fetch_add(1, Ordering::Relaxed);
                let answer = gateway.ask(&chat(question)).await;
                check_version(question, &answer);
                if *question == GIFT {
                    verdicts[usize::from(answer.decision() == "reject")] += 1;
                }
            }
            verdicts
        });
    }
    edit_in_bursts(&gateway).await;
    edited.store(true, Ordering::Relaxed);
    let verdicts = workers.join_all().await;

    let of_both = |version: usize| {
        verdicts
            .iter()
            .map(|verdicts| verdicts[version])
            .sum::<usize>()
    };
    assert!(of_both(0) > 0 && of_both(1) > 0, "both versions were seen");
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent >= REQUESTS);
    eventually("every request is counted once", async || {
        gateway.sum("intentgate_requests_total").await == sent as f64
    })
    .await;
    assert_eq!(gateway.sum("intentgate_gate_bypassed_total").await, 0.0);
    let bursts = (EDITS / BURST) as f64;
    assert!(gateway.metric(PUBLISHED).await + gateway.metric(REFUSED).await >= bursts);
}
