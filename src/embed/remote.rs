//! A model behind an embeddings API as OpenAI's.

use crossbeam_channel::bounded;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::api::{Api, Fault};
use super::dispatch::{Dispatch, Job, Outcome};
use super::health::Health;
use super::manifest::hex;
use super::queue::Lane;
use super::{EmbedError, Embedded, Facts, Layout, LoadError};
use crate::catalogue::Entry;
use crate::config::Model;
use crate::language::Phrase;
use crate::metrics::Embeddings;

/// Examples in one request.
pub(super) const BATCH: usize = 64;
/// Lists of examples that may wait; whoever brings more waits before it.
const LISTS: usize = 4;

/// Those who ask the API, and the thread that does.
#[derive(Debug)]
pub(super) struct Remote {
    questions: mpsc::Sender<Job>,
    examples: mpsc::Sender<Job>,
    prompt: String,
    counts: Embeddings,
    // Last: it ends when nobody can ask any more, which is waited for.
    _thread: Lane,
}

impl Remote {
    /// Starts the thread. Asks the API only where nobody says how long its vectors are.
    pub(super) fn start(
        config: &Model,
        known: Option<&Entry>,
    ) -> Result<(Remote, Facts), LoadError> {
        let Some(url) = &config.url else {
            return Err(unreachable(config, "model.url is not set"));
        };
        let prompt = prompt(config, known)?;
        let all = known.map(|known| known.dimension);
        let wanted = config.dimensions.map(usize::from);
        // Servers refuse to cut vectors of models that were not trained for it, be it to their whole length.
        let cut = wanted.filter(|wanted| Some(*wanted) != all);
        let api = Api::new(config, url, cut).map_err(|fault| unreachable(config, fault))?;
        let counts = Embeddings::new().map_err(|error| unreachable(config, error))?;
        let (questions, asked) = mpsc::channel(config.queue.get());
        let (examples, listed) = mpsc::channel(LISTS);
        let dispatch = Dispatch {
            api,
            health: Health::new(counts.clone(), url.to_string()),
            questions: asked,
            examples: listed,
        };
        let (tell, told) = bounded(1);
        let probe = vec![format!("{prompt}hello")];
        let thread = Lane::start("embed-api", move || async move {
            let found = match wanted.or(all) {
                Some(dimension) => Ok(dimension),
                None => measure(&dispatch.api, &probe).await,
            };
            let known = found.as_ref().ok().copied();
            tell.send(found).ok();
            if let Some(dimension) = known {
                dispatch.api.dimension.get_or_init(|| dimension);
                dispatch.run().await;
            }
        })?;
        let gone = |_| Err(Fault::TimedOut);
        let dimension = told.recv().unwrap_or_else(gone);
        let dimension = dimension.map_err(|fault| unreachable(config, fault))?;
        let remote = Remote {
            questions,
            examples,
            prompt: prompt.clone(),
            counts,
            _thread: thread,
        };
        Ok((remote, facts(config, known, prompt, dimension)))
    }

    /// A customer's question: at once where little is under way, else together with others that wait.
    pub(super) async fn question(&self, text: String) -> Result<Embedded, EmbedError> {
        let (job, answer) = self.job(vec![text]);
        self.questions.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => EmbedError::QueueFull,
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        let embedded = answer.await.map_err(|_| gone())??;
        embedded.into_iter().next().ok_or_else(gone)
    }

    /// Examples, in batches; waits patiently where the API is busy or down.
    pub(super) async fn examples(&self, texts: Vec<String>) -> Result<Vec<Embedded>, EmbedError> {
        let mut embedded = Vec::with_capacity(texts.len());
        for some in texts.chunks(BATCH) {
            let (job, answer) = self.job(some.to_vec());
            self.examples.send(job).await.map_err(|_| gone())?;
            embedded.extend(answer.await.map_err(|_| gone())??);
        }
        Ok(embedded)
    }

    fn job(&self, texts: Vec<String>) -> (Job, oneshot::Receiver<Outcome>) {
        let with_prompt = texts.iter().map(|text| format!("{}{text}", self.prompt));
        let (reply, answer) = oneshot::channel();
        let texts = with_prompt.collect();
        let job = Job {
            texts,
            shortened: false,
            reply,
        };
        (job, answer)
    }

    /// Questions that wait.
    pub(super) fn waiting(&self) -> usize {
        self.questions.max_capacity() - self.questions.capacity()
    }

    /// What the API has been asked since the start.
    pub(super) fn counts(&self) -> &Embeddings {
        &self.counts
    }
}

/// How long the API's vectors are.
async fn measure(api: &Api, probe: &[String]) -> Result<usize, Fault> {
    let answer = api.embed(probe).await?;
    Ok(answer.vectors.first().map_or(0, |vector| vector.len()))
}

fn prompt(config: &Model, known: Option<&Entry>) -> Result<String, LoadError> {
    let said = config.prompt.clone();
    said.or_else(|| known.map(|known| known.prompt.clone()))
        .ok_or_else(|| {
            let name = config.name.as_deref().unwrap_or_default();
            LoadError::Unknown {
                fact: Phrase::new(
                    format!("\"{name}\" 在问题前要加什么提示"),
                    format!("what \"{name}\" wants before each question"),
                ),
                remedy: Phrase::new(
                    "把模型作者规定的前缀写进 model.prompt，如 \"query: \"；没有规定就写 model.prompt = \"\"",
                    "write what the model's makers prescribe into model.prompt, such as \"query: \"; model.prompt = \"\" where they prescribe nothing",
                ),
            }
        })
}

fn facts(config: &Model, known: Option<&Entry>, prompt: String, dimension: usize) -> Facts {
    let name = config.name.clone().unwrap_or_default();
    let url = config.url.as_ref().map_or("", |url| url.as_str());
    let mut fingerprint = Sha256::new();
    for part in [
        "embeddings API",
        url,
        &name,
        &prompt,
        &dimension.to_string(),
    ] {
        fingerprint.update(part);
        fingerprint.update([0]);
    }
    Facts {
        name,
        fingerprint: hex(&fingerprint.finalize()),
        layout: Layout::dense(dimension),
        pooling: None,
        prompt,
        max_tokens: known.map(|known| known.max_tokens),
        languages: known.map(|k| k.languages.clone()).unwrap_or_default(),
    }
}

fn unreachable(config: &Model, error: impl ToString) -> LoadError {
    LoadError::Unreachable {
        url: config.url.as_ref().map_or("", |u| u.as_str()).to_owned(),
        error: error.to_string(),
    }
}

fn gone() -> EmbedError {
    EmbedError::Failed("the thread that asks the embeddings API has ended".to_owned())
}
