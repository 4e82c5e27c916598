//! `intentgate review`: what a person says of would-be rejections.

use std::collections::BTreeMap;

use intentgate::journal::open_for_reading;
use serde_json::Value;

use crate::kit::journal::{Dice, PERIOD, Shop, entries, entry};

/// The ids that `review --json` lists.
fn awaiting(shop: &Shop) -> Vec<String> {
    let run = shop.run(&[&["review", "--json"], &PERIOD[..]].concat(), "en", "");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let rows = document["requests"].as_array().unwrap();
    assert_eq!(document["awaiting_review"], rows.len());
    rows.iter()
        .map(|row| row["request_id"].as_str().unwrap().to_owned())
        .collect()
}

fn reviews(shop: &Shop) -> BTreeMap<String, bool> {
    let database = open_for_reading(&shop.path()).unwrap();
    let mut query = database
        .prepare("SELECT request_id, wrong FROM review")
        .unwrap();
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn reviews_are_asked_for_in_random_order_and_noted_at_once() {
    let shop = Shop::of(entries(400));
    let order = awaiting(&shop);
    assert_eq!(order, awaiting(&shop), "the order changed");
    assert!(!order.is_sorted() && !order.iter().rev().is_sorted());
    assert!(order.len() > 6);
    // A gateway that runs has the journal open, and goes on writing.
    let mut gateway = shop.journal();
    gateway.put(entry(9999, 400, &mut Dice(1)));
    gateway.flush();
    let run = shop.run(
        &[&["review"], &PERIOD[..]].concat(),
        "en",
        "r\n what\nW\ns\nw\n",
    );
    gateway.put(entry(10_000, 400, &mut Dice(1)));
    gateway.flush();
    assert_eq!(gateway.waiting(), 0);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(
        run.stdout
            .contains("\nNoted: rightly rejected 1, wrong 2. "),
        "{run:?}"
    );
    let expected = [(&order[0], false), (&order[1], true), (&order[3], true)];
    let expected: BTreeMap<_, _> = expected.map(|(id, wrong)| (id.clone(), wrong)).into();
    assert_eq!(reviews(&shop), expected);
    // What was skipped comes again, in its place.
    let left = [&order[2..3], &order[4..]].concat();
    assert_eq!(awaiting(&shop), left);
    let run = shop.run(&[&["review"], &PERIOD[..]].concat(), "zh", "q\n");
    assert!(
        run.stdout.contains("\n记下了：婉拒得对 0，错了 0。"),
        "{run:?}"
    );
}

#[test]
fn marks_replace_what_was_said_and_unknown_ones_change_nothing() {
    let shop = Shop::of(entries(400));
    let id = awaiting(&shop)[0].clone();
    for word in ["wrong", "right"] {
        let run = shop.run(&["review", "--mark", &format!("{id}={word}")], "en", "");
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(reviews(&shop), [(id.clone(), word == "wrong")].into());
    }
    let rejected = shop
        .entries
        .iter()
        .find(|entry| entry.decision == "reject")
        .unwrap();
    let marks = [
        format!("{id}=wrong"),
        format!("{}=wrong", rejected.request_id),
    ];
    let run = shop.run(
        &["review", "--mark", &marks[0], "--mark", &marks[1]],
        "en",
        "",
    );
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr
            .contains(&format!("no would-be rejections: {}", rejected.request_id)),
        "{run:?}"
    );
    assert_eq!(reviews(&shop), [(id, false)].into());
}
