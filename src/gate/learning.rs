//! What was learned of front ends, and what is being learned: read by every request, changed seldom.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::kept::{self, Kept, MOST};
use crate::chat::{Prompt, Protocol, Text};
use crate::language::say;
use crate::text::excerpt;
use crate::wrapping::{Learned, Sender, Sketch};

/// Front ends that are learned of at a time.
const MOST_ORIGINS: usize = 64;
/// What is looked at of a message, in bytes.
const LONGEST: usize = 16 << 10;
/// Characters of a wrapping that the log shows.
const SHOWN: usize = 60;

/// A front end: whose key it has, and which path it asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The name of the client's key; none where clients have none.
    pub client: Option<Arc<str>>,
    /// The protocol of the path.
    pub protocol: &'static str,
}

/// The wrappings of each front end.
#[derive(Debug, Default)]
pub struct Learning {
    known: ArcSwap<Known>,
    sketches: Mutex<HashMap<Origin, Sketch>>,
    /// What was judged to be a question.
    refused: Mutex<Vec<Learned>>,
    /// Held by who changes what is known.
    changing: Mutex<()>,
    file: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Known {
    kept: Vec<Kept>,
    by_origin: HashMap<Origin, Arc<[Learned]>>,
}

impl Known {
    fn of(kept: Vec<Kept>) -> Self {
        let mut by_origin: HashMap<Origin, Vec<Learned>> = HashMap::new();
        for each in kept.iter().filter(|kept| !kept.forgotten) {
            if let Some(origin) = Origin::of(each) {
                by_origin
                    .entry(origin)
                    .or_default()
                    .push(each.wrapping.clone());
            }
        }
        let by_origin = by_origin.into_iter();
        Known {
            kept,
            by_origin: by_origin
                .map(|(origin, known)| (origin, known.into()))
                .collect(),
        }
    }
}

impl Known {
    /// Whether a front end's wrapping is kept, as one or as none.
    fn holds(&self, origin: &Origin, wrapping: &Learned) -> bool {
        let mut kept = self.kept.iter();
        kept.any(|kept| kept.wrapping == *wrapping && Origin::of(kept).as_ref() == Some(origin))
    }
}

impl Origin {
    /// The front end with a key of this name, or with none, that speaks a protocol.
    pub fn new(client: Option<Arc<str>>, protocol: Protocol) -> Self {
        Origin {
            client,
            protocol: protocol.as_str(),
        }
    }

    fn of(kept: &Kept) -> Option<Self> {
        let mut protocols = Protocol::ALL.into_iter();
        let protocol = protocols.find(|protocol| protocol.as_str() == kept.protocol)?;
        let client = kept.client.as_deref().map(Into::into);
        Some(Origin::new(client, protocol))
    }
}

impl Learning {
    /// What a file holds, and where what is learned is kept; none where it ends with the process. A file that cannot be
    /// read costs what was learned, never a start.
    pub fn kept_in(file: Option<PathBuf>) -> Self {
        let kept = file.as_deref().map(kept::read).unwrap_or(Ok(Vec::new()));
        let kept = kept.unwrap_or_else(|problem| {
            tracing::warn!("{}", problem.here());
            Vec::new()
        });
        Learning {
            known: ArcSwap::from_pointee(Known::of(kept)),
            file,
            ..Learning::default()
        }
    }

    /// The file beside the journal.
    pub fn beside(journal: &Path) -> PathBuf {
        journal.with_file_name("wrappings.json")
    }

    /// How many wrappings are known.
    pub fn count(&self) -> usize {
        let known = self.known.load();
        known.kept.iter().filter(|kept| !kept.forgotten).count()
    }

    /// What is known of a front end.
    pub(super) fn of(&self, origin: &Origin) -> Option<Arc<[Learned]>> {
        self.known.load().by_origin.get(origin).cloned()
    }

    /// Notes what is judged of a message, and returns a wrapping that it shares with others and that is not known.
    pub(super) fn observe(
        &self,
        origin: &Origin,
        prompt: &Prompt,
        address: Option<IpAddr>,
    ) -> Option<Learned> {
        let Text::Question(text) = &prompt.text else {
            return None;
        };
        let address = address.map(|address| address.to_string());
        let sender = Sender {
            user: prompt.asker.user.as_deref(),
            address: address.as_deref(),
            // A conversation's first message tells it apart even where many begin alike.
            talk: match prompt.context.user {
                None => text,
                Some(_) => &prompt.asker.opening,
            },
        };
        let found = {
            let mut sketches = locked(&self.sketches);
            if sketches.len() >= MOST_ORIGINS && !sketches.contains_key(origin) {
                return None;
            }
            let sketch = sketches.entry(origin.clone()).or_default();
            sketch.observe(&excerpt(text, LONGEST), sender)?
        };
        let known = self.known.load();
        let is_new = !known.holds(origin, &found) && !locked(&self.refused).contains(&found);
        (is_new && known.kept.len() < MOST).then_some(found)
    }

    /// Notes that something is no wrapping.
    pub(super) fn refuse(&self, learned: Learned) {
        let mut refused = locked(&self.refused);
        if refused.len() >= MOST {
            refused.remove(0);
        }
        refused.push(learned);
    }

    /// Takes a wrapping from here on, and keeps it.
    pub(super) fn add(&self, origin: &Origin, wrapping: Learned) {
        let _changing = locked(&self.changing);
        let known = self.known.load();
        if known.holds(origin, &wrapping) {
            return;
        }
        let client = origin.client.as_deref().map(str::to_owned);
        let new = Kept {
            client,
            protocol: origin.protocol.to_owned(),
            learned_at: now(),
            forgotten: false,
            wrapping,
        };
        announce(&new);
        let mut kept = known.kept.clone();
        kept.push(new);
        // A few kilobytes, some times in a gateway's life.
        if let Some(Err(problem)) = self.file.as_deref().map(|file| kept::write(file, &kept)) {
            tracing::warn!("{}", problem.here());
        }
        self.known.store(Arc::new(Known::of(kept)));
    }

    /// Reads the file again: an operator may have made the gateway forget.
    pub fn look(&self) {
        let Some(Ok(kept)) = self
            .file
            .as_deref()
            .filter(|file| file.exists())
            .map(kept::read)
        else {
            return;
        };
        let _changing = locked(&self.changing);
        if self.known.load().kept != kept {
            self.known.store(Arc::new(Known::of(kept)));
        }
    }
}

fn announce(kept: &Kept) {
    let text = kept.wrapping.text();
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    tracing::info!(
        client = kept.client.as_deref(),
        protocol = kept.protocol,
        place = ?kept.wrapping.place(),
        wrapping = shown.replace('\n', " "),
        "{}",
        say(
            "学到了前端加在顾客的话外面的文字，以后只判断里面的话；不对就用 intentgate wrappings --forget",
            "learned what a front end puts around the customers' words; from now on the words alone are judged. If that is wrong: intentgate wrappings --forget",
        )
    );
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrapping::Sketch;

    /// What a sketch learns of one wrapping.
    fn learned() -> Learned {
        let mut sketch = Sketch::default();
        let words = [
            "refund",
            "where is it",
            "size",
            "invoice",
            "coupon",
            "pan",
            "lid",
            "box",
            "bag",
            "cup",
        ];
        let found = words.iter().enumerate().filter_map(|(at, words)| {
            let user = ["Ann", "Ben", "Chloe", "Dan"][at % 4];
            let text = format!("Lamp shop desk, the visitor typed this text on the page; {words}");
            sketch.observe(
                &text,
                Sender {
                    user: Some(user),
                    ..Sender::default()
                },
            )
        });
        found.last().unwrap()
    }

    #[test]
    fn each_path_of_a_key_learns_for_itself() {
        let (learning, wrapping) = (Learning::default(), learned());
        for (number, protocol) in (1..).zip([Protocol::ChatCompletions, Protocol::Responses]) {
            let origin = Origin::new(None, protocol);
            for _ in 0..2 {
                learning.add(&origin, wrapping.clone());
                assert_eq!(learning.count(), number);
                assert_eq!(learning.of(&origin).unwrap().len(), 1);
            }
        }
    }
}
