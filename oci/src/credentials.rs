//! Credentials as `docker login`, `podman login` and `skopeo login` leave them (containers-auth.json(5)): in
//! a file, or with a helper of the user's own, the one program that this crate executes.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::base64;
use crate::error::OciError;
use crate::json;
use crate::reference::Name;

/// The name of Docker's own registry in credential files.
const DOCKERS: &str = "https://index.docker.io/v1/";

/// The user name that helpers give with an identity token.
const TOKEN: &str = "<token>";

/// Credentials for a registry or its token server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    Password {
        user: String,
        secret: String,
    },
    /// An identity token, to be exchanged for an access token.
    Identity(String),
}

impl Login {
    /// The header for the Basic scheme.
    pub(crate) fn basic(&self) -> Option<String> {
        match self {
            Self::Password { user, secret } => {
                Some(format!("Basic {}", base64::encode(format!("{user}:{secret}").as_bytes())))
            }
            Self::Identity(_) => None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// What a helper prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// The credentials for `name`; `None` if there are none.
pub(crate) fn find(name: &Name) -> Result<Option<Login>, OciError> {
    for path in files() {
        let Ok(bytes) = fs::read(&path) else { continue };
        let failed = |why: String| OciError::Credentials {
            registry: name.registry.clone(),
            why: format!("{}: {why}", path.to_string_lossy()),
        };
        let file: File = json::read(&bytes).map_err(failed)?;
        if let Some(login) = in_file(&file, name).map_err(failed)? {
            return Ok(Some(login));
        }
    }
    Ok(None)
}

/// Where they may be, in the order in which they are asked.
fn files() -> Vec<PathBuf> {
    let directory = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let docker = directory("DOCKER_CONFIG").or_else(|| directory("HOME").map(|home| home.join(".docker")));
    [
        directory("REGISTRY_AUTH_FILE"),
        directory("XDG_RUNTIME_DIR").map(|runtime| runtime.join("containers/auth.json")),
        docker.map(|docker| docker.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a file may call a registry, the most exact first.
fn keys(name: &Name) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = format!("{}/{}", name.registry, name.repository);
    while path.contains('/') {
        keys.push(path.clone());
        path.truncate(path.rfind('/').unwrap_or_default());
    }
    if name.registry == "docker.io" {
        keys.push(DOCKERS.to_owned());
        keys.push("index.docker.io".to_owned());
    }
    let host = &name.registry;
    keys.extend([
        host.clone(),
        format!("https://{host}"),
        format!("https://{host}/"),
        format!("http://{host}"),
    ]);
    keys.extend(["v1", "v2"].map(|version| format!("https://{host}/{version}/")));
    keys
}

fn in_file(file: &File, name: &Name) -> Result<Option<Login>, String> {
    let asked = if name.registry == "docker.io" { DOCKERS } else { &name.registry };
    let helper = [asked, &name.registry].into_iter().find_map(|key| file.cred_helpers.get(key));
    if let Some(helper) = helper {
        return ask(helper, asked);
    }
    for auth in keys(name).iter().filter_map(|key| file.auths.get(key)) {
        if !auth.identitytoken.is_empty() {
            return Ok(Some(Login::Identity(auth.identitytoken.clone())));
        }
        if !auth.auth.is_empty() {
            let text = base64::decode(&auth.auth).and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = text.as_deref().and_then(|text| text.split_once(':'));
            let (user, secret) = pair.ok_or("an entry of `auths` is not `user:password` in base64")?;
            let secret = secret.trim_end_matches('\0');
            return Ok(Some(Login::Password { user: user.to_owned(), secret: secret.to_owned() }));
        }
        if !auth.username.is_empty() {
            let (user, secret) = (auth.username.clone(), auth.password.clone());
            return Ok(Some(Login::Password { user, secret }));
        }
    }
    match &file.creds_store[..] {
        "" => Ok(None),
        helper => ask(helper, asked),
    }
}

/// Asks `docker-credential-HELPER` (<https://github.com/docker/docker-credential-helpers>).
fn ask(helper: &str, registry: &str) -> Result<Option<Login>, String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if !helper.chars().all(is_name) {
        return Err(format!("`{}` is no name of a helper", helper.escape_debug()));
    }
    let program = format!("docker-credential-{helper}");
    let failed = |error: std::io::Error| format!("`{program}` cannot be run: {error}");
    let mut command = Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut to) = child.stdin.take() {
        // One that does not read has its answer.
        let _ = to.write_all(registry.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        if text.contains("credentials not found") {
            return Ok(None);
        }
        // What it prints may be a secret.
        return Err(format!("`{program} get` failed"));
    }
    let Helped { username, secret } =
        json::read(&output.stdout).map_err(|_| format!("`{program} get` gave no credentials"))?;
    Ok(Some(if username == TOKEN {
        Login::Identity(secret)
    } else {
        Login::Password { user: username, secret }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(registry: &str, repository: &str) -> Name {
        Name {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: "t".to_owned(),
            digest: None,
        }
    }

    fn login(text: &str, registry: &str) -> Result<Option<Login>, String> {
        in_file(&json::read(text.as_bytes()).expect("a file"), &name(registry, "team/app"))
    }

    #[test]
    fn an_entry_is_for_its_registry_alone_and_the_most_exact_counts() {
        let password = |user: &str, secret: &str| {
            Some(Login::Password { user: user.to_owned(), secret: secret.to_owned() })
        };
        let text = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnB3"},
            "localhost:5000": {"auth": "dXNlcjpwOnc="},
            "ghcr.io/team": {"auth": "dGVhbTp4"}, "ghcr.io": {"auth": "YWxsOng="},
            "quay.io": {"identitytoken": "abc"}, "bad.example": {"auth": "***"}, "empty.example": {}}}"#;
        assert_eq!(login(text, "docker.io"), Ok(password("hub", "pw")));
        assert_eq!(login(text, "localhost:5000"), Ok(password("user", "p:w")));
        assert_eq!(login(text, "ghcr.io"), Ok(password("team", "x")));
        assert_eq!(login(text, "quay.io"), Ok(Some(Login::Identity("abc".to_owned()))));
        assert_eq!((login(text, "localhost:5001"), login(text, "empty.example")), (Ok(None), Ok(None)));
        assert!(login(text, "bad.example").is_err());
        assert!(login(r#"{"credHelpers": {"a.example": "../x"}}"#, "a.example").is_err());
        assert_eq!(login(r#"{"credHelpers": {"a.example": "../x"}}"#, "b.example"), Ok(None));
    }
}
