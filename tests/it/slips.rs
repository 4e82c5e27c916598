//! One slip of the pen in an English question does not change what is done about it.

use fastrand::Rng;
use intentgate::intent::Action;

use crate::kit::Judging;

const SHOP: [&str; 60] = [
    "where is my package",
    "i want to return my shoes",
    "what is the delivery time",
    "can i cancel my order",
    "how long does shipping take to Scotland",
    "my parcel arrived damaged",
    "the jacket is too small, can i exchange it",
    "do you have this in a larger size",
    "when will the blue one be back in stock",
    "how do i get a refund",
    "i was charged twice for one order",
    "is there a discount for students",
    "my voucher code does not work",
    "can you change the delivery address",
    "which payment methods do you accept",
    "i need an invoice for my company",
    "the zip broke after two days",
    "how do i reset my password",
    "one item is missing from my order",
    "does the vacuum cleaner come with spare bags",
    "is this leather real",
    "what material is the sofa made of",
    "how long is the warranty on the washing machine",
    "can someone install the dishwasher",
    "i received the wrong colour",
    "the tracking has not moved for a week",
    "the courier says delivered but nothing is here",
    "can i pick it up in the store",
    "do you ship to Norway",
    "how much is express delivery",
    "i would like to speak to a real person",
    "this is the worst service i have ever had",
    "is the backpack waterproof",
    "will this charger fit my laptop",
    "how many watts does the kettle use",
    "can i put the pan in the dishwasher",
    "what is the difference between the two models",
    "the remote control is not working",
    "where can i see my loyalty points",
    "please remove me from the newsletter",
    "can i pay in instalments",
    "why was my payment declined",
    "how do i send the shirt back",
    "do you price match other shops",
    "my gift card balance is wrong",
    "is the mattress suitable for a heavy person",
    "the shoes squeak when i walk",
    "are the headphones compatible with my phone",
    "what are your opening hours",
    "can i add another item to my order",
    "do you repair broken watches",
    "do you take old phones in part exchange",
    "does the wool sweater shrink in the wash",
    "which size should i take, i am 180 tall",
    "is this a genuine product",
    "my order still says processing",
    "who delivers your parcels",
    "hello, is anyone there",
    "good morning",
    "thank you very much",
];

const OFF_TOPIC: [&str; 40] = [
    "write a poem about autumn leaves",
    "what is the capital of Australia",
    "solve this equation for x",
    "translate this sentence into French",
    "who won the world cup in 1998",
    "how do i sort a list in python",
    "tell me a story about a dragon",
    "what will the weather be like tomorrow",
    "explain quantum entanglement simply",
    "is there life on other planets",
    "write an essay about climate change",
    "how do volcanoes erupt",
    "play some jazz music",
    "what should i cook for dinner tonight",
    "summarise the plot of Hamlet",
    "who is the president of France",
    "give me ideas for a birthday speech",
    "why is the sky blue",
    "how can i learn to play chess",
    "what does photosynthesis mean",
    "write a function that reverses a string",
    "my girlfriend left me and i feel awful",
    "recommend a good book about Rome",
    "how far is the moon from the earth",
    "what happened in the second world war",
    "set an alarm for seven in the morning",
    "describe the structure of an atom",
    "can you write my homework for me",
    "what is the meaning of life",
    "tell me about the history of Japan",
    "how do i lose weight quickly",
    "write a cover letter for a nurse",
    "who painted the ceiling of the chapel",
    "calculate the square root of 1764",
    "what are the symptoms of malaria",
    "how does a jet engine work",
    "name three rivers in Africa",
    "draft a speech for my sister's wedding",
    "should i invest in shares this year",
    "what languages are spoken in Switzerland",
];

/// The text with one letter of a word left out, put in, exchanged for another, or before its neighbour.
fn with_slip(text: &str, random: &mut Rng) -> String {
    let letters: Vec<char> = text.chars().collect();
    loop {
        let mut typed = letters.clone();
        let at = random.usize(..letters.len() - 1);
        if !letters[at].is_ascii_lowercase() || !letters[at + 1].is_ascii_lowercase() {
            continue;
        }
        match random.usize(..4) {
            0 => drop(typed.remove(at)),
            1 => typed.insert(at, random.lowercase()),
            2 => typed[at] = random.lowercase(),
            _ => typed.swap(at, at + 1),
        }
        if typed != letters {
            return typed.into_iter().collect();
        }
    }
}

/// What is done about each question as it is, and with a slip.
async fn judged(questions: &[&str], seed: u64) -> Vec<(String, Action, Action)> {
    let shop = Judging::shipped().await;
    let mut random = Rng::with_seed(seed);
    let slips = questions.iter().map(|text| with_slip(text, &mut random));
    let slips: Vec<_> = slips.collect();
    let clean = shop.decide_all(questions).await;
    let typed = shop.decide_all(&slips).await;
    let actions = clean.iter().zip(&typed).map(|(a, b)| (a.action, b.action));
    let judged = slips.into_iter().zip(actions);
    judged
        .map(|(text, (clean, typed))| (text, clean, typed))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_with_a_slip_is_judged_as_without() {
    let judged = judged(&SHOP, 7).await;
    let other = judged.iter().filter(|(_, clean, typed)| clean != typed);
    let other: Vec<_> = other.collect();
    println!("{other:#?}");
    assert!(judged.iter().all(|(_, clean, _)| *clean != Action::Reject));
    assert!(other.len() * 100 <= 3 * SHOP.len(), "{other:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_shop_is_asked_passes_by_no_slip() {
    for (text, clean, typed) in judged(&OFF_TOPIC, 7).await {
        assert_eq!((clean, typed), (Action::Reject, Action::Reject), "{text}");
    }
}
