//! What is asked of the hub over HTTP: the listing, and files, which go on where they ended.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, RANGE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use reqwest::Response;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::task::yield_now;
use tokio::time::sleep;
use url::Url;

use super::cache::{create_folder_of, length};
use super::error::disk;
use super::listing::{Checksum, File, Listing};
use super::{Hub, HubError, Wanted};
use crate::upstream::is_loopback;

/// So many tries in a row that bring nothing are the last.
const TRIES: u32 = 5;
/// The longest wait that a busy hub may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// No listing is longer.
const LONGEST_LISTING: usize = 32 << 20;
/// How the hub says why, beside the status.
const REASON: &str = "x-error-code";

/// A client of the hub.
#[derive(Debug)]
pub(super) struct Fetch {
    client: reqwest::Client,
    endpoint: Url,
    authorization: Option<HeaderValue>,
    pause: Duration,
}

/// How one try went wrong.
struct Failed {
    error: HubError,
    again: bool,
    /// As the hub asks.
    wait: Option<Duration>,
}

impl From<HubError> for Failed {
    fn from(error: HubError) -> Self {
        Failed {
            again: error.is_passing(),
            error,
            wait: None,
        }
    }
}

impl Fetch {
    pub(super) fn new(hub: &Hub) -> Result<Self, HubError> {
        let bad = || HubError::BadEndpoint {
            endpoint: hub.endpoint.clone(),
        };
        let endpoint = Url::parse(&hub.endpoint).map_err(|_| bad())?;
        if !matches!(endpoint.scheme(), "http" | "https") {
            return Err(bad());
        }
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("intentgate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(hub.patience)
            .read_timeout(hub.patience);
        if is_loopback(&endpoint) {
            // A proxy of the environment is for the world outside.
            client = client.no_proxy();
        }
        let client = client.build().map_err(unreachable(&endpoint))?;
        // A token that no header can carry is none that the hub gave.
        let bearer = |t: &crate::secret::Secret| format!("Bearer {}", t.reveal()).parse().ok();
        let mut authorization: Option<HeaderValue> = hub.token.as_ref().and_then(bearer);
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(Fetch {
            client,
            endpoint,
            authorization,
            pause: hub.pause,
        })
    }

    /// Where a file of a commit is.
    pub(super) fn url_of(
        &self,
        repository: &str,
        commit: &str,
        file: &str,
    ) -> Result<Url, HubError> {
        let before = repository.split('/').chain(["resolve", commit]);
        self.url(before.chain(file.split('/')))
    }

    fn url<'a>(&self, parts: impl Iterator<Item = &'a str>) -> Result<Url, HubError> {
        let mut url = self.endpoint.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(parts),
            Err(()) => {
                let endpoint = self.endpoint.to_string();
                return Err(HubError::BadEndpoint { endpoint });
            }
        };
        Ok(url)
    }

    /// What the repository holds at the revision.
    pub(super) async fn listing(&self, wanted: &Wanted) -> Result<Listing, HubError> {
        let parts = ["api", "models"].into_iter();
        let parts = parts.chain(wanted.repository.split('/'));
        let mut url = self.url(parts.chain(["revision", &wanted.revision]))?;
        url.set_query(Some("blobs=true"));
        let mut tries = 0;
        loop {
            match self.try_listing(&url, wanted).await {
                Ok(listing) => return Ok(listing),
                Err(failed) => self.wait(&mut tries, failed).await?,
            }
        }
    }

    async fn try_listing(&self, url: &Url, wanted: &Wanted) -> Result<Listing, Failed> {
        let mut response = self.ask(url, 0).await?;
        if !response.status().is_success() {
            return Err(self.refused(url, wanted, &response));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable(url))? {
            if answer.len() + chunk.len() > LONGEST_LISTING {
                let error = format!("it is longer than {LONGEST_LISTING} bytes");
                let url = url.to_string();
                return Err(HubError::BadAnswer { url, error }.into());
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(Listing::parse(url.as_str(), &answer)?)
    }

    /// Brings a file to `blob`: what has arrived stands in `blob.incomplete` until all of it is there and right.
    /// Tries that bring something forward do not count.
    pub(super) async fn file(
        &self,
        url: &Url,
        wanted: &Wanted,
        file: &File,
        blob: &Path,
        progress: impl Fn(u64),
    ) -> Result<(), HubError> {
        create_folder_of(blob)?;
        let mut partial = blob.as_os_str().to_owned();
        partial.push(".incomplete");
        let partial = PathBuf::from(partial);
        let mut tries = 0;
        loop {
            let before = length(&partial).unwrap_or(0);
            let tried = self.try_file(url, wanted, file, &partial, &progress).await;
            let Err(failed) = tried else {
                return fs::rename(&partial, blob).map_err(disk(blob));
            };
            if length(&partial).unwrap_or(0) > before {
                tries = 0;
            }
            self.wait(&mut tries, failed).await?;
        }
    }

    async fn try_file(
        &self,
        url: &Url,
        wanted: &Wanted,
        file: &File,
        partial: &Path,
        progress: &impl Fn(u64),
    ) -> Result<(), Failed> {
        let begun = length(partial).unwrap_or(0);
        if begun < file.size || begun == 0 {
            self.receive(url, wanted, file, partial, progress).await?;
        }
        let found = checksum(partial, file).await?;
        if length(partial) == Some(file.size) && found == file.checksum {
            return Ok(());
        }
        fs::remove_file(partial).map_err(disk(partial))?;
        let error = HubError::Checksum {
            file: file.name.clone(),
            expected: file.checksum.as_str().to_owned(),
            found: found.as_str().to_owned(),
        };
        // What an earlier try left may be at fault.
        Err(Failed {
            error,
            again: begun > 0,
            wait: None,
        })
    }

    /// Appends to what is there of a file. An address names a commit, so that what it gives never changes, and the
    /// checksum is looked at in the end: no `If-Range`, whose tags differ between the hub and the hosts it sends to.
    async fn receive(
        &self,
        url: &Url,
        wanted: &Wanted,
        file: &File,
        partial: &Path,
        progress: &impl Fn(u64),
    ) -> Result<(), Failed> {
        let mut have = length(partial).unwrap_or(0);
        let mut response = self.ask(url, have).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(&response, have) => {}
            StatusCode::OK => have = 0,
            // A range that the file does not have, or another than was asked for.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                fs::remove_file(partial).map_err(disk(partial))?;
                let mut failed = Failed::from(wrong_size(file));
                failed.again = true;
                return Err(failed);
            }
            _ => return Err(self.refused(url, wanted, &response)),
        }
        let mut out = fs::File::options()
            .create(true)
            .write(true)
            .truncate(have == 0)
            .append(have > 0)
            .open(partial)
            .map_err(disk(partial))?;
        loop {
            progress(have);
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) if have == file.size => break,
                Ok(None) => return Err(truncated(file, have, "the reply ended").into()),
                Err(error) => return Err(truncated(file, have, &cause(&error)).into()),
            };
            have += chunk.len() as u64;
            if have > file.size {
                fs::remove_file(partial).map_err(disk(partial))?;
                return Err(wrong_size(file).into());
            }
            out.write_all(&chunk).map_err(disk(partial))?;
        }
        Ok(out.sync_all().map_err(disk(partial))?)
    }

    /// The token goes to the endpoint; `reqwest` leaves it out where a redirect leads to another origin.
    async fn ask(&self, url: &Url, from: u64) -> Result<Response, HubError> {
        let mut request = self.client.get(url.clone());
        request = request.header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.map_err(unreachable(url))
    }

    fn refused(&self, url: &Url, wanted: &Wanted, response: &Response) -> Failed {
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let repository = wanted.repository.clone();
        // Hosts that the hub sends to say nothing of who may read what.
        let own = response.url().origin() == self.endpoint.origin();
        let status = response.status().as_u16();
        let reason = header(REASON).filter(|_| own);
        let error = match (status, reason) {
            _ if !own => HubError::Unavailable {
                url: url.to_string(),
                status,
            },
            (401 | 403, Some("GatedRepo")) | (403, None) => HubError::Gated {
                page: format!(
                    "{}/{repository}",
                    self.endpoint.as_str().trim_end_matches('/')
                ),
                repository,
            },
            (401 | 403, _) => HubError::Unauthorised { repository },
            (404, _) => HubError::NotThere {
                repository,
                revision: wanted.revision.clone(),
            },
            _ => HubError::Unavailable {
                url: url.to_string(),
                status,
            },
        };
        let seconds = header(RETRY_AFTER.as_str()).and_then(|value| value.parse().ok());
        let mut failed = Failed::from(error);
        failed.wait = seconds.map(|s| Duration::from_secs(s).min(LONGEST_WAIT));
        failed
    }

    /// Before the next try; the error where there is none.
    async fn wait(&self, tries: &mut u32, failed: Failed) -> Result<(), HubError> {
        *tries += 1;
        if !failed.again || *tries >= TRIES {
            return Err(failed.error);
        }
        let pause = self.pause * 2_u32.pow(*tries - 1);
        sleep(failed.wait.unwrap_or(pause)).await;
        Ok(())
    }
}

fn begins_at(response: &Response, byte: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE);
    let range = range.and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {byte}-")))
}

/// The checksum of what is there, of the kind that the hub knows the file by. Others run between the pieces.
async fn checksum(path: &Path, file: &File) -> Result<Checksum, HubError> {
    let mut content = fs::File::open(path).map_err(disk(path))?;
    let size = content.metadata().map_err(disk(path))?.len();
    let (mut sha256, mut git) = (Sha256::new(), Sha1::new());
    git.update(format!("blob {size}\0"));
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = content.read(&mut piece).map_err(disk(path))?;
        match file.checksum {
            _ if read == 0 => break,
            Checksum::Sha256(_) => sha256.update(&piece[..read]),
            Checksum::Git(_) => git.update(&piece[..read]),
        }
        yield_now().await;
    }
    Ok(match file.checksum {
        Checksum::Sha256(_) => Checksum::Sha256(hex(&sha256.finalize())),
        Checksum::Git(_) => Checksum::Git(hex(&git.finalize())),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn wrong_size(file: &File) -> HubError {
    HubError::WrongSize {
        file: file.name.clone(),
        size: file.size,
    }
}

fn truncated(file: &File, have: u64, error: &str) -> HubError {
    HubError::Truncated {
        file: file.name.clone(),
        have,
        size: file.size,
        error: error.to_owned(),
    }
}

fn unreachable(url: &Url) -> impl FnOnce(reqwest::Error) -> HubError {
    move |error| HubError::Unreachable {
        url: url.to_string(),
        error: cause(&error),
    }
}

/// The innermost of what went wrong; what is around it repeats the address.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
