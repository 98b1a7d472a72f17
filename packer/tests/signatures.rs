//! Signatures: a forged one is refused, with a key and without; by whom and in what order a bundle is signed
//! decides its bytes, and nothing else does; `ssh-keygen` and `minisign` agree.

mod scene;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use bundle::{Algorithm, Footer, Signature, Signatures};
use end_to_end::needs;
use scene::{RISCV64, Run, Scene, X86_64, program};

/// The row of a point of small order and a signature that a lax reader takes for any message.
const NEUTRAL: [u8; 32] =
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A bundle `app`, and keys `ann` and `bob` that nobody else has.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("program", &program(X86_64));
    scene.words("pack program --hosts x86_64 -o app").ok();
    for (name, phrase) in [("ann", ""), ("bob", ""), ("locked", "open sesame")] {
        let words = ["-q", "-t", "ed25519", "-a", "4", "-N", phrase, "-C", name, "-f", name];
        scene.tool("ssh-keygen", &words).ok();
    }
    scene
}

/// The bundle with these bytes between manifest and footer.
fn with_rows(bytes: &[u8], rows: &[u8]) -> Vec<u8> {
    let footer = Footer::read(&bytes).expect("a bundle");
    let start = usize::try_from(footer.signatures_offset()).expect("small");
    let length = (start + rows.len() + Footer::LEN) as u64;
    let footer = Footer { file_length: length, signatures_length: rows.len() as u64, ..footer };
    [&bytes[..start], rows, &footer.encode()].concat()
}

fn rows(bytes: &[u8]) -> Vec<Signature> {
    let footer = Footer::read(&bytes).expect("a bundle");
    let start = usize::try_from(footer.signatures_offset()).expect("small");
    let end = bytes.len() - Footer::LEN;
    Signatures::decode(&bytes[start..end]).expect("rows").iter().collect()
}

fn row(key: [u8; 32]) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&NEUTRAL);
    Signature { algorithm: Algorithm::Ed25519, public_key: key, bytes }
}

#[test]
fn a_forged_row_is_refused_without_any_key() {
    needs!("ssh-keygen");
    let scene = scene();
    let whole = scene.bytes("app");
    let mut key = [7; 32];
    for _ in 0..4 {
        key[0] += 1;
        scene.write("app", &with_rows(&whole, &row(key).encode()));
        scene.words("verify app").refused(5, &["not by the key it names", "SHA256:"]);
    }
    // Keys of small order fit any message, for a lax reader.
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    for key in [NEUTRAL, minus_one, [0; 32]] {
        scene.write("app", &with_rows(&whole, &row(key).encode()));
        scene.words("verify app").refused(5, &["not by the key it names"]);
        scene.words("sign app --key ann").refused(5, &["not by the key it names"]);
        scene.words("thin app --hosts all -o out").refused(5, &["not by the key it names"]);
        let told = scene.words("inspect app").ok().out;
        assert!(told.contains("DOES NOT HOLD"), "{told}");
    }
    assert!(!scene.at("w/out").exists());
    scene.write("app", &whole);
    scene.words("sign app --key ann").ok();
    let told = scene.words("verify app").ok().out;
    assert!(told.contains("whole") && told.contains("(not trusted: no key given)"), "{told}");
}

#[test]
fn every_part_of_a_signed_bundle_is_covered() {
    needs!("ssh-keygen");
    let scene = scene();
    scene.words("sign app --key ann").ok();
    let signed = scene.bytes("app");
    let start = signed.len() - Footer::LEN - Signatures::ROW;
    let manifest =
        usize::try_from(Footer::read(&signed.as_slice()).expect("one").manifest_offset).expect("small");
    // Of the manifest some, of the row and the footer all.
    let places = (manifest..start).step_by(37).chain(start..signed.len());
    for at in places {
        let mut bad = signed.clone();
        bad[at] ^= 1 << (at % 8);
        scene.write("bad", &bad);
        scene.words("verify bad --key ann.pub").refused(5, &["`bad` "]);
    }
    scene.words("verify app --key ann.pub").ok();

    // The row of another bundle, and a manifest that was changed together with its digest.
    scene.write("other", &program(RISCV64));
    scene.words("pack other --hosts riscv64 -o other.bundle").ok();
    scene.write("bad", &with_rows(&scene.bytes("other.bundle"), &rows(&signed)[0].encode()));
    scene.words("verify bad").refused(5, &["not by the key it names"]);

    // Half a row, trailing bytes, an unknown algorithm, two rows of one key.
    let row = rows(&signed)[0].encode();
    for (rows, why) in [
        (row[..103].to_vec(), "longer than its contents"),
        ([&row[..], b"x"].concat(), "longer than its contents"),
        ([&[2], &row[1..]].concat(), "kind of row"),
        ([row, row].concat(), "order of their keys"),
    ] {
        scene.write("bad", &with_rows(&signed, &rows));
        scene.words("verify bad --key ann.pub").refused(5, &["signatures", why]);
        scene.words("inspect bad").refused(5, &[why]);
    }
    scene.write("bad", &[&signed[..], b"x"].concat());
    scene.words("verify bad --key ann.pub").refused(5, &["`bad` "]);
}

#[test]
fn signing_in_any_order_and_again_gives_the_same_bytes_and_keeps_the_rest() {
    needs!("ssh-keygen");
    let scene = scene();
    let packed = scene.bytes("app");
    fs::set_permissions(scene.at("w/app"), fs::Permissions::from_mode(0o750)).expect("a mode");
    symlink("app", scene.at("w/link")).expect("a link");
    scene.words("sign link --key ann").ok();
    assert!(scene.at("w/link").is_symlink(), "the link stays one");
    let by_ann = scene.bytes("app");
    scene.words("sign app --key bob").ok();
    let by_both = scene.bytes("app");
    scene.words("sign app --key ann").ok();
    assert!(scene.bytes("app") == by_both, "the same signer again changes nothing");
    let mode = fs::metadata(scene.at("w/app")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o750);
    assert!(packed[..packed.len() - Footer::LEN] == by_ann[..packed.len() - Footer::LEN]);

    scene.write("app", &packed);
    scene.words("sign app --key bob").ok();
    scene.words("sign app --key ann").ok();
    assert!(scene.bytes("app") == by_both, "in the other order");
    assert_eq!(rows(&by_both).len(), 2);

    // An old row of the same signer, over another manifest, is not kept beside the new one.
    let told = scene.words("inspect app --json").ok().out;
    assert_eq!(told.matches("\"holds\": true").count(), 2, "{told}");
    let told = scene.words("inspect app").ok().out;
    assert_eq!(told.matches("signer    SHA256:").count(), 2, "{told}");

    // What is made out of it is not signed, and that is said.
    for words in ["thin app --hosts all -o out", "merge app -o out"] {
        let run = scene.words(words).ok();
        assert!(run.err.contains("the signatures of `app` are not taken over"), "{run:?}");
        assert!(scene.bytes("out") == packed, "{words}");
    }
}

#[test]
fn who_signed_decides_where_keys_are_given() {
    needs!("ssh-keygen");
    let scene = scene();
    scene.words("verify app").ok();
    for words in ["--key ann.pub", "--require-signature", "--key ann.pub --require-signature"] {
        scene.words(&format!("verify app {words}")).refused(5, &["`app` is not signed"]);
    }
    scene.words("sign app --key bob").ok();
    scene.words("verify app --key ann.pub").refused(5, &["by none of the given keys", "SHA256:"]);
    scene.words("verify app --require-signature").ok();
    scene.words("sign app --key ann").ok();
    let told = scene.words("verify app --key ann.pub").ok().out;
    assert!(told.contains("(trusted)") && told.contains("not one of the given keys"), "{told}");
    let key = String::from_utf8(scene.bytes("ann.pub")).expect("text");
    scene.run(["verify", "app", "--key", key.trim()]).ok();
    scene.words("verify app --key ann").refused(3, &["`ann` is a secret key"]);

    let allow = |options: &str| {
        scene.write("allowed", format!("# ours\n*@example.org,!eve@* {options}{key}").as_bytes());
    };
    let by = |name: &str| scene.words(&format!("verify app --allowed-signers allowed -I {name}"));
    allow("");
    let told = by("ann@example.org").ok().out;
    assert!(told.contains("(trusted: ann@example.org)"), "{told}");
    by("eve@example.org").refused(5, &["no key that may sign"]);
    by("ann@example.com").refused(5, &["no key that may sign"]);
    allow("namespaces=\"git\" ");
    by("ann@example.org").refused(5, &["line 2", "namespaces"]);
    allow("valid-before=\"20200101Z\" ");
    by("ann@example.org").refused(5, &["valid-before"]);
    allow("namespaces=\"file\",valid-after=\"20200101\" ");
    by("ann@example.org").ok();
    allow("cert-authority ");
    by("ann@example.org").refused(3, &["line 2", "cert-authority"]);
    allow("whatever ");
    by("ann@example.org").refused(3, &["line 2", "`whatever`"]);
    scene.words("verify app --allowed-signers allowed").refused_usage();
}

impl Run {
    #[track_caller]
    fn refused_usage(self) {
        assert_eq!(self.code, Some(2), "{self:?}");
    }
}

#[test]
fn a_thousand_rows_are_read_and_no_more_than_1024_taken() {
    needs!("ssh-keygen");
    let scene = scene();
    scene.words("sign app --key ann").ok();
    let signed = scene.bytes("app");
    let ann = rows(&signed)[0];
    // Rows that do not hold: it is the first of them that is named.
    let mut many: Vec<Signature> = (0..1000u32)
        .map(|number| {
            let mut key = [3; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            row(key)
        })
        .collect();
    many.push(ann);
    many.sort_by_key(|row| row.public_key);
    let bytes: Vec<u8> = many.iter().flat_map(Signature::encode).collect();
    scene.write("bad", &with_rows(&signed, &bytes));
    scene.words("verify bad --key ann.pub").refused(5, &["not by the key it names"]);
    assert_eq!(scene.words("inspect bad").ok().out.matches("DOES NOT HOLD").count(), 1000);

    // As many as there may be, all good, and one more.
    let footer = Footer::read(&signed.as_slice()).expect("a footer");
    let message = Signature::message(&footer.manifest_digest);
    let mut good: Vec<Signature> = (0..1024u32)
        .map(|number| {
            let mut seed = [9; 32];
            seed[..4].copy_from_slice(&number.to_be_bytes());
            let key = signing::SecretKey::from_seed(&seed);
            let (public_key, bytes) = (key.public().0, key.sign(&message));
            Signature { algorithm: Algorithm::Ed25519, public_key, bytes }
        })
        .collect();
    good.sort_by_key(|row| row.public_key);
    let bytes: Vec<u8> = good.iter().flat_map(Signature::encode).collect();
    scene.write("many", &with_rows(&signed, &bytes));
    let told = scene.words("verify many").ok().out;
    assert_eq!(told.matches("signed by").count(), 1024);
    scene.words("sign many --key ann").refused(3, &["1024 signatures already"]);
    let one_less = &bytes[..1023 * Signatures::ROW];
    scene.write("many", &with_rows(&signed, one_less));
    scene.words("sign many --key ann").ok();
    scene.words("verify many --key ann.pub").ok();
    scene.write("bad", &with_rows(&signed, &ann.encode().repeat(1025)));
    scene.words("verify bad").refused(5, &["a part lies outside the file: signatures"]);
}

#[test]
fn ssh_keygen_takes_ours_and_we_take_theirs() {
    needs!("ssh-keygen");
    let scene = scene();
    let key = String::from_utf8(scene.bytes("ann.pub")).expect("text");
    scene.write(
        "allowed",
        format!("ann {key}bob {}", String::from_utf8_lossy(&scene.bytes("bob.pub"))).as_bytes(),
    );
    scene.words("sign app --key ann").ok();
    scene.words("sign app --key ann --detach ssh").ok();
    scene.checked_by_ssh("ann").ok();
    let ours = scene.bytes("app.sig");
    let told = scene.words("verify app --key ann.pub").ok().out;
    assert!(told.contains("app.sig: signed by SHA256:"), "{told}");

    // Theirs, byte for byte the same, and with the other hash.
    fs::remove_file(scene.at("w/app.sig")).expect("it is there");
    scene.tool("ssh-keygen", &["-q", "-Y", "sign", "-n", "file", "-f", "ann", "app"]).ok();
    assert!(scene.bytes("app.sig") == ours);
    fs::remove_file(scene.at("w/app.sig")).expect("it is there");
    scene
        .tool("ssh-keygen", &["-q", "-Y", "sign", "-n", "file", "-O", "hashalg=sha256", "-f", "bob", "app"])
        .ok();
    let told = scene.words("verify app --allowed-signers allowed -I bob").ok().out;
    assert!(told.contains("app.sig: signed by") && told.contains("(trusted: bob)"), "{told}");

    // Signing inside afterwards changes the file: said, and then seen.
    let run = scene.words("sign app --key bob").ok();
    assert!(run.err.contains("`app.sig` is of the file as it was before"), "{run:?}");
    scene.words("verify app").refused(5, &["`app.sig` does not sign `app`"]);
    assert_ne!(scene.checked_by_ssh("bob").code, Some(0), "ssh-keygen says so too");
    scene.words("sign app --key bob --detach ssh").ok();
    scene.words("verify app").ok();

    // Of another purpose; cut off; of another type; something else of that name.
    fs::remove_file(scene.at("w/app.sig")).expect("it is there");
    scene.tool("ssh-keygen", &["-q", "-Y", "sign", "-n", "git", "-f", "ann", "app"]).ok();
    scene.words("verify app").refused(5, &["namespace is `git`"]);
    scene.write("app.sig", &ours[..ours.len() - 60]);
    scene.words("verify app").refused(5, &["well-formed SSH signature"]);
    fs::remove_file(scene.at("w/app.sig")).expect("it is there");
    scene.tool("ssh-keygen", &["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", "weak"]).ok();
    scene.tool("ssh-keygen", &["-q", "-Y", "sign", "-n", "file", "-f", "weak", "app"]).ok();
    let told = scene.words("verify app").ok().out;
    assert!(told.contains("app.sig: not checked: its key is of type ssh-rsa with less"), "{told}");
    scene.words("verify app --key weak.pub").refused(3, &["`weak.pub`", "less than 2048 bits"]);
    scene.write("app.sig", b"\x88\x75\x04");
    scene.words("sign app --key ann --detach ssh").refused(3, &["`app.sig` is there"]);
    scene.words("verify app --require-signature").ok();
}

#[test]
fn minisign_takes_ours_and_we_take_theirs() {
    needs!("ssh-keygen", "minisign");
    let scene = scene();
    scene.tool("minisign", &["-G", "-W", "-p", "m.pub", "-s", "m.key"]).ok();
    scene.words("sign app --key m.key --detach minisign").ok();
    scene.tool("minisign", &["-V", "-m", "app", "-p", "m.pub"]).ok();
    scene.words("verify app --key m.pub").ok();
    let told = scene.words("verify app").ok().out;
    assert!(told.contains("app.minisig: not checked: it is by minisign's key"), "{told}");
    scene.words("verify app --require-signature").refused(5, &["not signed", "app.minisig"]);
    scene.words("verify app --key ann.pub").refused(5, &["not signed", "app.minisig"]);

    // By a key of OpenSSH, with the public key that we print for it.
    let told = scene.words("sign app --key ann --detach minisign").ok().out;
    let key = told.split_whitespace().last().expect("a key").to_owned();
    scene.tool("minisign", &["-V", "-m", "app", "-P", &key]).ok();
    scene.words("verify app --key ann.pub").ok();
    scene.run(["verify", "app", "--key", &key]).ok();

    // Theirs, of both kinds; and a comment that was changed.
    for kind in ["-H", "-l"] {
        scene.tool("minisign", &["-S", kind, "-m", "app", "-s", "m.key", "-t", "of 1.0"]).ok();
        scene.words("verify app --key m.pub").ok();
        let text = String::from_utf8(scene.bytes("app.minisig")).expect("text");
        scene.write("app.minisig", text.replace("of 1.0", "of 1.1").as_bytes());
        scene.words("verify app --key m.pub").refused(5, &["`app.minisig` does not sign `app`"]);
        scene.write("app.minisig", text.as_bytes());
        scene.write("old", &scene.bytes("app"));
        scene.words("sign app --key ann").ok();
        scene.words("verify app --key m.pub").refused(5, &["`app.minisig` does not sign `app`"]);
        scene.write("app", &scene.bytes("old"));
    }
    // A row by minisign's key, which is an Ed25519 key as others are; and then its minisig is known.
    scene.words("sign app --key m.key").ok();
    scene.words("sign app --key m.key --detach minisign").ok();
    scene.words("verify app --require-signature").ok();
    assert!(!scene.words("verify app").ok().out.contains("not checked"));
}

#[test]
fn a_passphrase_opens_a_key_and_a_wrong_one_does_not() {
    needs!("ssh-keygen");
    let scene = scene();
    let sign = |phrase: &str| {
        let mut command = scene.unibin();
        command.env("UNIBIN_PASSPHRASE", phrase).args(["sign", "app", "--key", "locked"]);
        Run::of(&command.output().expect("unibin starts"))
    };
    sign("open barley").refused(3, &["the passphrase is wrong"]);
    sign("").refused(3, &["the passphrase is wrong"]);
    assert!(rows(&scene.bytes("app")).is_empty(), "nothing was signed");
    sign("open sesame").ok();
    scene.words("verify app --key locked.pub").ok();
    // Nobody to ask: no terminal.
    let mut command = Command::new("setsid");
    command.current_dir(scene.at("w")).arg(env!("CARGO_BIN_EXE_unibin"));
    let run = Run::of(&command.args(["sign", "app", "--key", "locked"]).output().expect("it starts"));
    run.refused(3, &["has a passphrase", "UNIBIN_PASSPHRASE"]);
}

#[test]
fn minisigns_own_encryption_is_opened() {
    needs!("minisign", "ssh-keygen", "minutes");
    let scene = scene();
    let line = "printf 'one two\\none two\\n' | minisign -G -p m.pub -s m.key";
    scene.tool("sh", &["-c", line]).ok();
    let sign = |phrase: &str| {
        let mut command = scene.unibin();
        command.env("UNIBIN_PASSPHRASE", phrase).args(["sign", "app", "--key", "m.key"]);
        Run::of(&command.output().expect("unibin starts"))
    };
    sign("one three").refused(3, &["the passphrase is wrong"]);
    sign("one two").ok();
    scene.words("verify app --key m.pub").ok();
}

#[test]
fn an_agent_signs_what_the_key_itself_would() {
    needs!("ssh-keygen", "ssh-agent");
    let scene = scene();
    scene.write("by-file", &scene.bytes("app"));
    scene.words("sign by-file --key ann").ok();
    let sign = |words: &str| {
        // The agent ends with the command that it starts.
        let unibin = env!("CARGO_BIN_EXE_unibin");
        let line = format!("ssh-add -q ann && {words}").replace("unibin", unibin);
        scene.tool("ssh-agent", &["sh", "-c", &line])
    };
    let run = sign("unibin sign app --key ssh-agent && unibin sign app --key ann.pub");
    run.ok();
    assert!(scene.bytes("app") == scene.bytes("by-file"));
    sign("unibin sign app --key bob.pub").refused(3, &["does not have one key `SHA256:"]);
    sign("ssh-add -q bob && unibin sign app --key ssh-agent").refused(3, &["several", "ann", "bob"]);
    sign("ssh-add -q bob && unibin sign app --key ssh-agent -K bob --detach ssh").ok();
    scene.words("verify app --key bob.pub").ok();
    sign("ssh-add -q -D && unibin sign app --key ssh-agent").refused(3, &["the agent has no key"]);
    scene.words("sign app --key ann -K ann").refused(3, &["`--key ssh-agent`"]);
    let mut command = scene.unibin();
    command.env_remove("SSH_AUTH_SOCK").args(["sign", "app", "--key", "ssh-agent"]);
    Run::of(&command.output().expect("it starts")).refused(1, &["SSH_AUTH_SOCK is not set"]);
}

#[test]
fn what_cannot_be_signed_stays_as_it_was() {
    needs!("ssh-keygen");
    let scene = scene();
    let whole = scene.bytes("app");
    let mut damaged = whole.clone();
    damaged[9000] ^= 1;
    scene.write("app", &damaged);
    scene.words("sign app --key ann").refused(5, &["`app` is damaged"]);
    scene.words("sign app --key ann --detach ssh").refused(5, &["`app` is damaged"]);
    assert!(scene.bytes("app") == damaged && !scene.at("w/app.sig").exists());
    scene.words("sign program --key ann").refused(5, &["`program` is not a bundle"]);
    scene
        .write("nonsense", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
    scene.write("app", &whole);
    scene.words("sign app --key nonsense").refused(3, &["well-formed private key"]);
    scene.words("sign app --key program").refused(3, &["neither a key of OpenSSH nor of minisign"]);
    scene.words("sign app --key none").refused(1, &["`none`"]);
    assert!(scene.bytes("app") == whole);
}
