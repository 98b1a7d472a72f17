//! `argv[0]`: programs that look for their files beside themselves, and programs that start themselves again.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use end_to_end::{Sandbox, busybox, needs, pack, programs};

const SPAWNS: &str = "
import multiprocessing, subprocess, sys
def answer(queue):
    queue.put(6 * 7)
if __name__ == '__main__':
    multiprocessing.set_start_method(sys.argv[1])
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=answer, args=(queue,))
    process.start()
    print(queue.get(timeout=100))
    process.join()
    said = subprocess.run([sys.executable, '-c', 'import sys; print(sys.argv)'], capture_output=True)
    print(said.stdout.decode().strip())
";

#[test]
fn a_program_with_files_of_its_own_is_called_by_its_path() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    let bundle = programs(
        &["bash", "coreutils", "make", "git", "perl", "python3"],
        &["bash", "make", "git", "perl", "python3"],
    );
    let renamed = sandbox.copy(&bundle, "a name with a blank");
    let say = |name: &Path| sandbox.run(name, &["-c", "echo $0; exec \"$0\" -c 'echo again'"]).text();
    assert_eq!(say(&renamed), "/usr/bin/bash\nagain\n");
    symlink(&renamed, sandbox.at("bash")).expect("link");
    assert_eq!(say(&sandbox.at("bash")), "/usr/bin/bash\nagain\n");
    // A name that the tree has for the same program is the program's name.
    symlink(&renamed, sandbox.at("python3")).expect("link");
    let python =
        sandbox.run(&sandbox.at("python3"), &["-c", "import sys; print(sys.executable, sys.prefix)"]);
    assert_eq!(python.text(), "/usr/bin/python3 /usr\n", "{python}");
}

#[test]
fn python_starts_itself_and_not_the_bundle() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    let script = sandbox.write("app.py", SPAWNS.as_bytes());
    let add = format!("{}:opt/app.py", script.display());
    let options = ["--deb", "python3", "--entry", "app=/usr/bin/python3", "--arg", "{tree}/opt/app.py"];
    for target in [
        &["--target", "riscv64"][..],
        &["--target", "x86_64"],
        &["--target", "riscv64", "--debian-emulators"],
    ] {
        let hosts = ["--hosts", "x86_64", "--level", "1", "--add", &add];
        let bundle = sandbox.copy(&pack(&[&options[..], target, &hosts].concat()), "app");
        for method in ["spawn", "forkserver"] {
            let ran = sandbox.run(&bundle, &[method]);
            assert_eq!(ran.text(), "42\n['-c']\n", "{target:?} {method}: {ran}");
        }
    }
}

#[test]
fn a_lone_static_program_is_called_as_the_bundle_was() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    sandbox.copy(&busybox(bundle::Arch::Riscv64), "busybox");
    symlink("busybox", sandbox.at("echo")).expect("link");
    assert_eq!(sandbox.run(&sandbox.at("echo"), &["an applet"]).text(), "an applet\n");
}

#[test]
fn argv0_says_otherwise() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    let base = ["--deb", "bash", "--entry", "sh=/usr/bin/bash", "--hosts", "x86_64", "--level", "1"];
    for target in ["riscv64", "x86_64"] {
        let bundle = |argv0| pack(&[&base[..], &["--target", target, "--argv0", argv0]].concat());
        let called = sandbox.copy(&bundle("called"), "called");
        let said = sandbox.run(&called, &["-c", "echo $0"]).text();
        assert_eq!(said.trim_end(), called.to_str().expect("text"), "{target}");
        // By the name of the entry, which the tree has beside the program.
        let path = sandbox.copy(&bundle("path"), "sh");
        let said = sandbox.run(&path, &["-c", "echo $0; shopt -qo posix && echo posix"]).text();
        let shown = said.lines().next().unwrap_or_default();
        assert!(shown.ends_with("/usr/bin/sh") && said.ends_with("posix\n"), "{target}: {said}");
        assert!(target != "x86_64" || fs::metadata(shown).is_ok(), "natively it is where it says");
        fs::remove_file(path).expect("ours");
    }
}
