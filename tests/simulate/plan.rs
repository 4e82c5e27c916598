//! What a seed makes happen: everything that is random is decided here, before anything runs.

use std::time::Duration;

use crate::intents::{DELIVERY, GIFT, GREETING, GREETING_EN, POEM, POEM_EN, REFUND_EN, WEATHER};

/// What clients ask: forwarded, answered and rejected. What becomes of the gift depends on the intents that serve.
pub(crate) const QUESTIONS: [&str; 8] = [
    REFUND_EN,
    DELIVERY,
    GIFT,
    GREETING,
    GREETING_EN,
    POEM,
    POEM_EN,
    WEATHER,
];

/// The keys that clients have. The gateway knows the first two, where it asks for any.
pub(crate) const KEYS: [&str; 3] = ["foo", "bar", "stranger"];

/// How many requests of one key there may be before the rate of [`Setup::rate`] is used up.
pub(crate) const RATE: u32 = 6;

/// Of everything that waits for something inside the gateway, the longest takes about so long.
const BUSY: u64 = 12_000;

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) setup: Setup,
    pub(crate) clients: Vec<Client>,
    pub(crate) faults: Vec<(Duration, Fault)>,
    /// What happens to the gateway, in order: when, and what.
    pub(crate) events: Vec<(Duration, Event)>,
    pub(crate) stop: Duration,
    pub(crate) grace: Duration,
    /// Whether what is recorded is written to a journal: on the disk, which takes longer than all the rest.
    pub(crate) journal: bool,
}

/// What the gateway's configuration says; an edit changes one of its values.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) mode: &'static str,
    pub(crate) requests: usize,
    pub(crate) per_address: Option<usize>,
    pub(crate) connections: usize,
    pub(crate) keyed: bool,
    pub(crate) rate: bool,
    pub(crate) fallback: bool,
    pub(crate) first_byte: u64,
    pub(crate) audit: bool,
    /// Whether gift wrapping is off-topic, by another snapshot.
    pub(crate) gift_rejected: bool,
}

/// What happens to the gateway itself.
#[derive(Debug)]
pub(crate) enum Event {
    /// Another configuration, or other intents, are published.
    Edit(Setup),
    /// Its clock goes on by so much at once, as where a machine was asleep.
    Jump(Duration),
}

/// What happens to the network between two hosts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// What is sent is lost.
    Partition(Link),
    Repair(Link),
    /// What is sent waits.
    Hold(Link),
    Release(Link),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Client(usize),
    Upstream(usize),
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) begins: Duration,
    pub(crate) asks: Vec<Ask>,
}

#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) path: Path,
    pub(crate) question: &'static str,
    pub(crate) streamed: bool,
    pub(crate) key: &'static str,
    pub(crate) fresh_connection: bool,
    pub(crate) pause: Duration,
    pub(crate) sending: Sending,
    pub(crate) reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Chat,
    Messages,
    /// Passes unjudged, with a body.
    Embeddings,
    /// Passes unjudged, without one.
    Models,
    /// Is not served.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    AtOnce,
    Slowly(Duration),
    /// Goes away with half of it sent.
    Leaves,
    /// Closes its own side once it has sent.
    Closes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    AtOnce,
    Slowly(Duration),
    /// Goes away after so many reads.
    Leaves(usize),
}

/// What an upstream does with one request. It follows from the seed, the request and the attempt, not from the order
/// in which requests arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Reply {
        after: Duration,
    },
    Stream {
        pieces: usize,
        pause: Duration,
    },
    Long,
    Status(u16),
    BreakOff,
    BreakOffWithin {
        pieces: usize,
    },
    Silent,
    SilentWithin,
    /// It closes its side in the middle, and goes on listening.
    Closes,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Plan {
        let mut dice = Dice(fastrand::Rng::with_seed(seed));
        let setup = Setup::of(&mut dice);
        let clients: Vec<_> = (0..dice.0.usize(2..5))
            .map(|_| Client::of(&mut dice))
            .collect();
        let stop = dice.ms(2_000..BUSY);
        let (mut now, mut events) = (setup.clone(), Vec::new());
        for _ in 0..dice.0.usize(0..4) {
            let event = match dice.one_in(4) {
                true => Event::Jump(dice.ms(1..20_000)),
                false => {
                    now.edit(&mut dice);
                    Event::Edit(now.clone())
                }
            };
            events.push((dice.ms(0..BUSY), event));
        }
        events.sort_by_key(|(at, _)| *at);
        let faults = dice.faults(clients.len());
        Plan {
            setup,
            clients,
            faults,
            events,
            stop,
            grace: dice.ms(200..6_000),
            journal: seed.is_multiple_of(25),
        }
    }

    /// Whether the gateway asks for keys all the time.
    pub(crate) fn is_keyed(&self) -> bool {
        let mut events = self.events.iter();
        self.setup.keyed
            && events.all(|(_, event)| !matches!(event, Event::Edit(setup) if !setup.keyed))
    }

    /// Whether what goes between a client and the gateway may be lost without a word.
    pub(crate) fn cuts_off(&self, client: usize) -> bool {
        let mut faults = self.faults.iter();
        faults.any(
            |(_, fault)| matches!(fault, Fault::Partition(link) if *link == Link::Client(client)),
        )
    }
}

impl Act {
    pub(crate) fn of(seed: u64, upstream: usize, mark: &str, attempt: usize) -> Act {
        let bytes = mark.bytes().fold(seed, |hash, byte| {
            hash.wrapping_mul(0x0100_0000_01b3)
                .wrapping_add(byte.into())
        });
        let mut dice = Dice(fastrand::Rng::with_seed(
            bytes ^ (upstream as u64) << 40 ^ (attempt as u64) << 50,
        ));
        match dice.0.u32(0..16) {
            0..5 => Act::Reply {
                after: dice.ms(0..1_500),
            },
            5..9 => Act::Stream {
                pieces: dice.0.usize(1..8),
                pause: dice.ms(0..900),
            },
            9 => Act::Long,
            10 => Act::Status([429, 500, 502, 503][dice.0.usize(0..4)]),
            11 => Act::BreakOff,
            12 => Act::BreakOffWithin {
                pieces: dice.0.usize(0..4),
            },
            13 => Act::Silent,
            14 => Act::SilentWithin,
            _ => Act::Closes,
        }
    }
}

impl Setup {
    fn of(dice: &mut Dice) -> Setup {
        let mut setup = Setup {
            mode: "enforce",
            requests: 3,
            per_address: None,
            connections: 64,
            keyed: dice.one_in(3),
            rate: dice.one_in(2),
            fallback: dice.one_in(2),
            first_byte: 2_000,
            audit: dice.one_in(4),
            gift_rejected: false,
        };
        for _ in 0..3 {
            setup.edit(dice);
        }
        setup.connections = match dice.one_in(4) {
            true => 3,
            false => 64,
        };
        setup
    }

    fn edit(&mut self, dice: &mut Dice) {
        match dice.0.u32(0..8) {
            0..2 => self.mode = ["enforce", "enforce", "shadow", "off"][dice.0.usize(0..4)],
            2 => self.requests = dice.0.usize(1..5),
            3 => self.per_address = dice.one_in(2).then(|| dice.0.usize(1..3)),
            4 => self.keyed = !self.keyed,
            5 => self.fallback = !self.fallback,
            6 => self.first_byte = dice.0.u64(500..3_000),
            _ => self.gift_rejected = !self.gift_rejected,
        }
    }

    /// How many requests of one address there may be at a time.
    pub(crate) fn room(&self) -> usize {
        self.per_address.unwrap_or(self.requests).min(self.requests)
    }

    /// As an operator writes it.
    pub(crate) fn text(&self) -> String {
        let mut keys = format!(
            "gate.mode = '{}'\nlimits.requests = {}\nlimits.connections = {}\nupstream.first_byte_timeout = '{}ms'\n",
            self.mode, self.requests, self.connections, self.first_byte,
        );
        keys += "limits.header_timeout = '2s'\nlimits.body_timeout = '2s'\nlimits.stall_timeout = '3s'\n";
        keys += "limits.idle_timeout = '5s'\nupstream.idle_timeout = '2s'\nupstream.total_timeout = '6s'\n";
        if let Some(most) = self.per_address {
            keys += &format!("limits.requests_per_address = {most}\n");
        }
        if self.audit {
            keys += "gate.audit_share = 0.5\n";
        }
        if self.keyed {
            keys += "access.keys = [\n";
            keys += "{ name = 'web', sha256 = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae' },\n";
            keys += "{ name = 'app', sha256 = 'fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9' },\n";
            keys += "]\n";
            if self.rate {
                keys += &format!("limits.per_key = '{RATE}/h'\n");
            }
        }
        if self.fallback {
            keys +=
                "upstream.fallback = [{ url = 'http://upstream-1:8000/v1', name = 'second' }]\n";
        }
        keys
    }
}

impl Client {
    fn of(dice: &mut Dice) -> Client {
        Client {
            begins: dice.ms(0..3_000),
            asks: (0..dice.0.usize(1..7)).map(|_| Ask::of(dice)).collect(),
        }
    }
}

impl Ask {
    fn of(dice: &mut Dice) -> Ask {
        Ask {
            path: match dice.0.u32(0..10) {
                0..5 => Path::Chat,
                5..7 => Path::Messages,
                7 => Path::Embeddings,
                8 => Path::Models,
                _ => Path::Unknown,
            },
            question: QUESTIONS[dice.0.usize(0..QUESTIONS.len())],
            streamed: dice.one_in(2),
            key: KEYS[[0, 0, 0, 1, 1, 2][dice.0.usize(0..6)]],
            fresh_connection: dice.one_in(4),
            pause: dice.ms(0..1_200),
            sending: match dice.0.u32(0..10) {
                0..6 => Sending::AtOnce,
                6 | 7 => Sending::Slowly(dice.ms(1..900)),
                8 => Sending::Leaves,
                _ => Sending::Closes,
            },
            reading: match dice.0.u32(0..8) {
                0..5 => Reading::AtOnce,
                5 | 6 => Reading::Slowly(dice.ms(1..900)),
                _ => Reading::Leaves(dice.0.usize(0..4)),
            },
        }
    }
}

#[derive(Debug)]
struct Dice(fastrand::Rng);

impl Dice {
    fn one_in(&mut self, n: u32) -> bool {
        self.0.u32(0..n) == 0
    }

    fn ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.0.u64(range))
    }

    /// What is held is let go of, and most of what is cut is mended.
    fn faults(&mut self, clients: usize) -> Vec<(Duration, Fault)> {
        let mut faults = Vec::new();
        for _ in 0..[0, 0, 1, 1, 2, 3][self.0.usize(0..6)] {
            let link = match self.one_in(2) {
                true => Link::Client(self.0.usize(0..clients)),
                false => Link::Upstream(self.0.usize(0..2)),
            };
            let from = self.ms(0..BUSY);
            let to = from + self.ms(10..4_000);
            let lost = self.one_in(2);
            // A link is in one trouble at a time.
            let taken = |(_, fault): &(Duration, Fault)| fault.link() == link;
            if faults.iter().any(taken) {
                continue;
            }
            let (begin, end) = match lost {
                true => (Fault::Partition(link), Fault::Repair(link)),
                false => (Fault::Hold(link), Fault::Release(link)),
            };
            faults.extend([(from, begin), (to, end)]);
        }
        faults.sort_by_key(|(at, _)| *at);
        faults
    }
}

impl Fault {
    fn link(self) -> Link {
        match self {
            Fault::Partition(link)
            | Fault::Repair(link)
            | Fault::Hold(link)
            | Fault::Release(link) => link,
        }
    }
}
