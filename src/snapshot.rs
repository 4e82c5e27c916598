//! Everything a verdict depends on, in one immutable value.
//!
//! [`Preparation`] makes one off the request path and may fail.

mod material;
mod verdicts;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

use crate::config;
use crate::embed::store::Store;
use crate::embed::{EmbedError, Embedder};
use crate::intent::file::{self, IntentFile};
use crate::intent::{Action, Intent, IntentName};
use crate::judge::{Judge, Reviewed};
use crate::language::Localized;
use crate::problem::Problems;
use crate::text::Vocabulary;
use crate::verdict::Stage;
use crate::wrapping::Replies;
use material::{References, read_examples};
pub use verdicts::Verdicts;

/// A text, as [`normalise`](crate::text::normalise) leaves it.
pub type Text = Box<str>;

/// Intents, embedded and fitted.
#[derive(Debug)]
pub struct Snapshot {
    /// The intents, by name.
    pub intents: Vec<Intent>,
    /// What is said where no intent of the shop rejects.
    pub reject_reply: Localized,
    /// What judges.
    pub judge: Judge,
    /// The place of the intent of each example of the shop's business, by the hash of how the model reads it.
    by_example: HashMap<u64, usize>,
    /// The words of the intents' examples.
    pub vocabulary: Vocabulary,
    /// What is said to customers, by which it is known where they quote it.
    pub replies: Replies,
    /// Verdicts on texts that have been asked before. A new snapshot begins with none.
    pub verdicts: Verdicts,
}

fn hash(read: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    read.hash(&mut hasher);
    hasher.finish()
}

fn by_example(intents: &[Intent]) -> HashMap<u64, usize> {
    let business = intents.iter().enumerate();
    let business = business.filter(|(_, intent)| intent.action != Action::Reject);
    let places = business.flat_map(|(place, intent)| {
        let examples = intent.examples.iter();
        examples.map(move |example| (hash(&example.read), place))
    });
    places.collect()
}

fn replies(intents: &[Intent], reject_reply: &Localized) -> Replies {
    let own = intents.iter().filter_map(|intent| {
        let declines = intent.action == Action::Reject;
        Some((intent.reply.as_ref()?, declines))
    });
    let all = own.chain([(reject_reply, true)]);
    Replies::of(all.flat_map(|(reply, declines)| reply.texts().map(move |text| (text, declines))))
}

impl Snapshot {
    /// The intent of a name.
    pub fn intent(&self, name: &IntentName) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.name == *name)
    }

    /// The intent of the shop's business of which a text, as the model reads it, is an example.
    pub fn with_example(&self, read: &str) -> Option<&Intent> {
        let place = self.by_example.get(&hash(read))?;
        let intent = self.intents.get(*place)?;
        let mut examples = intent.examples.iter();
        examples
            .any(|example| example.read == read)
            .then_some(intent)
    }

    /// Whether a text is what the gateway says where it rejects.
    pub fn declined(&self, text: &str) -> bool {
        let rejects = self
            .intents
            .iter()
            .filter(|intent| intent.action == Action::Reject);
        let replies = rejects.filter_map(|intent| intent.reply.as_ref());
        let replies = replies.chain([&self.reject_reply]);
        let text = text.trim();
        replies
            .flat_map(Localized::texts)
            .any(|reply| reply == text)
    }

    /// How many examples the intents have together.
    pub fn examples(&self) -> usize {
        self.intents
            .iter()
            .map(|intent| intent.examples.len())
            .sum()
    }
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The files are wrong.
    #[error(transparent)]
    Files(#[from] Problems),
    /// An example could not be embedded.
    #[error("an example could not be embedded: {0}")]
    Model(#[from] EmbedError),
}

/// Vectors by text, as [`normalise`](crate::text::normalise) leaves it.
pub type Vectors = HashMap<String, Box<[f32]>>;

/// What a snapshot was fitted to, for those who look into it.
#[derive(Debug)]
pub struct Review {
    /// The vectors of examples.
    pub vectors: Vectors,
    /// Every example as judged without it, by group: the intents in order, then the off-topic references.
    pub examples: Vec<Reviewed>,
    /// The off-topic references and their vectors.
    pub references: Vec<(String, Box<[f32]>)>,
}

/// What a snapshot is made from and with.
#[derive(Clone, Copy, Debug)]
pub struct Preparation<'a> {
    /// The folder of the files.
    pub folder: &'a Path,
    /// What the files need from the configuration.
    pub context: file::Context<'a>,
    /// How careful the gate is.
    pub gate: &'a config::Gate,
    /// Embeds the examples.
    pub embedder: &'a Embedder,
    /// Knows the vectors of examples that were embedded before.
    pub store: &'a Store,
}

/// A start waits so long for the vectors of few new texts.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many new texts are embedded before the first question is taken: about a second's worth.
const FEW_NEW: usize = 250;
/// So many are written down together, so that little is embedded again where a start is cut short.
const KEPT_TOGETHER: usize = 500;
/// An example waits this long where the queue is full of questions.
const WAIT_FOR_QUESTIONS: Duration = Duration::from_millis(20);

impl Preparation<'_> {
    /// Parses, embeds what is new, fits. `progress` is told of each embedded example: done, of how many.
    ///
    /// # Errors
    /// Every problem of the files; or the model's failure.
    pub async fn run(
        self,
        files: &[IntentFile],
        progress: impl Fn(usize, usize),
    ) -> Result<(Snapshot, Review), PrepareError> {
        let intents = file::parse(self.folder, files, self.context)?;
        let references = References::new(self.embedder, self.gate.background);
        let texts = texts(&intents, &references);
        let vectors = self.stored(&texts);
        self.complete(intents, &references, texts, vectors, progress)
            .await
    }

    /// The snapshot to begin with. Where a full one would keep customers waiting it judges by static vectors
    /// alone, or not at all where the model has none, and serves until the full one is there.
    ///
    /// # Errors
    /// As [`Preparation::run`].
    pub async fn run_first(
        self,
        files: &[IntentFile],
        progress: impl Fn(usize, usize),
    ) -> Result<Snapshot, PrepareError> {
        let intents = file::parse(self.folder, files, self.context)?;
        let references = References::new(self.embedder, self.gate.background);
        let texts = texts(&intents, &references);
        let mut vectors = self.stored(&texts);
        if texts.len() - vectors.len() <= FEW_NEW {
            let (texts, known) = (texts.clone(), vectors.clone());
            let complete = self.complete(intents.clone(), &references, texts, known, progress);
            // A model may be slow, an embeddings API be down: no start waits for them.
            if let Ok(Ok((snapshot, _))) = timeout(PATIENCE, complete).await {
                return Ok(snapshot);
            }
        }
        let Some(length) = self.embedder.facts().layout.static_length() else {
            return Ok(self.snapshot(intents, Judge::unfitted()));
        };
        for known in vectors.values_mut() {
            *known = known[..length].into();
        }
        let new = unknown(texts, &vectors);
        vectors.extend(self.embed(&new, Stage::Static, |_, _| {}).await?);
        Ok(self.fit(intents, &references, vectors).0)
    }

    /// Embeds what of `texts` is not among `vectors`, and fits.
    async fn complete(
        self,
        intents: Vec<Intent>,
        references: &References,
        texts: Vec<String>,
        mut vectors: Vectors,
        progress: impl Fn(usize, usize),
    ) -> Result<(Snapshot, Review), PrepareError> {
        let new = unknown(texts, &vectors);
        vectors.extend(self.embed(&new, Stage::Encoder, progress).await?);
        Ok(self.fit(intents, references, vectors))
    }

    fn fit(
        self,
        intents: Vec<Intent>,
        references: &References,
        vectors: Vectors,
    ) -> (Snapshot, Review) {
        let layout = &self.embedder.facts().layout;
        let (judge, examples) = block_in_place(|| {
            let material = references.material(&intents, &vectors, layout);
            Judge::fit(&material, self.gate.false_reject_target)
        });
        let length = vectors.values().next().map_or(0, |vectors| vectors.len());
        let snapshot = self.snapshot(intents, judge);
        let review = Review {
            references: references.off_topic(&vectors, length),
            vectors,
            examples,
        };
        (snapshot, review)
    }

    fn snapshot(self, intents: Vec<Intent>, judge: Judge) -> Snapshot {
        let examples = intents.iter().flat_map(read_examples);
        let reject_reply = self.context.default_reply();
        let vocabulary = block_in_place(|| Vocabulary::of(examples.map(String::as_str)));
        Snapshot {
            by_example: by_example(&intents),
            vocabulary,
            replies: replies(&intents, &reject_reply),
            intents,
            reject_reply,
            judge,
            verdicts: Verdicts::new(),
        }
    }

    async fn embed(
        self,
        texts: &[String],
        stage: Stage,
        progress: impl Fn(usize, usize),
    ) -> Result<Vec<(String, Box<[f32]>)>, EmbedError> {
        let mut embedded = Vec::with_capacity(texts.len());
        let mut kept = 0;
        for some in texts.chunks(self.embedder.batch()) {
            let vectors = self.embed_some(some, stage).await;
            let failed = vectors.as_ref().err().cloned();
            embedded.extend(some.iter().cloned().zip(vectors.unwrap_or_default()));
            let done = embedded.len();
            if stage == Stage::Encoder
                && (done - kept >= KEPT_TOGETHER || done == texts.len() || failed.is_some())
            {
                self.keep(&embedded[kept..]);
                kept = done;
            }
            failed.map_or(Ok(()), Err)?;
            progress(done, texts.len());
        }
        Ok(embedded)
    }

    /// Examples can wait where questions cannot.
    async fn embed_some(
        self,
        texts: &[String],
        stage: Stage,
    ) -> Result<Vec<Box<[f32]>>, EmbedError> {
        loop {
            match self.embedder.examples(texts.to_vec(), stage).await {
                Ok(vectors) => return Ok(vectors),
                Err(EmbedError::QueueFull) => sleep(WAIT_FOR_QUESTIONS).await,
                Err(error) => return Err(error),
            }
        }
    }

    fn stored(self, texts: &[String]) -> Vectors {
        let shipped = texts
            .iter()
            .filter_map(|text| Some((text.clone(), self.embedder.example(text)?)));
        let mut vectors: Vectors = shipped.collect();
        let others = texts.iter().filter(|text| !vectors.contains_key(*text));
        let kept = self.store.load(others.map(String::as_str)).unwrap_or_else(|error| {
            tracing::warn!(%error, "vectors of earlier starts cannot be read; examples are embedded anew");
            Vectors::new()
        });
        vectors.extend(kept);
        vectors
    }

    fn keep(self, embedded: &[(String, Box<[f32]>)]) {
        if !embedded.is_empty()
            && let Err(error) = self.store.save(embedded)
        {
            tracing::warn!(%error, "vectors of examples cannot be kept for the next start");
        }
    }
}

/// What is embedded for a snapshot, each text once, as the model reads it.
fn texts(intents: &[Intent], references: &References) -> Vec<String> {
    let mut met = HashSet::new();
    intents
        .iter()
        .flat_map(read_examples)
        .chain(references.texts())
        .filter(|text| met.insert(*text))
        .cloned()
        .collect()
}

fn unknown(mut texts: Vec<String>, vectors: &Vectors) -> Vec<String> {
    texts.retain(|text| !vectors.contains_key(text));
    texts
}
