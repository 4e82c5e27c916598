//! Questions of which a part is off-topic, judged by the shipped intents.

use std::collections::BTreeMap;

use intentgate::intent::Action;

use crate::kit::{Judging, lines};

/// How many of how many, by label and kind.
type Shares = BTreeMap<(String, String), (usize, usize)>;

fn of(shares: &Shares, label: &str) -> f64 {
    let of = shares.iter().filter(|((of, _), _)| of == label);
    let sum = of.fold((0, 0), |sum, (_, share)| (sum.0 + share.0, sum.1 + share.1));
    sum.0 as f64 / sum.1 as f64
}

// Measured: 76.9 % of the mixed are rejected or marked, 11.5 % of the others marked: long stories, most of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_business_is_noticed_and_business_alone_is_not_suspected() {
    let shop = Judging::shipped().await;
    let questions = lines("tests/pairs/mixed.jsonl");
    let decisions = shop.decide_lines(&questions).await;
    let (mut noticed, mut marked) = (Shares::new(), Shares::new());
    for (question, decision) in questions.iter().zip(decisions) {
        let [label, kind, text] =
            ["label", "kind", "text"].map(|key| question[key].as_str().unwrap());
        let rejected = decision.action == Action::Reject;
        for (shares, is) in [
            (&mut noticed, decision.mixed || rejected),
            (&mut marked, decision.mixed),
        ] {
            let share = shares.entry((label.into(), kind.into())).or_default();
            *share = (share.0 + usize::from(is), share.1 + 1);
        }
        if (decision.mixed || rejected) != (label == "mixed") {
            println!("{label}: {} {text}", decision.action.as_str());
        }
    }
    println!("rejected or marked: {noticed:?}\nmarked: {marked:?}");
    let (noticed, marked) = (of(&noticed, "mixed"), of(&marked, "business"));
    println!("{noticed:.3} of mixed noticed, {marked:.3} of business marked");
    assert!(noticed >= 0.75, "{noticed}");
    // Most are long stories that a plain clause saves from being rejected.
    assert!(marked <= 0.13, "{marked}");
}
