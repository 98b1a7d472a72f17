//! Keys of OpenSSH that sign by an agent alone, ECDSA, RSA and those in tokens: what `ssh-keygen` takes
//! beside a bundle `unibin verify` takes, and what it refuses is refused.

mod scene;

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use end_to_end::needs;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use scene::ssh::{field, number};
use scene::{Scene, X86_64, program};

impl Scene {
    fn sha512(&self, name: &str) -> Vec<u8> {
        signing::prehash(self.bytes(name).as_slice(), signing::Prehash::Sha512).expect("bytes in memory")
    }
}

/// A bundle `app`, and keys `ann` and `bob` that sign.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("program", &program(X86_64));
    scene.words("pack program --hosts x86_64 -o app").ok();
    for name in ["ann", "bob"] {
        scene.tool("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]).ok();
    }
    scene
}

#[test]
fn keys_of_openssh_that_do_not_sign_here_are_checked_beside() {
    needs!("ssh-keygen");
    let scene = scene();
    for (kind, bits, hash) in [
        ("ecdsa", "256", "sha512"),
        ("ecdsa", "384", "sha256"),
        ("ecdsa", "521", "sha512"),
        ("rsa", "2048", "sha256"),
        ("rsa", "3072", "sha512"),
    ] {
        let name = format!("{kind}-{bits}");
        scene.tool("ssh-keygen", &["-q", "-t", kind, "-b", bits, "-N", "", "-f", &name]).ok();
        let option = format!("hashalg={hash}");
        scene.tool("ssh-keygen", &["-q", "-Y", "sign", "-n", "file", "-O", &option, "-f", &name, "app"]).ok();
        let key = String::from_utf8(scene.bytes(&format!("{name}.pub"))).expect("text");
        scene.write("allowed", format!("ann {key}").as_bytes());
        scene.checked_by_ssh("ann").ok();

        let listed = scene.tool("ssh-keygen", &["-l", "-f", &name]).ok().out;
        let fingerprint = listed.split(' ').nth(1).expect("a fingerprint");
        let told = scene.words("verify app").ok().out;
        assert!(told.contains(&format!("app.sig: signed by {fingerprint} (not trusted")), "{name}: {told}");
        scene.words("verify app --require-signature").ok();
        scene.words("verify app --key ann.pub").refused(5, &["by none of the given keys"]);
        let told = scene.words(&format!("verify app --key {name}.pub")).ok().out;
        assert!(told.contains("(trusted)"), "{name}: {told}");
        scene.run(["verify", "app", "--key", key.trim()]).ok();
        let told = scene.words("verify app --allowed-signers allowed -I ann").ok().out;
        assert!(told.contains("(trusted: ann)"), "{name}: {told}");

        // Of another file; and with a changed byte of the signature.
        let (app, signature) = (scene.bytes("app"), scene.bytes("app.sig"));
        scene.words("sign app --key bob").ok();
        scene.words("verify app").refused(5, &["`app.sig` does not sign `app`"]);
        assert_ne!(scene.checked_by_ssh("ann").code, Some(0), "ssh-keygen says so too");
        scene.write("app", &app);
        let (first, last) = (signature.len() - 60, signature.len() - 40);
        for place in (first..last).step_by(5).filter(|place| signature[*place].is_ascii_alphanumeric()) {
            let mut bad = signature.clone();
            bad[place] = if bad[place] == b'A' { b'B' } else { b'A' };
            scene.write("app.sig", &bad);
            scene.words("verify app").refused(5, &["`app.sig` does not sign `app`"]);
        }
        let run = scene.words(&format!("sign app --key {name}"));
        run.refused(3, &["its key type is `", "only ssh-ed25519 signs from a file", "ssh-add KEY"]);
        let run = scene.words(&format!("sign app --key {name}.pub"));
        run.refused(3, &["which signs beside a file only", "--detach ssh"]);
        fs::remove_file(scene.at("w/app.sig")).expect("it is there");
    }
}

#[test]
fn keys_in_a_token_are_checked_with_what_the_token_adds() {
    needs!("ssh-keygen");
    let scene = scene();
    let sha256 = |bytes: &[u8]| scene::sha256(bytes).0;
    let ed25519 = signing::SecretKey::from_seed(&[5; 32]);
    let p256 = p256::ecdsa::SigningKey::from_slice(&[6; 32]).expect("a key");
    let point = p256.verifying_key().to_encoded_point(false);
    let keys = [
        ("sk-ssh-ed25519@openssh.com", field(&ed25519.public().0)),
        ("sk-ecdsa-sha2-nistp256@openssh.com", [field(b"nistp256"), field(point.as_bytes())].concat()),
    ];
    for (number_of_key, (kind, of_key)) in keys.into_iter().enumerate() {
        let key = [field(kind.as_bytes()), of_key, field(b"ssh:")].concat();
        let public = format!("{kind} {}\n", STANDARD.encode(&key));
        scene.write("allowed", format!("ann {public}").as_bytes());
        // What a token signs: its purpose, whether somebody has touched it, a count, the message.
        let write = |touched: &[u8], told: &[u8]| {
            let hash = scene.sha512("app");
            let fields = [&b"SSHSIG"[..], &field(b"file"), &field(b""), &field(b"sha512"), &field(&hash)];
            let signed = [&sha256(b"ssh:")[..], touched, &sha256(&fields.concat())].concat();
            let bytes = if number_of_key == 0 {
                field(&ed25519.sign(&signed))
            } else {
                let signature: p256::ecdsa::Signature =
                    p256.sign_prehash(&sha256(&signed)).expect("a signature");
                let (r, s) = signature.split_bytes();
                field(&[number(&r), number(&s)].concat())
            };
            let signature = [field(kind.as_bytes()), bytes, told.to_vec()].concat();
            let all = [
                &b"SSHSIG\0\0\0\x01"[..],
                &field(&key),
                &field(b"file"),
                &field(b""),
                &field(b"sha512"),
                &field(&signature),
            ];
            let text = STANDARD.encode(all.concat());
            let lines: Vec<&str> =
                text.as_bytes().chunks(70).map(|line| str::from_utf8(line).expect("text")).collect();
            let text = lines.join("\n");
            scene.write(
                "app.sig",
                format!("-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n").as_bytes(),
            );
        };
        write(&[1, 0, 0, 0, 9], &[1, 0, 0, 0, 9]);
        scene.checked_by_ssh("ann").ok();
        let told = scene.words("verify app --allowed-signers allowed -I ann").ok().out;
        assert!(told.contains("(trusted: ann)"), "{kind}: {told}");
        scene.run(["verify", "app", "--key", public.trim()]).ok();
        // Another count, another flag, none at all.
        for told in [&[1, 0, 0, 0, 8][..], &[0, 0, 0, 0, 9], &[]] {
            write(&[1, 0, 0, 0, 9], told);
            assert_ne!(scene.checked_by_ssh("ann").code, Some(0), "{kind}");
            scene.words("verify app").refused(5, &["`app.sig` does not sign `app`"]);
        }
        fs::remove_file(scene.at("w/app.sig")).expect("it is there");
    }
}
