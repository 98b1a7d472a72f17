//! Images as the tools of containers make them: a registry, `skopeo` and `umoci`. What is packed of one is
//! what `umoci unpack` makes of it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bundle::Arch;
use end_to_end::{CODE_OF_ENDING, Outcome, SAYS, Sandbox, User, needs, smallest, unibin};

/// A registry on this machine, ended with the test.
struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    fn start(directory: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\"}}\n",
            directory.join("registry").display()
        );
        let path = directory.join("registry.yml");
        fs::write(&path, config).expect("written");
        let mut server = Command::new("docker-registry");
        server.arg("serve").arg(path).stdout(Stdio::null()).stderr(Stdio::null());
        let child = server.spawn().expect("docker-registry starts");
        let registry = Self { child, port };
        let until = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "docker-registry does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn run(directory: &Path, command: &str) {
    let mut words = command.split(' ');
    let program = words.next().expect("a program");
    let output = Command::new(program).args(words).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("{command}: {error}"));
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An image `layout:a` with nothing in it, and its root in `one/rootfs`.
fn empty_image(directory: &Path) {
    run(directory, "umoci init --layout layout");
    run(directory, "umoci new --image layout:a");
    run(directory, "umoci unpack --rootless --image layout:a one");
}

/// Each name below `directory`, and what is there.
fn listed(directory: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut left: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(&at).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(directory).expect("below it").display().to_string();
            let kind = fs::symlink_metadata(&path).expect("there");
            all.push(if kind.is_symlink() {
                format!("{name} -> {}", fs::read_link(&path).expect("a link").display())
            } else if kind.is_dir() {
                left.push(path);
                format!("{name}/ {:o}", kind.permissions().mode() & 0o777)
            } else {
                format!(
                    "{name} {:o} {:?}",
                    kind.permissions().mode() & 0o777,
                    fs::read(&path).expect("read").len()
                )
            });
        }
    }
    all.sort();
    all
}

#[test]
fn an_image_is_the_same_in_a_layout_an_archive_and_a_registry_and_unpacks_as_by_umoci() {
    needs!("docker-registry", "skopeo", "umoci");
    let scratch = tempfile::tempdir().expect("a directory");
    let at = scratch.path();
    let in_it = |command: &str| run(at, command);
    empty_image(at);
    let root = at.join("one/rootfs");
    for directory in ["bin", "etc", "old/deep"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    fs::write(root.join("bin/app"), smallest(Arch::Riscv64).elf()).expect("written");
    fs::set_permissions(root.join("bin/app"), fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::write(root.join("old/deep/file"), "1").expect("written");
    fs::write(root.join("etc/file"), "2").expect("written");
    fs::hard_link(root.join("etc/file"), root.join("etc/hard")).expect("a link");
    in_it("umoci repack --image layout:b one");
    in_it("umoci unpack --rootless --image layout:b two");
    let root = at.join("two/rootfs");
    fs::remove_dir_all(root.join("old")).expect("there");
    fs::write(root.join("old"), "a file now").expect("written");
    fs::remove_file(root.join("etc/file")).expect("there");
    symlink("/etc", root.join("absolute")).expect("a link");
    in_it("umoci repack --image layout:c two");
    in_it("umoci config --image layout:c --architecture riscv64 --os linux --config.entrypoint /bin/app");
    in_it("umoci unpack --rootless --image layout:c three");

    let registry = Registry::start(at);
    let name = format!("localhost:{}/team/app:1", registry.port);
    in_it(&format!("skopeo --insecure-policy copy -q --dest-tls-verify=false oci:layout:c docker://{name}"));
    in_it("skopeo --insecure-policy copy -q oci:layout:c oci-archive:oci.tar:c");
    in_it("skopeo --insecure-policy copy -q oci:layout:c docker-archive:docker.tar:team/app:1");
    let pack = |reference: &str| {
        let mut pack = unibin();
        pack.current_dir(at).args(["pack", "--oci", reference, "--platform", "linux/riscv64"]);
        let output =
            pack.args(["--hosts", "riscv64", "--level", "1", "-o", "app"]).output().expect("it starts");
        assert!(output.status.success(), "{reference}: {}", String::from_utf8_lossy(&output.stderr));
        fs::read(at.join("app")).expect("a bundle")
    };
    let expected = pack("layout:c");
    for reference in ["oci.tar", "docker.tar", &format!("docker://{name}")] {
        assert!(pack(reference) == expected, "{reference}");
    }
    let mut extract = unibin();
    assert!(
        extract
            .current_dir(at)
            .args(["extract", "app", "ours"])
            .status()
            .is_ok_and(|status| status.success())
    );
    assert_eq!(listed(&at.join("ours")), listed(&at.join("three/rootfs")));
}

#[test]
fn an_image_is_run_as_its_name_means_now_and_without_a_network_as_it_meant_last() {
    needs!("x86_64", "namespaces", "docker-registry", "skopeo", "umoci");
    let scratch = tempfile::tempdir().expect("a directory");
    let at = scratch.path();
    let in_it = |command: &str| run(at, command);
    empty_image(at);
    let bin = at.join("one/rootfs/bin");
    fs::create_dir_all(&bin).expect("a directory");
    fs::write(bin.join("app"), smallest(Arch::Riscv64).elf()).expect("written");
    fs::set_permissions(bin.join("app"), fs::Permissions::from_mode(0o755)).expect("a mode");
    in_it("umoci repack --image layout:a one");
    in_it("umoci config --image layout:a --architecture riscv64 --os linux --config.cmd /bin/app");
    let registry = Registry::start(at);
    let name = format!("docker://localhost:{}/team/app:1", registry.port);
    let push = |image: &str| {
        in_it(&format!("skopeo --insecure-policy copy -q --dest-tls-verify=false oci:{image} {name}"));
    };
    push("layout:a");

    let sandbox = Sandbox::of(User::Tester);
    let start = |words: &[&str]| {
        let mut command = sandbox.command(unibin().get_program());
        command.env("UNIBIN_STORE", at.join("store")).args(["run"]).args(words);
        Sandbox::finish(&mut command)
    };
    let platform = ["--platform", "linux/riscv64"];
    let image =
        |more: &[&str], command: &[&str]| start(&[more, &["--oci", &name], &platform, command].concat());
    let made = || -> Vec<PathBuf> {
        let kept = fs::read_dir(at.join("store/compressed")).expect("a store");
        let kept = kept.map(|entry| entry.expect("an entry").path());
        kept.filter(|path| path.extension().is_some_and(|end| end == "image")).collect()
    };
    let runs =
        |ran: &Outcome| assert_eq!((ran.code(), ran.text()), (Some(CODE_OF_ENDING), SAYS.into()), "{ran}");

    let refused = |ran: Outcome, code: i32, what: &str| {
        assert!(ran.code() == Some(code) && ran.errors().contains(what), "{what}: {ran}");
    };

    refused(image(&["--offline"], &[]), 125, "the network is disabled");
    let platform_of_another = ["--oci", &name, "--platform", "linux/s390x"];
    refused(start(&platform_of_another), 125, "no image for linux/s390x; it has linux/riscv64");
    runs(&image(&[], &[]));
    runs(&image(&[], &["/bin/app", "--and", "words"]));
    refused(image(&[], &["/bin/other"]), 127, "/bin/other");
    let first = made();
    assert_eq!(first.len(), 1, "one for the image, and none for each start: {first:?}");

    // Of another image under the same name nothing of the first may run.
    in_it("umoci config --image layout:a --tag b --config.cmd /bin/moved");
    push("layout:b");
    refused(image(&[], &[]), 125, "cannot be started: there is no program `/bin/moved`");
    runs(&image(&["--offline"], &[]));
    in_it("umoci config --image layout:a --tag c --config.env A=B");
    push("layout:c");
    runs(&image(&[], &[]));
    assert_eq!(made().len(), 2);
    drop(registry);
    refused(image(&[], &[]), 125, "localhost");
    runs(&image(&["--offline"], &[]));

    // What is kept goes as all else does, and is made again.
    let path = format!("{}/layout:c", at.display());
    let told =
        Sandbox::finish(unibin().env("UNIBIN_STORE", at.join("store")).args(["cache", "clear", "--packed"]));
    told.must_succeed();
    assert_eq!(made(), [""; 0].map(PathBuf::from));
    refused(image(&["--offline"], &[]), 125, "the network is disabled");
    runs(&start(&[&["--oci", &path[..]], &platform[..]].concat()));
    assert_eq!(made().len(), 1);
}
