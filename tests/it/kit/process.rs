//! A gateway in a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use http::StatusCode;
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::{Answer, Upstream, config_text, intents};
use crate::commands::{BINARY, intentgate_by};

const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway in a process of its own, with a folder that holds its intents and its configuration.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) folder: TempDir,
    log: Lines<BufReader<ChildStderr>>,
    manager: UnixDatagram,
    client: reqwest::Client,
    base: String,
    admin: String,
}

impl Process {
    pub(crate) async fn start(upstream: &Upstream, keys: &str) -> Process {
        Process::start_by(Command::new(BINARY), upstream, keys).await
    }

    /// The same, started by `command`.
    pub(crate) async fn start_by(command: Command, upstream: &Upstream, keys: &str) -> Process {
        let folder = intents::folder();
        let file = folder.path().join("config.conf");
        fs::write(&file, config_text(folder.path(), &upstream.url(), keys)).unwrap();
        let manager = UnixDatagram::bind(folder.path().join("manager")).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = intentgate_by(command, &["--config", file.to_str().unwrap(), "serve"]).0;
        command.env("NOTIFY_SOCKET", folder.path().join("manager"));
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut process = Process {
            child,
            folder,
            log,
            manager,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            base: String::new(),
            admin: String::new(),
        };
        let address = |line: String| {
            line.split("http://")
                .nth(1)
                .unwrap()
                .split('/')
                .next()
                .unwrap()
                .to_owned()
        };
        process.base = address(process.says("base URL"));
        process.admin = address(process.says("admin "));
        assert_eq!(process.tells(), "READY=1");
        process
    }

    /// The next line of the log that holds `text`.
    pub(crate) fn says(&mut self, text: &str) -> String {
        block_in_place(|| {
            let mut lines = self.log.by_ref().map_while(Result::ok);
            let line = lines.find(|line| line.contains(text));
            line.unwrap_or_else(|| panic!("it never says {text:?}"))
        })
    }

    /// The next word to the service manager.
    pub(crate) fn tells(&self) -> String {
        let mut word = [0; 256];
        let length = block_in_place(|| self.manager.recv(&mut word)).unwrap();
        String::from_utf8_lossy(&word[..length]).trim().to_owned()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let sent = kill.args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) async fn ready(&self) -> StatusCode {
        self.admin("/readyz").await.status
    }

    /// The reply of the operators' side.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.admin);
        Answer::to(self.client.get(url)).await
    }

    /// The value of one series.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.admin("/metrics").await.text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("no {series}"))
            .parse()
            .unwrap()
    }

    pub(crate) fn ask(&self, request: &serde_json::Value) -> reqwest::RequestBuilder {
        let url = format!("http://{}/v1/chat/completions", self.base);
        self.client.post(url).body(request.to_string())
    }

    pub(crate) fn ends_well(mut self) {
        let ended = block_in_place(|| self.child.wait()).unwrap();
        assert!(ended.success(), "{ended}");
    }
}

/// A test that fails leaves none behind.
impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
