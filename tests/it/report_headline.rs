//! The figures that a report begins with, held against an independent count of what was put into the journal.

use crate::commands::number;
use crate::kit::journal::{PERIOD, Shop, entries};
use crate::report_figures::{
    amount, count, in_period, is, is_local, is_rejected, is_saved, near, times,
};

#[test]
fn the_headline_is_what_the_sums_come_to() {
    let shop = Shop::of(entries(3000));
    let rows = in_period(&shop.entries);
    let document = shop.document(&PERIOD);
    let headline = &document["headline"];
    let saved = amount(&rows, |entry| entry.saved_cost);
    let spent = amount(&rows, |entry| entry.cost);
    let cost = &headline["cost"]["CNY"];
    near(&cost["saved"], saved, 1e-9);
    near(&cost["spent"], spent, 1e-9);
    near(&cost["saved_share"], saved / (saved + spent), 1e-9);
    assert!(number(&cost["low"]) < number(&cost["saved_share"]));
    assert!(number(&cost["high"]) > number(&cost["saved_share"]));

    let mean = |times: &[i64]| times.iter().sum::<i64>() as f64 / times.len() as f64 / 1e3;
    let (forwarded, here) = (times(&rows, is("forward")), times(&rows, is_local));
    let (many, calls) = (forwarded.len() as f64, count(&rows, is_saved) as f64);
    let without = mean(&forwarded);
    let with = (many * without + calls * mean(&here)) / (many + calls);
    let replies = &headline["reply_ms"];
    near(&replies["mean_without"], without, 1e-9);
    near(&replies["mean_with"], with, 1e-9);
    near(&replies["times_as_fast"], without / with, 1e-9);

    // Nobody has reviewed any: the promise alone.
    let rejected = count(&rows, is_rejected) as f64;
    let would_be = count(&rows, |entry| entry.waived.is_some());
    let passed = (count(&rows, is("forward")) + count(&rows, is("answer")) - would_be) as f64;
    let customers = &headline["customers_turned_away"];
    assert_eq!(customers["known_by"], "promise");
    assert!(customers["number"]["estimate"].is_null());
    near(&customers["number"]["high"], passed * 0.02 / 0.98, 1e-9);
    near(&customers["share_of_business"]["high"], 0.02, 1e-9);
    let again = number(&document["rejections"]["asked_again"]["count"]);
    near(&headline["asked_again_share"], again / rejected, 1e-9);

    let sample: Vec<_> = rows.iter().filter(|entry| entry.waived.is_some()).collect();
    for (place, entry) in sample.iter().take(40).enumerate() {
        let word = if place < 4 { "wrong" } else { "right" };
        let mark = format!("{}={word}", entry.request_id);
        assert_eq!(shop.run(&["review", "--mark", &mark], "en", "").code, 0);
    }
    let customers = &shop.document(&PERIOD)["headline"]["customers_turned_away"];
    assert_eq!(customers["known_by"], "reviews");
    near(&customers["number"]["estimate"], 0.1 * rejected, 1e-9);
    let share = 0.1 * rejected / (0.1 * rejected + passed);
    near(&customers["share_of_business"]["estimate"], share, 1e-9);
}
