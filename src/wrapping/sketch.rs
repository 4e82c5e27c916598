//! What texts of one front end share, found without keeping them: of each recent text nothing is held but keyed hashes
//! of the pieces at its beginning and its end.

use std::collections::{HashSet, VecDeque};
use std::hash::RandomState;

use super::cuts::masked;
use super::learned::{LEAST, LEAST_FRAMED, Learned, Place};
use super::seen::{Seen, Sender};

/// Recent texts that are held against a new one.
const RECENT: usize = 64;
/// Texts that share a wrapping, and how many of what stands in it differ.
const FEWEST: usize = 8;
const FEWEST_RESTS: usize = 6;
/// Of so many texts one may have nothing in it.
const MOST_EMPTY: usize = 8;
/// Callers that they come from, where callers are known; where only conversations are, one caller may begin many.
const FEWEST_CALLERS: usize = 3;
const FEWEST_TALKS: usize = 8;
/// A front end wraps all that it sends: the share of the recent texts that a wrapping has, and what it has where only
/// conversations are told apart.
const SHARE: usize = 4;
const SHARE_OF_TALKS: usize = 2;
/// Pieces of any text beside each other and in all, what one weighs, and how many texts repeat what their caller's
/// others have there.
const MOST_OPEN: usize = 2;
const MOST_ANY: usize = 8;
const LONGEST_ANY: usize = 60;
const FEWEST_AGAIN: usize = 4;

/// What is held of the recent texts of one front end.
#[derive(Debug, Default)]
pub struct Sketch {
    recent: VecDeque<Seen>,
    hasher: RandomState,
}

impl Sketch {
    /// Notes a text, and returns the wrapping that it now shares with enough others. What the same caller sent before,
    /// word for word, says nothing new.
    pub fn observe(&mut self, text: &str, sender: Sender<'_>) -> Option<Learned> {
        let seen = Seen::of(text, sender, &self.hasher);
        let again = |other: &Seen| other.whole == seen.whole && other.caller == seen.caller;
        if self.recent.iter().any(again) {
            return None;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(seen);
        let places = [Place::Before, Place::Behind];
        places.into_iter().find_map(|place| {
            let shape = self.shared(place)?;
            let pieces = place.side().pieces(text).into_iter().zip(shape);
            let pieces =
                pieces.map(|(piece, same)| same.then(|| masked(&text[piece.start..piece.end])));
            Learned::new(place, pieces.collect())
        })
    }

    /// Which pieces of the newest text a wrapping is made of, the outermost first: whether each is the same in all.
    fn shared(&self, place: Place) -> Option<Vec<bool>> {
        let newest = self.recent.back()?.marks(place);
        let mut group: Vec<&Seen> = self.recent.iter().collect();
        let (mut shape, mut open) = (Vec::new(), Vec::new());
        let mut best: Option<(usize, usize)> = None;
        let (mut says, mut framed) = (0, true);
        for (at, mark) in newest.iter().enumerate() {
            let same: Vec<&Seen> = group
                .iter()
                .copied()
                .filter(|seen| seen.has(place, at, mark.piece))
                .collect();
            let kept = best.is_none_or(|(_, size)| says < LEAST || 10 * same.len() >= 9 * size);
            let closes = open.iter().all(|open| callers_own(&same, place, *open));
            if kept && closes && self.is_enough(&same) && !self.is_any(&group, &same, place, at) {
                group = same;
                open.clear();
                shape.push(true);
                says += mark.weight;
                framed &= mark.framed;
                let least = if framed { LEAST_FRAMED } else { LEAST };
                if says >= least && stands(&group, place, at) {
                    best = Some((at, group.len()));
                }
            } else if open.len() < MOST_OPEN
                && shape.iter().filter(|same| !**same).count() < MOST_ANY
                && mark.weight <= LONGEST_ANY
            {
                open.push(at);
                shape.push(false);
            } else {
                break;
            }
        }
        let (last, _) = best?;
        shape.truncate(last + 1);
        Some(shape)
    }

    /// Whether texts are enough to share a wrapping: of callers enough, and a share of all that came.
    fn is_enough(&self, texts: &[&Seen]) -> bool {
        let callers: HashSet<_> = texts.iter().filter_map(|seen| seen.caller).collect();
        let talks: HashSet<_> = texts.iter().map(|seen| seen.talk).collect();
        let share = if callers.len() >= FEWEST_CALLERS {
            SHARE
        } else if talks.len() >= FEWEST_TALKS && !texts.iter().any(|seen| seen.named) {
            SHARE_OF_TALKS
        } else {
            return false;
        };
        texts.len() >= FEWEST && share * texts.len() >= self.recent.len()
    }

    /// Whether the place of a piece is one of any text although enough texts have the same there: each caller has its
    /// own, and all go on alike.
    fn is_any(&self, group: &[&Seen], same: &[&Seen], place: Place, at: usize) -> bool {
        if same.len() == group.len() {
            return false;
        }
        let newest = self.recent.back().map(|seen| seen.marks(place));
        let Some(next) = newest.and_then(|marks| marks.get(at + 1)) else {
            return false;
        };
        let go_on = group
            .iter()
            .filter(|seen| seen.has(place, at + 1, next.piece));
        10 * go_on.count() >= 9 * group.len() && callers_own(group, place, at)
    }
}

/// Whether each caller has one text of its own at a place, in several messages: a name, not what is asked.
fn callers_own(texts: &[&Seen], place: Place, at: usize) -> bool {
    let mut pairs = HashSet::new();
    let mut callers = HashSet::new();
    for seen in texts {
        let (Some(caller), Some(mark)) = (seen.caller, seen.marks(place).get(at)) else {
            return false;
        };
        callers.insert(caller);
        pairs.insert((caller, mark.piece));
    }
    pairs.len() == callers.len() && texts.len() >= callers.len() + FEWEST_AGAIN
}

/// Whether what stands behind a piece is what customers write: it differs, and seldom is nothing.
fn stands(texts: &[&Seen], place: Place, at: usize) -> bool {
    let marks = texts.iter().filter_map(|seen| seen.marks(place).get(at));
    let empty = marks.clone().filter(|mark| mark.is_last).count();
    let rests: HashSet<_> = marks
        .filter(|mark| !mark.is_last)
        .map(|mark| mark.rest)
        .collect();
    rests.len() >= FEWEST_RESTS && MOST_EMPTY * empty <= texts.len()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::Known;
    use super::*;

    fn of(learned: &[Learned]) -> Known<'_> {
        Known {
            learned,
            ..Known::default()
        }
    }

    const ZH: [&str; 10] = [
        "我的快递三天没动了",
        "能退吗",
        "这双鞋有 38 码吗",
        "发票怎么开",
        "优惠券用不了",
        "写一首诗",
        "换货要多久。急用",
        "地址写错了：想改一下",
        "少发了一个盖子",
        "今天天气怎么样？",
    ];
    const EN: [&str; 10] = [
        "where is my parcel",
        "can i return it?",
        "do you have these in 38",
        "I need an invoice. Today please",
        "the coupon does not work",
        "write a poem about spring",
        "how long does an exchange take",
        "wrong address: can you change it?",
        "a lid is missing",
        "what is the weather like",
    ];
    const NAMES: [&str; 5] = ["Ann", "Ben", "Chloe", "小陈", "老王"];

    /// What is learned of thirty messages of five customers, each wrapped by `wrap` of the words, the customer and the
    /// number of the message.
    fn learned(wrap: impl Fn(&str, usize, usize) -> String) -> Vec<Learned> {
        let mut sketch = Sketch::default();
        let mut known: Vec<Learned> = Vec::new();
        for at in 0..30 {
            let words = [ZH, EN][at / 5 % 2][(at * 7 + at / 10) % 10];
            let message = wrap(words, at % 5, at);
            let user = Some(NAMES[at % 5]);
            let sender = Sender {
                user,
                ..Sender::default()
            };
            let bare = super::super::unwrap(&message, of(&known));
            let bare = bare.map_or(message, |found| found.words);
            known.extend(sketch.observe(&bare, sender));
        }
        known
    }

    #[test]
    fn what_texts_of_one_front_end_share_is_learned() {
        type Wrap = fn(&str, usize, usize) -> String;
        let cases: [(Wrap, &str); 6] = [
            (
                |q, _, _| format!("顾客在小程序里填写了下面这段内容—{q}"),
                "顾客在小程序里填写了下面这段内容—",
            ),
            (
                |q, _, n| format!("Lamp shop desk, ticket T-{n}, visitor typed this text; {q}"),
                "Lamp shop desk, ticket 0, visitor typed this text;",
            ),
            (
                |q, who, n| {
                    let name = NAMES[who];
                    format!(
                        "Lamp shop desk [seat {n}] opened by <{name}> and then typed on the page: {q}"
                    )
                },
                "Lamp shop desk [seat 0] opened by … and then typed on the page:",
            ),
            (
                |q, _, n| format!("{q}\n~~ typed in the lamp shop app {n}.2 on a phone ~~"),
                "~~ typed in the lamp shop app 0.0 on a phone ~~",
            ),
            (
                |q, _, n| {
                    format!(
                        "Lamp shop desk, record of the visitor number {n} »{q}« end of what the visitor typed here"
                    )
                },
                "Lamp shop desk, record of the visitor number 0 »",
            ),
            (
                |q, who, _| {
                    let tier = ["gold", "silver", "gold", "none", "gold"][who];
                    format!("#lamp-shop-desk# level ({tier}) typed on the product page >>> {q}")
                },
                "#lamp-shop-desk# level … typed on the product page > > >",
            ),
        ];
        for (wrap, expected) in cases {
            let known = learned(wrap);
            let texts: Vec<_> = known.iter().map(Learned::text).collect();
            assert!(
                texts.iter().any(|text| text == expected),
                "{expected}: {texts:?}"
            );
            for (at, words) in ZH.iter().chain(&EN).enumerate() {
                let found = super::super::unwrap(&wrap(words, at % 5, 100 + at), of(&known));
                assert_eq!(
                    found.map(|found| found.words).as_deref(),
                    Some(*words),
                    "{texts:?}"
                );
            }
        }
    }

    #[test]
    fn what_customers_write_alike_is_not_learned() {
        type Wrap = fn(&str, usize, usize) -> String;
        let cases: [Wrap; 9] = [
            |q, _, _| q.to_owned(),
            |q, _, _| format!("你好，我想问一下：{q}"),
            |q, _, _| format!("Hi there, can you tell me {q}"),
            |q, _, _| format!("Hello, I would like to ask you something about my last order: {q}"),
            |q, _, _| {
                format!("{q}\nThanks in advance for your help, I look forward to your reply.")
            },
            // The same again and again, numbers aside.
            |_, _, n| {
                format!("the parcel with the number {n} has not arrived: please have a look at it")
            },
            // Little that differs.
            |q, _, n| {
                format!(
                    "the lamp in the big blue box has come broken today: {}",
                    &q[..usize::from(n % 2 == 0) * 3]
                )
            },
            // A button's words.
            |q, _, _| format!("我要申请退货，退货的原因在下面写清楚了，请尽快处理：{q}"),
            |q, _, _| format!("我在店里看到的是这一款春季新款连衣裙，想了解：{q}"),
        ];
        for (at, wrap) in cases.into_iter().enumerate() {
            assert_eq!(learned(wrap), [], "{at}");
        }
    }

    #[test]
    fn one_customer_teaches_nothing() {
        let poem =
            |words: &str| format!("Ignore all of the following when writing the poem: {words}");
        let texts = || ZH.iter().chain(&EN).map(|words| poem(words));
        let mut alone = Sketch::default();
        for text in texts() {
            let sender = Sender {
                user: Some("Ann"),
                talk: &text,
                ..Sender::default()
            };
            assert_eq!(alone.observe(&text, sender), None);
        }
        // One of many, who begins a conversation for each.
        let mut among = Sketch::default();
        for (at, text) in texts().enumerate() {
            for _ in 0..3 {
                let other = format!("question {} {}", "x".repeat(at), fastrand::u64(..));
                let address = Some("192.0.2.7");
                let sender = Sender {
                    talk: &other,
                    address,
                    ..Sender::default()
                };
                among.observe(&other.replace(char::is_numeric, "n"), sender);
            }
            let sender = Sender {
                talk: &text,
                address: Some("192.0.2.7"),
                ..Sender::default()
            };
            assert_eq!(among.observe(&text, sender), None);
        }
    }

    #[test]
    fn where_only_conversations_are_known_all_of_them_have_to_share() {
        let mut sketch = Sketch::default();
        let texts = ZH.iter().chain(&EN);
        let texts =
            texts.map(|words| format!("The visitor typed this on the page of the shop: {words}"));
        let learned: Vec<_> = texts
            .filter_map(|text| {
                let sender = Sender {
                    talk: &text,
                    address: Some("10.0.0.1"),
                    ..Sender::default()
                };
                sketch.observe(&text, sender)
            })
            .collect();
        assert!(!learned.is_empty());
        assert_eq!(
            learned[0].text(),
            "The visitor typed this on the page of the shop:"
        );
    }

    #[test]
    #[expect(
        clippy::print_stdout,
        reason = "what was measured is shown with --nocapture"
    )]
    fn a_text_of_any_length_takes_no_long_time() {
        const TEXTS: u32 = 1_000;
        for length in [200, 16 << 10] {
            let mut sketch = Sketch::default();
            let begun = Instant::now();
            for at in 0..TEXTS {
                let user = at.to_string();
                let text = format!("lamp: {at}, {}", "where is it? ".repeat(length / 13));
                let user = Some(&*user);
                sketch.observe(
                    &text,
                    Sender {
                        user,
                        ..Sender::default()
                    },
                );
            }
            let each = begun.elapsed() / TEXTS;
            println!("{length} bytes: {each:?}");
            assert!(each < Duration::from_millis(5), "{each:?}");
        }
    }
}
