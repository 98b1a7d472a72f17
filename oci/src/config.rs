//! An image's configuration (the OCI image specification, "Image Configuration"): how its program is started.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::descriptor::{BlobDigest, Claim};
use crate::json;

/// The value of `PATH` if an image does not set it, as with Docker.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How an image's program is started, as its author wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `NAME|UID[:GROUP|GID]`; empty for root.
    pub user: String,
    /// Environment variables, each as `NAME=VALUE`.
    pub environment: Vec<String>,
    /// The program and its first arguments; empty if the image names none.
    pub entrypoint: Vec<String>,
    /// Default arguments, which the caller's replace; if there is no entry point, program and arguments.
    pub command: Vec<String>,
    /// The working directory; empty for the root.
    pub directory: String,
    /// The signal that ends it, as written; empty for none.
    pub stop_signal: String,
    /// Directories that are meant to outlive a container.
    pub volumes: Vec<String>,
    /// Ports that it listens on.
    pub ports: Vec<String>,
}

/// A whole configuration.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) claim: Claim,
    /// SHA-256 of each layer, uncompressed.
    pub(crate) diff_ids: Vec<BlobDigest>,
    pub(crate) config: Config,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(flatten)]
    claim: Claim,
    #[serde(default)]
    config: Option<Inner>,
    #[serde(default)]
    rootfs: Option<Roots>,
}

#[derive(Deserialize)]
struct Roots {
    #[serde(default)]
    diff_ids: Option<Vec<BlobDigest>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Inner {
    user: Option<String>,
    env: Option<Vec<String>>,
    entrypoint: Option<Words>,
    cmd: Option<Words>,
    working_dir: Option<String>,
    stop_signal: Option<String>,
    volumes: Option<BTreeMap<String, json::Any>>,
    exposed_ports: Option<BTreeMap<String, json::Any>>,
}

/// Docker once wrote a single word without brackets.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
}

fn words(words: Option<Words>) -> Vec<String> {
    match words {
        Some(Words::One(word)) => vec![word],
        Some(Words::Several(words)) => words,
        None => Vec::new(),
    }
}

impl Document {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let Raw { claim, config, rootfs } = json::read(bytes)?;
        let inner = config.unwrap_or_default();
        let names = |map: Option<BTreeMap<String, json::Any>>| map.unwrap_or_default().into_keys().collect();
        let config = Config {
            user: inner.user.unwrap_or_default(),
            environment: inner.env.unwrap_or_default(),
            entrypoint: words(inner.entrypoint),
            command: words(inner.cmd),
            directory: inner.working_dir.unwrap_or_default(),
            stop_signal: inner.stop_signal.unwrap_or_default(),
            volumes: names(inner.volumes),
            ports: names(inner.exposed_ports),
        };
        let diff_ids = rootfs.and_then(|roots| roots.diff_ids).unwrap_or_default();
        Ok(Self { claim, diff_ids, config })
    }
}

/// Names in the order of their numbers, from 1 (signal(7); the numbers of x86 and Arm).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// What the C library leaves of the real-time signals.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

/// The number of a signal: `15`, `SIGTERM`, `TERM`, `SIGRTMIN+3`.
pub fn signal(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=RTMAX).contains(&number).then_some(number);
    }
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let apart = |rest: &str, sign: char| match rest {
        "" => Some(0),
        rest => rest.strip_prefix(sign)?.parse::<u8>().ok(),
    };
    let real_time = |number: Option<u8>| number.filter(|number| (RTMIN..=RTMAX).contains(number));
    match name {
        "IOT" => Some(6),
        "POLL" => Some(29),
        _ if let Some(rest) = name.strip_prefix("RTMIN") => real_time(RTMIN.checked_add(apart(rest, '+')?)),
        _ if let Some(rest) = name.strip_prefix("RTMAX") => real_time(RTMAX.checked_sub(apart(rest, '-')?)),
        _ => SIGNALS.iter().zip(1..).find(|(known, _)| **known == name).map(|(_, number)| number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [
            ("SIGTERM", Some(15)),
            ("TERM", Some(15)),
            ("9", Some(9)),
            ("SIGWINCH", Some(28)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("SIGRTMIN", Some(34)),
            ("0", None),
            ("65", None),
            ("SIGRTMIN+31", None),
            ("RTMAX-40", None),
            ("SIGNOTHING", None),
            ("", None),
        ] {
            assert_eq!(signal(text), number, "{text}");
        }
    }

    #[test]
    fn what_docker_writes_is_read_and_what_is_null_is_not_there() {
        let text = br#"{"architecture":"arm","variant":"v7","os":"linux","config":{"User":"www-data","Env":["A=b"],
            "Entrypoint":"/run.sh","Cmd":null,"WorkingDir":"/srv","StopSignal":"SIGQUIT","Volumes":{"/data":{}},
            "ExposedPorts":{"80/tcp":{}},"Healthcheck":{"Test":["x"]}},"rootfs":{"type":"layers","diff_ids":null}}"#;
        let Document { claim, diff_ids, config } = Document::read(text).expect("a configuration");
        assert_eq!(claim.shown(), "linux/arm/v7");
        assert!(diff_ids.is_empty() && config.command.is_empty());
        assert_eq!(
            (config.entrypoint, config.volumes, config.ports),
            (vec!["/run.sh".to_owned()], vec!["/data".to_owned()], vec!["80/tcp".to_owned()])
        );
        assert!(Document::read(br#"{"os":"linux","config":null}"#).is_ok());
        assert!(
            Document::read(b"[]").is_err() && Document::read(br#"{"rootfs":{"diff_ids":["x"]}}"#).is_err()
        );
    }
}
