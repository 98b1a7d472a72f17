//! Images into a registry: what it has is not sent again, its name comes last, and what it says that it has
//! got is compared. The registry here is small, and does what real ones do: tokens, limits, failures.

mod scene;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use scene::{RISCV64, Run, Scene, program, sha256};

/// How a registry behaves.
#[derive(Clone, Copy, Default)]
struct Ways {
    /// It wants a token, which its server gives for one scope alone.
    tokens: bool,
    /// It takes requests of at most so many bytes.
    limit: Option<usize>,
    /// It fails so often at first.
    failures: usize,
    /// It says that it has got something else.
    confused: bool,
}

#[derive(Default)]
struct State {
    blobs: BTreeMap<String, Vec<u8>>,
    /// By digest or tag.
    manifests: BTreeMap<String, Vec<u8>>,
    upload: Vec<u8>,
    asked: Vec<String>,
    failed: usize,
}

struct Registry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

const TOKEN: &str = "Bearer secret";

impl Registry {
    fn start(ways: Ways) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that goes away is none of the registry's business.
                thread::spawn(move || serve(stream, address, ways, &state).unwrap_or_default());
            }
        });
        Self { address, state }
    }

    fn name(&self) -> String {
        format!("docker://{}/team/app:1", self.address)
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("no panic before").asked)
    }
}

fn serve(stream: TcpStream, address: SocketAddr, ways: Ways, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (mut length, mut authorization, mut range) = (0, String::new(), String::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.split_once(':') else { break };
            match &name.to_ascii_lowercase()[..] {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "authorization" => value.trim().clone_into(&mut authorization),
                "content-range" => value.trim().clone_into(&mut range),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let words = line.rsplit_once(' ').map_or(&line[..], |(words, _)| words);
        let mut state = state.lock().expect("no panic before");
        state.asked.push(format!("{words} {range}").trim().to_owned());
        let (status, headers, answer) = if ways.limit.is_some_and(|limit| body.len() > limit) {
            (413, String::new(), String::new())
        } else if words.starts_with("GET /token") {
            let wanted = "scope=repository%3Ateam%2Fapp%3Apull%2Cpush";
            let token = if words.contains(wanted) { "secret" } else { "weak" };
            (200, String::new(), format!(r#"{{"token": "{token}"}}"#))
        } else if ways.tokens && authorization != TOKEN {
            let challenge = format!(
                "WWW-Authenticate: Bearer realm=\"http://{address}/token\",service=\"it\",scope=\"repository:team/app:pull,push\"\r\n"
            );
            (401, challenge, String::new())
        } else if state.failed < ways.failures {
            state.failed += 1;
            (503, String::new(), String::new())
        } else {
            let (status, headers) = answer(&mut state, ways, words, body);
            (status, headers, String::new())
        };
        drop(state);
        let (head, length) = (line.starts_with("HEAD"), answer.len());
        let text = format!("HTTP/1.1 {status} It\r\nContent-Length: {length}\r\n{headers}\r\n");
        reader.get_mut().write_all(text.as_bytes())?;
        if !head {
            reader.get_mut().write_all(answer.as_bytes())?;
        }
    }
}

fn answer(state: &mut State, ways: Ways, words: &str, body: Vec<u8>) -> (u16, String) {
    let (method, path) = words.split_once(' ').unwrap_or_default();
    let path = path.strip_prefix("/v2/team/app/").unwrap_or_default();
    let digest = |bytes: &[u8]| {
        let of = if ways.confused { sha256(b"other") } else { sha256(bytes) };
        format!("sha256:{of}")
    };
    match (method, path.split_once('/').unwrap_or_default()) {
        ("HEAD", ("blobs", name)) => (if state.blobs.contains_key(name) { 200 } else { 404 }, String::new()),
        ("POST", ("blobs", "uploads/")) => {
            state.upload.clear();
            (202, "Location: /v2/team/app/blobs/uploads/1?state=0\r\n".to_owned())
        }
        ("PATCH", ("blobs", _)) => {
            state.upload.extend(body);
            let at = state.upload.len();
            (202, format!("Location: /v2/team/app/blobs/uploads/1?state={at}\r\n"))
        }
        ("PUT", ("blobs", name)) => {
            let wanted =
                name.rsplit_once("&digest=").map(|(_, digest)| digest.to_owned()).unwrap_or_default();
            let bytes = std::mem::take(&mut state.upload);
            if format!("sha256:{}", sha256(&bytes)) != wanted {
                return (400, String::new());
            }
            let said = digest(&bytes);
            state.blobs.insert(wanted, bytes);
            (201, format!("Docker-Content-Digest: {said}\r\n"))
        }
        ("PUT", ("manifests", name)) => {
            // What it names must be there (the distribution specification, "Pushing Manifests").
            let text = String::from_utf8_lossy(&body).into_owned();
            let named = text.split("sha256:").skip(1).map(|rest| format!("sha256:{}", &rest[..64]));
            for name in named {
                if !state.blobs.contains_key(&name) && !state.manifests.contains_key(&name) {
                    return (404, String::new());
                }
            }
            let said = digest(&body);
            state.manifests.insert(name.to_owned(), body);
            (201, format!("Docker-Content-Digest: {said}\r\n"))
        }
        _ => (404, String::new()),
    }
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    scene.run(["pack", "app", "--hosts", "riscv64", "-o", "bundle"]).ok();
    scene
}

fn push(scene: &Scene, registry: &Registry, more: &[&str]) -> Run {
    let mut command = scene.unibin();
    // Nothing of the tester's: credentials, proxies.
    command.env("HOME", scene.at("w")).env_remove("XDG_RUNTIME_DIR").env_remove("DOCKER_CONFIG");
    Run::of(&command.args(["oci", "bundle", "--push", &registry.name()]).args(more).output().expect("unibin"))
}

#[test]
fn what_is_named_is_there_before_the_name_and_what_is_there_is_not_sent_again() {
    let (scene, registry) = (scene(), Registry::start(Ways::default()));
    let told = push(&scene, &registry, &["-o", "layout"]).ok().out;
    assert!(told.contains("sent, 0 B were there"), "{told}");
    let asked = registry.asked();
    assert_eq!(asked.last().map(String::as_str), Some("PUT /v2/team/app/manifests/1"), "{asked:?}");
    let blobs = asked.iter().filter(|words| words.starts_with("PATCH")).count();
    assert_eq!(blobs, 4, "accounts, tree, what starts programs, configuration: {asked:?}");
    {
        let state = registry.state.lock().expect("no panic before");
        let index = &state.manifests["1"];
        assert!(told.contains(&format!("sha256:{}", sha256(index))), "{told}");
        for (digest, bytes) in &state.blobs {
            let name = digest.trim_start_matches("sha256:");
            let written = std::fs::read(scene.at("w/layout/blobs/sha256").join(name)).expect("a blob");
            assert!(*bytes == written);
        }
    }
    let told = push(&scene, &registry, &[]).ok().out;
    assert!(!told.contains(" 0 B were there"), "{told}");
    let asked = registry.asked();
    assert!(!asked.iter().any(|words| words.starts_with("PATCH") || words.starts_with("POST")), "{asked:?}");
}

#[test]
fn a_registry_gets_the_token_that_it_wants() {
    let (scene, registry) = (scene(), Registry::start(Ways { tokens: true, ..Ways::default() }));
    push(&scene, &registry, &[]).ok();
    let asked = registry.asked();
    assert_eq!(asked.iter().filter(|words| words.contains("/token?")).count(), 1, "once for all: {asked:?}");
    assert!(registry.state.lock().expect("no panic before").manifests.contains_key("1"));
}

#[test]
fn passing_failures_pass_and_lasting_ones_are_told() {
    let (scene, registry) = (scene(), Registry::start(Ways { failures: 2, ..Ways::default() }));
    push(&scene, &registry, &[]).ok();
    let down = Registry::start(Ways { failures: 1000, ..Ways::default() });
    push(&scene, &down, &[]).refused(1, &["cannot push", "status 503"]);
    assert!(down.state.lock().expect("no panic before").manifests.is_empty());
}

#[test]
fn pieces_fit_what_is_before_the_registry() {
    let scene = Scene::new();
    let mut noise = program(RISCV64);
    // Nothing that gzip makes smaller.
    let mut state = 1u64;
    noise.extend(
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()[4]
        })
        .take(3 << 20),
    );
    scene.write("app", &noise);
    scene.run(["pack", "app", "--hosts", "riscv64", "--level", "1", "-o", "bundle"]).ok();
    let registry = Registry::start(Ways { limit: Some(1 << 20), ..Ways::default() });
    push(&scene, &registry, &[]).refused(1, &["a request is too large for the registry", "--piece"]);
    assert!(!registry.state.lock().expect("no panic before").manifests.contains_key("1"));
    registry.asked();
    push(&scene, &registry, &["--piece", "1"]).ok();
    let asked = registry.asked();
    let ranges: Vec<&str> =
        asked.iter().filter_map(|words| Some(words.strip_prefix("PATCH ")?.split_once(' ')?.1)).collect();
    assert!(ranges.starts_with(&["0-1048575", "1048576-2097151", "2097152-3145727"]), "{asked:?}");
}

#[test]
fn a_registry_that_has_got_something_else_is_not_believed() {
    let (scene, registry) = (scene(), Registry::start(Ways { confused: true, ..Ways::default() }));
    push(&scene, &registry, &[]).refused(5, &["arrived with the digest"]);
    assert!(registry.state.lock().expect("no panic before").manifests.is_empty());
}

#[test]
fn nothing_is_sent_to_another_machine_without_tls() {
    let scene = scene();
    // Refused or unreachable, but never asked for in the clear: a port that speaks no TLS answers nothing.
    let registry = Registry::start(Ways::default());
    let name = format!("docker://localhost.localdomain:{}/team/app", registry.address.port());
    let mut command = scene.unibin();
    for variable in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    let ran = Run::of(&command.args(["oci", "bundle", "--push", &name]).output().expect("unibin"));
    ran.refused(1, &["cannot push"]);
    let asked = registry.asked();
    assert!(!asked.iter().any(|words| words.contains("/v2/")), "{asked:?}");
}
