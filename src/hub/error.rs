//! What can go wrong with a pull, with the next step.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::language::{Language, Phrase};

/// A model of the hub could not be pulled.
#[derive(Debug)]
pub enum HubError {
    /// The environment says to stay offline, and the model is not here.
    Offline {
        /// `owner/name`.
        repository: String,
    },
    /// `HF_ENDPOINT` is no address.
    BadEndpoint {
        /// What it says.
        endpoint: String,
    },
    /// The hub wants to know who asks: a private repository, or none of that name.
    Unauthorised {
        /// `owner/name`.
        repository: String,
    },
    /// The makers' licence is to be accepted first.
    Gated {
        /// `owner/name`.
        repository: String,
        /// Where that is done.
        page: String,
    },
    /// No such repository or revision.
    NotThere {
        /// `owner/name`.
        repository: String,
        /// Branch, tag or commit.
        revision: String,
    },
    /// The repository holds no ONNX graph.
    NoGraph {
        /// `owner/name`.
        repository: String,
    },
    /// It holds several graphs, none with a usual name.
    WhichGraph {
        /// `owner/name`.
        repository: String,
        /// All of them.
        graphs: Vec<String>,
    },
    /// It lacks a file that is needed.
    NoFile {
        /// `owner/name`.
        repository: String,
        /// The file.
        file: String,
        /// The graphs that are there, where a graph was asked for.
        graphs: Vec<String>,
    },
    /// The answer is not what a hub says.
    BadAnswer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        error: String,
    },
    /// A name in the listing leads out of the model's folder.
    UnsafeName {
        /// The name.
        name: String,
    },
    /// What arrived is not what the listing promised.
    Checksum {
        /// The file.
        file: String,
        /// By the listing.
        expected: String,
        /// Of what arrived.
        found: String,
    },
    /// The connection ended before the file did.
    Truncated {
        /// The file.
        file: String,
        /// Bytes that are here.
        have: u64,
        /// Bytes that it has.
        size: u64,
        /// What happened.
        error: String,
    },
    /// The file is longer or shorter than the listing says.
    WrongSize {
        /// The file.
        file: String,
        /// By the listing.
        size: u64,
    },
    /// The hub answers with an error of its own.
    Unavailable {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// There is no answer.
    Unreachable {
        /// What was asked for.
        url: String,
        /// What happened.
        error: String,
    },
    /// Neither a home folder nor a variable says where models are kept.
    NoCache,
    /// A file could not be written or read.
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl HubError {
    /// Whether another try may do better.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            HubError::Truncated { .. } | HubError::Unreachable { .. } => true,
            HubError::Unavailable { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// For operators: what is wrong and what to do.
    pub fn explain(&self) -> Phrase {
        let (problem, next) = (self.problem(), self.next());
        Phrase::new(
            format!("{}。\n下一步：{}。", problem.zh, next.zh),
            format!("{}.\nNext: {}.", problem.en, next.en),
        )
    }

    fn problem(&self) -> Phrase {
        match self {
            HubError::Offline { repository } => Phrase::new(
                format!("模型 {repository} 不在本机，而环境变量要求离线"),
                format!(
                    "the model {repository} is not on this machine, and the environment says to stay offline"
                ),
            ),
            HubError::BadEndpoint { endpoint } => Phrase::new(
                format!("HF_ENDPOINT 不是网址：\"{endpoint}\""),
                format!("HF_ENDPOINT is no address: \"{endpoint}\""),
            ),
            HubError::Unauthorised { repository } => Phrase::new(
                format!("模型仓库 {repository} 不存在，或不公开"),
                format!("there is no repository {repository}, or it is private"),
            ),
            HubError::Gated { repository, .. } => Phrase::new(
                format!("模型仓库 {repository} 要先接受许可证才能下载"),
                format!("the repository {repository} is open to those only who accept its licence"),
            ),
            HubError::NotThere {
                repository,
                revision,
            } => Phrase::new(
                format!("没有模型仓库 {repository}，或它没有 {revision} 这个版本"),
                format!("there is no repository {repository}, or it has no revision {revision}"),
            ),
            HubError::NoGraph { repository } => Phrase::new(
                format!("模型仓库 {repository} 里没有 ONNX 文件"),
                format!("the repository {repository} holds no ONNX file"),
            ),
            HubError::WhichGraph { repository, graphs } => Phrase::new(
                format!(
                    "模型仓库 {repository} 里有几个 ONNX 文件：{}",
                    graphs.join("、")
                ),
                format!(
                    "the repository {repository} holds several ONNX files: {}",
                    graphs.join(", ")
                ),
            ),
            HubError::NoFile {
                repository, file, ..
            } => Phrase::new(
                format!("模型仓库 {repository} 里没有 {file}"),
                format!("the repository {repository} lacks {file}"),
            ),
            HubError::BadAnswer { url, error } => Phrase::new(
                format!("{url} 的答复不像模型仓库的：{error}"),
                format!("the answer of {url} is not a hub's: {error}"),
            ),
            HubError::UnsafeName { name } => Phrase::new(
                format!("模型仓库里的文件名 \"{name}\" 指向模型文件夹之外"),
                format!(
                    "the repository names a file \"{name}\", which leads out of the model's folder"
                ),
            ),
            HubError::Checksum {
                file,
                expected,
                found,
            } => Phrase::new(
                format!("{file} 下载后的校验和是 {found}，应为 {expected}；已删除"),
                format!(
                    "{file} arrived with the checksum {found} in place of {expected}, and is deleted"
                ),
            ),
            HubError::Truncated {
                file,
                have,
                size,
                error,
            } => Phrase::new(
                format!("{file} 只收到 {have} / {size} 字节：{error}"),
                format!("of {file} {have} of {size} bytes arrived: {error}"),
            ),
            HubError::WrongSize { file, size } => Phrase::new(
                format!("{file} 不是清单所说的 {size} 字节；已删除"),
                format!("{file} has not the {size} bytes that the listing says, and is deleted"),
            ),
            HubError::Unavailable { url, status } => Phrase::new(
                format!("{url} 答复 HTTP {status}"),
                format!("{url} answers with HTTP {status}"),
            ),
            HubError::Unreachable { url, error } => Phrase::new(
                format!("连不上 {url}：{error}"),
                format!("{url} cannot be reached: {error}"),
            ),
            HubError::NoCache => Phrase::new(
                "不知道模型放在哪里：没有主目录",
                "there is no home folder to keep models in",
            ),
            HubError::Disk { path, error } => Phrase::new(
                format!("{} 无法读写：{error}", path.display()),
                format!("{} cannot be written or read: {error}", path.display()),
            ),
        }
    }

    fn next(&self) -> Phrase {
        match self {
            HubError::Offline { repository } => Phrase::new(
                format!(
                    "去掉 HF_HUB_OFFLINE，或在能联网的机器上运行 `intentgate model pull {repository}`，再把缓存文件夹拷过来"
                ),
                format!(
                    "unset HF_HUB_OFFLINE, or run `intentgate model pull {repository}` where there is a network and copy the cache folder"
                ),
            ),
            HubError::BadEndpoint { .. } => Phrase::new(
                "写如 https://hub.example.com，或去掉它",
                "write https://hub.example.com or the like, or unset it",
            ),
            HubError::Unauthorised { .. } => Phrase::new(
                "检查 model.hub 的拼写；不公开的仓库要用 HF_TOKEN 给出有权限的令牌",
                "check the spelling in model.hub; for a private repository set HF_TOKEN to a token that may read it",
            ),
            HubError::Gated { page, .. } => Phrase::new(
                format!("在 {page} 接受许可证，再用 HF_TOKEN 给出该帐号的令牌"),
                format!(
                    "accept the licence at {page}, then set HF_TOKEN to a token of that account"
                ),
            ),
            HubError::NotThere { .. } => Phrase::new(
                "检查 model.hub 和 model.revision 的拼写",
                "check the spelling in model.hub and model.revision",
            ),
            HubError::NoGraph { .. } => Phrase::new(
                "换一个有 ONNX 文件的仓库，或按 docs/models.zh-CN.md 导出后用 model.path",
                "name a repository with an ONNX file, or export the model as docs/models.md says and use model.path",
            ),
            HubError::WhichGraph { .. } => Phrase::new(
                "用 model.file 指定其中一个",
                "name one of them with model.file",
            ),
            HubError::NoFile { graphs, .. } if !graphs.is_empty() => Phrase::new(
                format!("用 model.file 指定其中一个：{}", graphs.join("、")),
                format!("name one of these with model.file: {}", graphs.join(", ")),
            ),
            HubError::NoFile { .. } => Phrase::new(
                "换一个含有该文件的仓库，或按 docs/models.zh-CN.md 导出后用 model.path",
                "name a repository that holds it, or export the model as docs/models.md says and use model.path",
            ),
            HubError::BadAnswer { .. } => {
                Phrase::new("检查 HF_ENDPOINT 和代理", "check HF_ENDPOINT and the proxy")
            }
            HubError::UnsafeName { .. } => {
                Phrase::new("不要用这个仓库", "do not use this repository")
            }
            HubError::Checksum { .. } | HubError::WrongSize { .. } => Phrase::new(
                "再试一次；若仍如此，检查 HF_ENDPOINT 和代理",
                "try again; where it stays so, check HF_ENDPOINT and the proxy",
            ),
            HubError::Truncated { .. } => Phrase::new(
                "再试一次，会从断处接着下载",
                "try again, which goes on where it ended",
            ),
            HubError::Unavailable { .. } => Phrase::new(
                "稍后再试；已收到的部分会留着",
                "try again later; what has arrived is kept",
            ),
            HubError::Unreachable { .. } => Phrase::new(
                "检查网络和 HTTPS_PROXY，或用 HF_ENDPOINT 指定镜像",
                "check the network and HTTPS_PROXY, or name a mirror with HF_ENDPOINT",
            ),
            HubError::NoCache => Phrase::new("用 HF_HOME 指定文件夹", "name a folder with HF_HOME"),
            HubError::Disk { .. } => Phrase::new(
                "腾出空间或检查权限，或用 HF_HOME 指定别的文件夹",
                "make room or check the permissions, or name another folder with HF_HOME",
            ),
        }
    }
}

/// What the system said of a file.
pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> HubError {
    move |error| HubError::Disk {
        path: path.to_path_buf(),
        error,
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explain().text(Language::of_environment()))
    }
}

impl std::error::Error for HubError {}
