//! Images out of bundles, in other people's hands: skopeo and umoci read them, Debian's registry takes them,
//! runc runs them: read-only, without rights, without `/tmp`, without a handler for programs of other CPUs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bundle::Arch;
use end_to_end::{Outcome, Sandbox, User, emulator_of, needs, shell, shell_of_debian, shell_on, unibin};
use serde_json::{Value, json};

fn oci(bundle: &Path, arguments: &[&str]) -> Outcome {
    Sandbox::finish(unibin().arg("oci").arg(bundle).args(arguments))
}

fn must(program: &str, arguments: &[&str]) -> String {
    Sandbox::finish(Command::new(program).args(arguments)).must_succeed()
}

/// A container of the image in a layout, as umoci unpacks it.
struct Container {
    directory: PathBuf,
    name: String,
}

impl Container {
    fn of(sandbox: &Sandbox, layout: &Path, name: &str) -> Self {
        // umoci knows no index of several platforms; skopeo chooses one.
        let one = sandbox.at(format!("{name}-one"));
        let from = format!("oci:{}:latest", layout.display());
        must("skopeo", &["copy", "-q", &from, &format!("oci:{}:latest", one.display())]);
        let directory = sandbox.at(format!("{name}-container"));
        let image = format!("{}:latest", one.display());
        must("umoci", &["unpack", "--image", &image, directory.to_str().expect("text")]);
        let container = Self { directory, name: format!("unibin-{}-{name}", std::process::id()) };
        let mut config = container.config();
        config["process"]["terminal"] = json!(false);
        config["root"]["readonly"] = json!(true);
        container.write(&config);
        fs::remove_dir(container.root().join("tmp")).expect("an empty directory");
        container
    }

    fn root(&self) -> PathBuf {
        self.directory.join("rootfs")
    }

    fn config(&self) -> Value {
        serde_json::from_slice(&fs::read(self.directory.join("config.json")).expect("a file")).expect("JSON")
    }

    fn write(&self, config: &Value) {
        fs::write(self.directory.join("config.json"), config.to_string()).expect("written");
    }

    /// Runs the image's program with these arguments.
    fn run(&self, arguments: &[&str]) -> Outcome {
        let as_made = self.config();
        let mut config = as_made.clone();
        let words = config["process"]["args"].as_array_mut().expect("a list");
        words.extend(arguments.iter().map(|argument| json!(argument)));
        self.write(&config);
        let ran = Sandbox::finish(
            Command::new("runc")
                .args(["run", "-b"])
                .arg(&self.directory)
                .arg(&self.name)
                .stdin(Stdio::null()),
        );
        self.write(&as_made);
        ran
    }

    /// Executes these words in a container whose program, a shell, waits.
    fn exec(&self, words: &[&str]) -> Outcome {
        let as_made = self.config();
        let mut config = as_made.clone();
        let all = config["process"]["args"].as_array_mut().expect("a list");
        all.extend(["-c", "echo up; read line"].map(|word| json!(word)));
        self.write(&config);
        let mut shell = Command::new("runc")
            .args(["run", "-b"])
            .arg(&self.directory)
            .arg(&self.name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("runc starts");
        let mut line = String::new();
        BufReader::new(shell.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, "up\n");
        let ran = Sandbox::finish(
            Command::new("runc").arg("exec").arg(&self.name).args(words).stdin(Stdio::null()),
        );
        drop(shell.stdin.take());
        shell.wait().expect("runc");
        self.write(&as_made);
        ran
    }
}

const SCRIPT: &str =
    "id -u; uname -m; echo $HOME; ls /bin/ls | cat; (echo x > /usr/x) 2>/dev/null || echo closed; exit 7";

#[test]
fn an_emulated_app_runs_read_only_and_without_rights_and_starts_its_programs() {
    needs!("network", "root", "mounts", "skopeo", "umoci", "runc");
    let sandbox = Sandbox::of(User::Tester);
    let layout = sandbox.at("layout");
    oci(&shell(), &["-o", layout.to_str().expect("text")]).must_succeed();
    let container = Container::of(&sandbox, &layout, "emulated");
    let ran = container.run(&["-c", SCRIPT]);
    assert_eq!(
        (ran.code(), ran.text().as_str()),
        (Some(7), "65532\nriscv64\n/home/nonroot\n/bin/ls\nclosed\n"),
        "{ran}"
    );

    // From outside, as `kubectl exec` does it: by the path alone not, by what is the same on all hosts.
    assert_ne!(container.exec(&["/usr/bin/ls", "/.unibin"]).code(), Some(0));
    let listed = container.exec(&["/.unibin/exec", "/usr/bin/ls", "/.unibin"]).must_succeed();
    assert!(listed.contains("exec\n"), "{listed}");
    let ran = container.exec(&["/.unibin/exec", "/usr/bin/bash", "-c", SCRIPT]);
    assert_eq!(
        (ran.code(), ran.text().as_str()),
        (Some(7), "65532\nriscv64\n/home/nonroot\n/bin/ls\nclosed\n"),
        "{ran}"
    );
    assert_eq!(container.exec(&["/.unibin/exec"]).code(), Some(1), "the emulator says how it is used");

    // It is the emulator in the image that does it: without it there is nothing.
    fs::rename(container.root().join(".unibin/qemu-riscv64"), container.root().join("gone"))
        .expect("renamed");
    assert_ne!(container.run(&["-c", SCRIPT]).code(), Some(7));
    fs::rename(container.root().join("gone"), container.root().join(".unibin/qemu-riscv64"))
        .expect("renamed");
    assert_eq!(container.run(&["-c", SCRIPT]).code(), Some(7));
}

#[test]
fn an_app_that_debians_emulator_runs_finds_its_files_too() {
    needs!("network", "root", "mounts", "skopeo", "umoci", "runc");
    let sandbox = Sandbox::of(User::Tester);
    let layout = sandbox.at("layout");
    let told = oci(&shell_of_debian(), &["-o", layout.to_str().expect("text")]).must_succeed();
    assert!(told.contains("the app cannot start programs of its own architecture"), "{told}");
    let container = Container::of(&sandbox, &layout, "debian");
    let ran = container.run(&["-c", "read -r line < /etc/passwd; echo $line; /usr/bin/ls; exit 3"]);
    assert_eq!(ran.code(), Some(3), "{ran}");
    assert!(ran.text().starts_with("root:x:0:0:root:"), "{ran}");
    assert!(ran.errors().contains("Exec format error") || ran.errors().contains("cannot execute"), "{ran}");
    let listed = container.exec(&["/.unibin/exec", "/usr/bin/ls", "/.unibin"]).must_succeed();
    assert!(listed.contains("exec\n"), "{listed}");
}

#[test]
fn a_native_app_uses_its_own_loader_and_libraries() {
    needs!("network", "root", "mounts", "skopeo", "umoci", "runc");
    let sandbox = Sandbox::of(User::Tester);
    let bundle = shell_on("x86_64,riscv64", &["--entry", "ls=/usr/bin/ls", "--native", "x86_64"]);
    let layout = sandbox.at("layout");
    oci(&bundle, &["-o", layout.to_str().expect("text")]).must_succeed();
    let container = Container::of(&sandbox, &layout, "native");
    let ran = container.run(&["-c", SCRIPT]);
    assert_eq!(
        (ran.code(), ran.text().as_str()),
        (Some(7), "65532\nx86_64\n/home/nonroot\n/bin/ls\nclosed\n"),
        "{ran}"
    );
    let ran = container.exec(&["/.unibin/exec", "/usr/bin/bash", "-c", SCRIPT]);
    assert_eq!(
        (ran.code(), ran.text().as_str()),
        (Some(7), "65532\nx86_64\n/home/nonroot\n/bin/ls\nclosed\n"),
        "{ran}"
    );
    assert_eq!(container.exec(&["/.unibin/exec"]).code(), Some(127), "nothing to start");
    // The other entry, with the same layers.
    let other = sandbox.at("other");
    oci(&bundle, &["-o", other.to_str().expect("text"), "--entry", "ls"]).must_succeed();
    let ran = Container::of(&sandbox, &other, "ls").run(&["/"]);
    assert!(ran.must_succeed().contains("usr\n"), "{ran}");
    let blobs = |layout: &Path| {
        let mut names: Vec<_> = fs::read_dir(layout.join("blobs/sha256"))
            .expect("a directory")
            .map(|entry| entry.expect("an entry"))
            .filter(|entry| entry.metadata().expect("metadata").len() > 10_000)
            .map(|entry| entry.file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(blobs(&layout), blobs(&other));
}

/// A file of the last layer of the image for a platform.
fn last_layer(sandbox: &Sandbox, layout: &Path, host: Arch) -> PathBuf {
    let read =
        |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON") };
    let blob =
        |row: &Value| layout.join("blobs").join(row["digest"].as_str().expect("a digest").replace(':', "/"));
    let index = read(&blob(&read(&layout.join("index.json"))["manifests"][0]));
    let images = index["manifests"].as_array().expect("images").iter().map(|row| read(&blob(row)));
    let variable = format!("UNIBIN_HOST={host}");
    let of_host = |image: &Value| {
        let config = read(&blob(&image["config"]));
        config["config"]["Env"].as_array().expect("variables").contains(&json!(variable))
    };
    let image = images.into_iter().find(of_host).expect("an image");
    let layer = blob(image["layers"].as_array().expect("layers").last().expect("a layer"));
    let to = sandbox.at(format!("layer for {host}"));
    fs::create_dir(&to).expect("a directory");
    must("tar", &["-xzf", layer.to_str().expect("text"), "-C", to.to_str().expect("text")]);
    to
}

#[test]
fn what_starts_programs_from_outside_is_right_on_every_host() {
    needs!("network", "x86_64");
    let sandbox = Sandbox::new();
    let layout = sandbox.at("layout");
    oci(&shell_on("all", &[]), &["-o", layout.to_str().expect("text")]).must_succeed();
    // Those of x86_64 start programs in containers, in the tests above.
    for host in Arch::HOSTS.into_iter().filter(|host| *host != Arch::X86_64) {
        let exec = last_layer(&sandbox, &layout, host).join(".unibin/exec");
        // QEMU prints what a program of that CPU executes. Outside a container there is no emulator.
        let mut command = Command::new(emulator_of(host));
        let ran = Sandbox::finish(command.arg("-strace").arg(exec).args(["/bin/echo", "a", "b c"]));
        let said = ran.errors();
        let call = said.lines().find_map(|line| line.split_once("execve(")).expect("a call").1;
        let call: String = call.chars().take_while(|letter| *letter != ')').collect();
        let wanted = match host {
            Arch::Riscv64 => r#""/bin/echo",{"/bin/echo","a","b c",NULL}"#,
            Arch::Aarch64 => {
                r#""/.unibin/qemu-riscv64",{"/.unibin/qemu-riscv64","-children","on","/bin/echo","a","b c",NULL}"#
            }
            _ => r#""/.unibin/qemu-riscv64",{"/.unibin/qemu-riscv64","-L","/","/bin/echo","a","b c",NULL}"#,
        };
        assert_eq!(call, wanted, "{host}");
        assert_eq!(ran.text(), if host == Arch::Riscv64 { "a b c\n" } else { "" }, "{host}");
    }
}

/// Debian's registry on a port of its own.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(sandbox: &Sandbox) -> Self {
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let address = free.to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\nhttp: {{addr: '{address}'}}\n",
            sandbox.at("registry").display()
        );
        let config = sandbox.write("registry.yml", config.as_bytes());
        let mut command = Command::new("docker-registry");
        let child = command
            .arg("serve")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let registry = Self { child, address };
        end_to_end::until("the registry answers", || std::net::TcpStream::connect(free).ok());
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn debians_registry_takes_an_image_and_skopeo_gets_it_for_each_platform() {
    needs!("network", "skopeo", "docker-registry");
    let sandbox = Sandbox::new();
    let registry = Registry::start(&sandbox);
    let bundle = end_to_end::bundle_of(bundle::Arch::Riscv64, "x86_64,aarch64,riscv64", &["--level", "3"]);
    let name = format!("docker://{}/team/busybox:1", registry.address);
    let told = oci(&bundle, &["--push", &name]).must_succeed();
    let again = oci(&bundle, &["--push", &name, "--piece", "1"]).must_succeed();
    assert!(told.contains("sent, 0 B were there") && !again.contains(" 0 B were there"), "{told}{again}");
    for platform in ["amd64", "arm64", "riscv64"] {
        let found = must("skopeo", &["--override-arch", platform, "inspect", "--tls-verify=false", &name]);
        let found: Value = serde_json::from_str(&found).expect("JSON");
        assert_eq!(found["Architecture"], platform);
        let digest = found["Digest"].as_str().expect("a digest");
        assert!(told.contains(digest), "the same name for all: {digest} {told}");
    }
    // In pieces, to another place; every part arrives.
    let other = format!("docker://{}/team/other", registry.address);
    oci(&bundle, &["--push", &other, "--piece", "1"]).must_succeed();
    let copy = format!("dir:{}", sandbox.at("copy").display());
    must("skopeo", &["copy", "-q", "--all", "--src-tls-verify=false", &other, &copy]);
}

#[test]
fn an_archive_for_one_host_is_one_of_docker_too() {
    needs!("network", "skopeo");
    let sandbox = Sandbox::new();
    let tar = sandbox.at("busybox.tar");
    let bundle = end_to_end::busybox(bundle::Arch::Riscv64);
    for compression in ["gzip", "zstd"] {
        oci(
            &bundle,
            &["-o", tar.to_str().expect("text"), "--compression", compression, "--tag", "a.example/b:1"],
        )
        .must_succeed();
        for transport in ["oci-archive", "docker-archive"] {
            let found = must("skopeo", &["inspect", "--config", &format!("{transport}:{}", tar.display())]);
            let found: Value = serde_json::from_str(&found).expect("JSON");
            assert_eq!(found["config"]["User"], "65532:65532", "{transport}");
        }
        let copy = sandbox.at(format!("copy-{compression}"));
        must(
            "skopeo",
            &["copy", "-q", &format!("oci-archive:{}", tar.display()), &format!("dir:{}", copy.display())],
        );
    }
}
