//! Judges of two numbers a block: directions in a plane.

use std::sync::LazyLock;

use super::*;
use crate::embed::Block;
use crate::intent::IntentName;

/// Three blocks of two numbers, all the same direction.
fn vectors(degrees: f32) -> Vec<f32> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    [cos, sin].repeat(3)
}

static LAYOUT: LazyLock<Layout> = LazyLock::new(|| Layout {
    blocks: [0.5, 0.7, 1.0]
        .map(|weight| Block { length: 2, weight })
        .to_vec(),
    has_static_stage: true,
});

fn around(degrees: f32) -> Vec<Vec<f32>> {
    let steps = (-5_i8..=5).map(f32::from);
    steps.map(|step| vectors(degrees + step)).collect()
}

fn group<'a>(name: &str, action: Action, examples: &'a [Vec<f32>]) -> Group<'a> {
    Group {
        topic: Topic::Intent(IntentName::new(name).unwrap()),
        action,
        examples: examples.iter().map(Vec::as_slice).collect(),
        scripts: vec![None; examples.len()],
    }
}

fn material(groups: Vec<Group<'_>>) -> Material<'_> {
    Material {
        groups,
        general: None,
        layout: &LAYOUT,
    }
}

fn fit(groups: Vec<Group<'_>>) -> Judge {
    Judge::fit(&material(groups), 0.02).0
}

/// The encoder's verdict, all of whose numbers are finite.
fn verdict(judge: &Judge, degrees: f32) -> Verdict {
    let verdict = judge.verdict(Stage::Encoder, &vectors(degrees));
    assert!(verdict.log_odds.is_finite() && verdict.as_follow_up.is_finite());
    let candidates = verdict.candidates.iter();
    assert!(
        candidates
            .clone()
            .all(|candidate| candidate.score.is_finite())
    );
    let sum: f64 = candidates.map(|candidate| candidate.probability).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    verdict
}

#[test]
fn the_nearer_side_wins_and_probabilities_add_up() {
    let (refund, greeting, poem) = (around(0.0), around(120.0), around(240.0));
    let judge = fit(vec![
        group("refund", Action::Forward, &refund),
        group("greeting", Action::Answer, &greeting),
        group("poem", Action::Reject, &poem),
    ]);
    for (degrees, name, action) in [
        (3.0, "refund", Action::Forward),
        (118.0, "greeting", Action::Answer),
        (238.0, "poem", Action::Reject),
    ] {
        let verdict = verdict(&judge, degrees);
        let likeliest = &verdict.candidates[0];
        assert_eq!(likeliest.topic.label(), name);
        assert!(likeliest.probability > 0.9, "{likeliest:?}");
        let rejected = verdict.log_odds < judge.thresholds.reject;
        assert_eq!(rejected, action == Action::Reject, "{degrees}");
        let answers = verdict.lead_of(Action::Answer) > judge.thresholds.answer_lead;
        assert_eq!(answers, action == Action::Answer, "{degrees}");
        let probabilities = verdict.candidates.iter().map(|c| c.probability);
        assert!(probabilities.is_sorted_by(|a, b| a >= b), "{verdict:?}");
    }
}

#[test]
fn the_same_examples_give_the_same_judge() {
    let (refund, poem) = (around(10.0), around(100.0));
    let bits = || {
        let judge = fit(vec![
            group("refund", Action::Forward, &refund),
            group("poem", Action::Reject, &poem),
        ]);
        [0.0, 60.0, 200.0].map(|degrees| verdict(&judge, degrees).log_odds.to_bits())
    };
    assert_eq!(bits(), bits());
}

#[test]
fn without_reject_intents_everything_is_business() {
    let (refund, greeting) = (around(0.0), around(90.0));
    let judge = fit(vec![
        group("refund", Action::Forward, &refund),
        group("greeting", Action::Answer, &greeting),
    ]);
    assert!(!judge.rejects());
    for degrees in [0.0, 90.0, 225.0] {
        assert!(verdict(&judge, degrees).log_odds > judge.thresholds.reject);
    }
}

#[test]
fn one_example_an_intent_is_enough_to_judge() {
    let (refund, poem) = ([vectors(0.0)], [vectors(90.0)]);
    let judge = fit(vec![
        group("refund", Action::Forward, &refund),
        group("poem", Action::Reject, &poem),
    ]);
    assert!(judge.thresholds.reject.is_finite());
    assert!(verdict(&judge, 0.0).log_odds >= judge.thresholds.reject);
    assert!(verdict(&judge, 0.0).log_odds > verdict(&judge, 90.0).log_odds);
}

#[test]
fn examples_that_tell_nothing_give_numbers_all_the_same() {
    let (one, same) = (vec![vectors(30.0); 7], vec![vectors(30.0); 3]);
    let (poem, off) = (around(200.0), Action::Reject);
    for groups in [
        vec![group("one", Action::Forward, &one)],
        vec![group("poem", off, &poem)],
        vec![
            group("one", Action::Forward, &one),
            group("same", off, &same),
        ],
        vec![
            group("one", Action::Forward, &one),
            group("poem", off, &poem),
        ],
    ] {
        let judge = fit(groups);
        let thresholds = &judge.thresholds;
        assert!(thresholds.reject.is_finite() && thresholds.sure >= thresholds.reject);
        for degrees in [30.0, 200.0, 300.0] {
            verdict(&judge, degrees);
        }
    }
}

#[test]
fn examples_of_static_vectors_alone_are_judged_by_them() {
    let first = |examples: Vec<Vec<f32>>| -> Vec<_> {
        let examples = examples.into_iter();
        examples.map(|vectors| vectors[..2].to_vec()).collect()
    };
    let (refund, poem) = (first(around(0.0)), first(around(120.0)));
    let judge = fit(vec![
        group("refund", Action::Forward, &refund),
        group("poem", Action::Reject, &poem),
    ]);
    assert_eq!(judge.stage(), Stage::Static);
    let log_odds = |degrees: f32| {
        let vectors = &vectors(degrees)[..2];
        judge.verdict(Stage::Static, vectors).log_odds
    };
    assert!(log_odds(2.0) >= judge.thresholds.reject);
    assert!(log_odds(118.0) < judge.thresholds.reject);
}

#[test]
fn every_example_is_reviewed_once_and_stands_where_it_belongs() {
    let (refund, mut poem) = (around(0.0), around(120.0));
    // Written into the wrong file.
    poem.push(vectors(1.0));
    let groups = vec![
        group("refund", Action::Forward, &refund),
        group("poem", Action::Reject, &poem),
    ];
    let (_, mut reviewed) = Judge::fit(&material(groups), 0.02);
    reviewed.sort_by_key(|one| (one.group, one.index));
    let places: Vec<_> = reviewed.iter().map(|one| (one.group, one.index)).collect();
    let all = [(0, refund.len()), (1, poem.len())].map(|(group, count)| {
        let indices = 0..count;
        indices.map(move |index| (group, index))
    });
    assert_eq!(places, all.into_iter().flatten().collect::<Vec<_>>());
    let strays = reviewed.iter().filter(|one| one.likeliest != one.group);
    let strays: Vec<_> = strays
        .map(|one| (one.group, one.index, one.lead > 0.0))
        .collect();
    assert_eq!(strays, [(1, poem.len() - 1, true)]);
}

#[test]
fn either_level_makes_it_business_and_both_make_it_surer() {
    let even = EITHER * 2.0_f64.ln();
    for (general, own, expected) in [
        (0.0, 0.0, even),
        (-3.0, -3.0, even - 3.0),
        (800.0, 800.0, even + 800.0),
        (20.0, -20.0, EITHER * 20.0),
        (-20.0, 20.0, EITHER * 20.0),
        (-800.0, 800.0, EITHER * 800.0),
    ] {
        let log_odds = together(general, own);
        assert!(
            (log_odds - expected).abs() < 1e-9,
            "{general} {own}: {log_odds}"
        );
    }
}

#[test]
fn whoever_allows_more_rejections_gets_no_fewer() {
    let (forward, reject) = (around(0.0), around(40.0));
    let thresholds = [0.02, 0.05, 0.1, 0.25, 0.5, 0.9].map(|target| {
        let groups = vec![
            group("refund", Action::Forward, &forward),
            group("poem", Action::Reject, &reject),
        ];
        Judge::fit(&material(groups), target).0.thresholds.reject
    });
    assert!(thresholds.is_sorted(), "{thresholds:?}");
    assert!(thresholds[2] > thresholds[1], "{thresholds:?}");
    assert!(thresholds[4] > thresholds[3], "{thresholds:?}");
}

/// Shops of twelve intents, some of which overlap with what is off-topic; customers who ask about a quarter of them.
#[test]
fn what_is_promised_holds_for_those_who_ask_about_few_things() {
    let (mut random, mut asked_about) = (fastrand::Rng::with_seed(7), fastrand::Rng::with_seed(8));
    let mut held = 0;
    for _ in 0..20 {
        let mut about = |middle: f32, count: usize| -> Vec<_> {
            let steps = (0..count).map(|_| random.f32() + random.f32() + random.f32() - 1.5);
            steps.map(|step| vectors(middle + 24.0 * step)).collect()
        };
        let middles: Vec<f32> = (0..12_i8).map(|n| 12.0 * f32::from(n)).collect();
        let business: Vec<_> = middles.iter().map(|middle| about(*middle, 25)).collect();
        let off_topic: Vec<_> = [175.0, 215.0, 255.0, 295.0, 335.0]
            .map(|middle| about(middle, 60))
            .to_vec();
        let actions = [&business, &off_topic]
            .into_iter()
            .zip([Action::Forward, Action::Reject]);
        let groups = actions.flat_map(|(of, action)| {
            of.iter().enumerate().map(move |(n, examples)| {
                group(&format!("{action:?}{n}").to_lowercase(), action, examples)
            })
        });
        let judge = fit(groups.collect());
        let asked: Vec<_> = (0..3)
            .flat_map(|_| {
                let middle = middles[asked_about.usize(..middles.len())];
                about(middle, 400)
            })
            .collect();
        let rejected = asked.iter().filter(|question| {
            judge.verdict(Stage::Encoder, question).log_odds < judge.thresholds.reject
        });
        let share = rejected.count() as f64 / asked.len() as f64;
        let (low, high) = judge.promise.questions.unwrap().interval;
        // As it is printed, in tenths of a per cent.
        held += usize::from((low - 5e-4..=high + 5e-4).contains(&share));
    }
    assert!(held >= 19, "{held} of 20");
}
