//! Signatures by the keys of an `ssh-agent`: what it makes beside a bundle with a key of any type
//! `ssh-keygen` takes, and so do we; inside there are those of Ed25519 alone. An agent that refuses, is dead,
//! lies or says nothing is not believed, and nothing is written.

mod scene;

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use end_to_end::needs;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use scene::ssh::{field, number};
use scene::{Run, Scene, X86_64, program};

/// A bundle `app`, and a key `ann`.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("program", &program(X86_64));
    scene.words("pack program --hosts x86_64 -o app").ok();
    scene.key("ann", "ed25519", "256");
    scene
}

impl Scene {
    fn key(&self, name: &str, kind: &str, bits: &str) {
        let words = ["-q", "-t", kind, "-b", bits, "-N", "", "-C", name, "-f", name];
        self.tool("ssh-keygen", &words).ok();
        let key = String::from_utf8(self.bytes(&format!("{name}.pub"))).expect("text");
        self.write("allowed", format!("{name} {key}").as_bytes());
    }

    /// Commands with a real agent, which ends with them.
    fn with_agent(&self, words: &str) -> Run {
        let line = words.replace("unibin", env!("CARGO_BIN_EXE_unibin"));
        self.tool("setsid", &["-w", "ssh-agent", "sh", "-e", "-c", &line])
    }

    /// Signs beside `app` by the agent at `socket`.
    fn sign_by(&self, socket: &str, words: &str) -> Run {
        let mut command = self.unibin();
        command.env("SSH_AUTH_SOCK", socket).args(["sign", "app", "--key"]).args(words.split(' '));
        Run::of(&command.output().expect("unibin starts"))
    }

    fn fingerprint(&self, name: &str) -> String {
        let listed = self.tool("ssh-keygen", &["-l", "-f", name]).ok().out;
        listed.split(' ').nth(1).expect("a fingerprint").to_owned()
    }

    fn is_unsigned(&self) -> bool {
        !self.at("w/app.sig").exists()
    }
}

#[test]
fn keys_of_each_type_sign_beside_and_those_of_ed25519_alone_inside() {
    needs!("ssh-keygen", "ssh-agent");
    let scene = scene();
    let whole = scene.bytes("app");
    for (kind, bits) in
        [("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "2048"), ("rsa", "4096")]
    {
        let name = format!("{kind}-{bits}");
        scene.key(&name, kind, bits);
        let add = format!("ssh-add -q {name} && unibin sign app --key");
        // Inside, and for minisign, there are none of these.
        for how in ["ssh-agent", "ssh-agent --detach minisign", &format!("{name}.pub")] {
            let run = scene.with_agent(&format!("{add} {how}"));
            run.refused(3, &["signs beside a file only", "--detach ssh", &scene.fingerprint(&name)]);
        }
        assert!(scene.bytes("app") == whole && scene.is_unsigned(), "nothing is written");
        for which in
            ["ssh-agent", &format!("{name}.pub"), &format!("ssh-agent -K {}", scene.fingerprint(&name))]
        {
            scene.with_agent(&format!("{add} {which} --detach ssh")).ok();
            scene.checked_by_ssh(&name).ok();
            let told = scene.words(&format!("verify app --key {name}.pub")).ok().out;
            assert!(told.contains("(trusted)"), "{told}");
            scene.words("verify app --key ann.pub").refused(5, &["by none of the given keys"]);
            let ours = scene.bytes("app.sig");
            std::fs::remove_file(scene.at("w/app.sig")).expect("it is there");
            if kind == "rsa" {
                // With SHA-512, as ssh-keygen does; such a signature has no chance in it.
                scene.tool("ssh-keygen", &["-q", "-Y", "sign", "-n", "file", "-f", &name, "app"]).ok();
                assert!(scene.bytes("app.sig") == ours, "{name}");
                std::fs::remove_file(scene.at("w/app.sig")).expect("it is there");
            }
        }
        // The file of such a key: by an agent alone.
        scene
            .words(&format!("sign app --key {name} --detach ssh"))
            .refused(3, &["its key type is", "ssh-add"]);
    }
}

#[test]
fn of_several_keys_one_is_chosen_and_none_by_chance() {
    needs!("ssh-keygen", "ssh-agent");
    let scene = scene();
    scene.key("carl", "rsa", "2048");
    scene.key("dora", "ecdsa", "256");
    let add = "ssh-add -q carl dora && unibin sign app --key";
    let several =
        ["the agent has several keys", "carl (ssh-rsa)", "dora (ecdsa-sha2-nistp256)", "-K SHA256:"];
    scene.with_agent(&format!("{add} ssh-agent --detach ssh")).refused(3, &several);
    scene.with_agent(&format!("{add} ssh-agent -K nobody --detach ssh")).refused(3, &["one key `nobody`"]);
    scene.with_agent(&format!("{add} ann.pub --detach ssh")).refused(3, &["does not have one key `SHA256:"]);
    for which in ["carl.pub".to_owned(), "ssh-agent -K carl".to_owned()] {
        scene.with_agent(&format!("{add} {which} --detach ssh")).ok();
        scene.words("verify app --key carl.pub").ok();
    }
    scene.with_agent(&format!("{add} ssh-agent -K {} --detach ssh", scene.fingerprint("dora"))).ok();
    scene.words("verify app --key dora.pub").ok();
    // One of Ed25519 among them is the one that also signs inside.
    scene.with_agent(&format!("ssh-add -q ann && {add} ssh-agent --detach ssh")).ok();
    scene.words("verify app --key ann.pub").ok();
    scene.with_agent(&format!("ssh-add -q ann && {add} ssh-agent")).ok();
    scene
        .with_agent(
            "ssh-add -q ann carl && printf 'x\nx\n' | ssh-add -q -x && unibin sign app --key ssh-agent",
        )
        .refused(3, &["the agent has no key", "ssh-add -X"]);
    // Nobody is there to confirm.
    scene
        .with_agent("ssh-add -q -c carl && unibin sign app --key ssh-agent --detach ssh")
        .refused(1, &["the agent refuses to sign", "confirmed"]);
}

fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().expect("a length");
    rest.split_at(usize::try_from(u32::from_be_bytes(*length)).expect("small"))
}

/// An agent at `socket` that answers each message as it is told; no answer ends the connection.
fn agent(socket: &Path, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) {
    let listener = UnixListener::bind(socket).expect("a socket");
    let serve = move |mut stream: UnixStream| loop {
        let mut length = [0; 4];
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut message = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("small")];
        stream.read_exact(&mut message).expect("a message");
        let Some(answer) = answer(&message) else { return };
        let _ = stream.write_all(&answer); // whoever has read enough may be gone
    };
    thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.expect("a caller"))));
}

/// The answer that lists one key.
fn listed(key: &[u8]) -> Vec<u8> {
    field(&[&[12, 0, 0, 0, 1][..], &field(key), &field(b"liar")].concat())
}

fn wire(public: &str) -> Vec<u8> {
    STANDARD.decode(public.split(' ').nth(1).expect("a key")).expect("base64")
}

#[test]
fn a_key_in_a_token_signs_as_its_agent_says() {
    needs!("ssh-keygen");
    let scene = scene();
    let sha256 = |bytes: &[u8]| scene::sha256(bytes).0;
    let p256 = p256::ecdsa::SigningKey::from_slice(&[6; 32]).expect("a key");
    let point = p256.verifying_key().to_encoded_point(false);
    let kind = b"sk-ecdsa-sha2-nistp256@openssh.com";
    let key = [field(kind), field(b"nistp256"), field(point.as_bytes()), field(b"ssh:")].concat();
    let public = format!("{} {}\n", String::from_utf8_lossy(kind), STANDARD.encode(&key));
    scene.write("allowed", format!("ann {public}").as_bytes());
    scene.write("token.pub", public.as_bytes());
    agent(&scene.at("agent"), move |message| {
        if message == [11] {
            return Some(listed(&key));
        }
        let (_, rest) = string(&message[1..]);
        let (signed, _) = string(rest);
        // What a token signs: its purpose, whether somebody has touched it, a count, the message.
        let signed = [&sha256(b"ssh:")[..], &[1, 0, 0, 0, 7], &sha256(signed)].concat();
        let signature: p256::ecdsa::Signature = p256.sign_prehash(&sha256(&signed)).expect("a signature");
        let (r, s) = signature.split_bytes();
        let numbers = field(&[number(&r), number(&s)].concat());
        let blob = [field(kind), numbers, vec![1, 0, 0, 0, 7]].concat();
        Some(field(&[&[14][..], &field(&blob)].concat()))
    });
    let socket = scene.at("agent").display().to_string();
    for key in ["ssh-agent", "token.pub"] {
        scene.sign_by(&socket, &format!("{key} --detach ssh")).ok();
        scene.checked_by_ssh("ann").ok();
        scene.words("verify app --key token.pub").ok();
    }
    scene.sign_by(&socket, "token.pub").refused(3, &["sk-ecdsa", "signs beside a file only"]);
}

#[test]
fn an_agent_that_lies_is_not_believed() {
    needs!("ssh-keygen");
    let scene = scene();
    scene.key("carl", "rsa", "2048");
    let [ann, carl] = ["ann.pub", "carl.pub"].map(|name| wire(&String::from_utf8_lossy(&scene.bytes(name))));
    let signed = |kind: &[u8], bytes: &[u8]| {
        field(&[&[14][..], &field(&[field(kind), field(bytes)].concat())].concat())
    };
    let ed25519 = signed(b"ssh-ed25519", &[7; 64]);
    let wrong = ["it is not a signature of this file by that key", "do not use this agent"];
    let refuses = ["the agent refuses to sign"];
    let none = ["does not return a signature"];
    let cases: [(&[u8], Vec<u8>, &[&str]); 11] = [
        (&ann, ed25519.clone(), &wrong),
        (&ann, signed(b"ssh-ed25519", &[7; 63]), &wrong),
        (&ann, signed(b"rsa-sha2-512", &[7; 256]), &wrong),
        (&carl, ed25519.clone(), &wrong),
        (&carl, signed(b"rsa-sha2-512", &[7; 256]), &wrong),
        (&carl, signed(b"ssh-rsa", &[7; 256]), &["the agent signs with ssh-rsa with SHA-1"]),
        (&ann, field(&[5]), &refuses),
        (&ann, field(&[102]), &refuses),
        (&ann, field(&[]), &none),
        (&ann, field(&[14, 0, 0, 1, 0, 0]), &none),
        (&ann, b"\xff\xff\xff\xff".to_vec(), &["its answer is too long"]),
    ];
    for (number, (key, answer, texts)) in cases.into_iter().enumerate() {
        let socket = scene.at(format!("agent-{number}"));
        let key = key.to_owned();
        agent(&socket, move |message| Some(if message == [11] { listed(&key) } else { answer.clone() }));
        scene.sign_by(&socket.display().to_string(), "ssh-agent --detach ssh").refused(1, texts);
        assert!(scene.is_unsigned(), "case {number}");
    }
    // About its keys: more than there are, none of a known type, none at all.
    let many = field(&[&[12, 255, 255, 255, 255][..], &field(&ann), &field(b"ann")].concat());
    let lists: [(&[u8], i32, &str); 5] = [
        (&many, 1, "it does not list its keys"),
        (&listed(&field(b"ssh-dss")), 3, "the agent has no key"),
        (&field(&[12, 0, 0, 0, 0]), 3, "the agent has no key"),
        (&field(&[5]), 1, "it refuses to list its keys"),
        (&[0, 0], 1, "the agent does not answer"),
    ];
    for (number, (answer, code, text)) in lists.into_iter().enumerate() {
        let socket = scene.at(format!("lists-{number}"));
        let answer = answer.to_owned();
        // One answer, and the connection ends.
        let listener = UnixListener::bind(&socket).expect("a socket");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            stream.read_exact(&mut [0; 5]).expect("a message");
            stream.write_all(&answer).expect("sent");
        });
        scene.sign_by(&socket.display().to_string(), "ssh-agent --detach ssh").refused(code, &[text]);
    }
    assert!(scene.is_unsigned());
}

#[test]
fn an_agent_that_is_dead_or_says_nothing_is_named() {
    needs!("ssh-keygen", "minutes");
    let scene = scene();
    let dead = scene.at("dead").display().to_string();
    let texts = ["there is no agent at `", "dead`", "ssh-add -l"];
    scene.sign_by(&dead, "ssh-agent").refused(1, &texts);
    drop(UnixListener::bind(&dead).expect("a socket"));
    scene.sign_by(&dead, "ssh-agent").refused(1, &texts);
    scene.sign_by("", "ssh-agent").refused(1, &["SSH_AUTH_SOCK is not set"]);
    // It takes what it is told, and never answers.
    let silent = scene.at("silent").display().to_string();
    let _listener = UnixListener::bind(&silent).expect("a socket");
    scene.sign_by(&silent, "ssh-agent").refused(1, &["silent` is open, and nothing comes of it"]);
}
