//! Programs of Debian, packed by name: each prints what it should on foreign CPUs, and natively on this one
//! without mapping anything of this machine. A table of packages, what they are asked, and the CPUs besides
//! riscv64 that they are asked on.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use bundle::Arch;
use end_to_end::{Sandbox, compile_musl, needs, own, pack_by_hand, pack_if_there, say};

/// One package.
struct Row {
    package: &'static str,
    /// Options of `pack` besides the package.
    options: &'static [&'static str],
    /// CPUs besides riscv64 and this machine's.
    targets: &'static [Arch],
    runs: &'static [Run],
    /// Arguments with which it has loaded everything and waits for its input, or for somebody to read its
    /// output.
    waiting: &'static [&'static str],
}

/// One run and all that it prints. `SERVER`, `DIRECTORY` and `MACHINE` stand for what they are.
struct Run {
    entry: &'static str,
    arguments: &'static [&'static str],
    prints: &'static str,
}

const ALL: [Arch; 5] = [Arch::Aarch64, Arch::Armv7, Arch::I686, Arch::Ppc64le, Arch::S390x];

/// More than a pipe holds.
const MUCH: &str = "MUCH";

const PYTHON: &str = "
import ctypes, decimal, locale, platform, socket, sqlite3, ssl, sys
print(ssl.OPENSSL_VERSION.split()[0], ssl.create_default_context().verify_mode.name)
print(sqlite3.connect(':memory:').execute('select 6*7').fetchone()[0])
print(ctypes.CDLL(None).strlen(b'hello'), decimal.Decimal(1) / 3)
print(socket.gethostbyname('localhost'), platform.machine())
print(locale.setlocale(locale.LC_ALL, 'C.UTF-8'), sys.stdout.encoding, '\\u00e9\\u4e2d')
";

const PYTHON_PRINTS: &str = "OpenSSL CERT_REQUIRED
42
5 0.3333333333333333333333333333
127.0.0.1 MACHINE
C.UTF-8 utf-8 \u{e9}\u{4e2d}";

const PYTHON_WAITS: &str = "import ctypes, decimal, sqlite3, ssl, curses, lzma, bz2; input()";

const PERL: &str =
    "print sum(40, 2), ' ', md5_hex('abc'), ' ', floor(2.5), ' ', encode('UTF-8', chr(233)), \"\\n\"";

const PERL_PRINTS: &str = "42 900150983cd24fb0d6963f7d28e17f72 2 \u{e9}";

/// Modules in Perl and in C, of `perl-base` and of `perl-modules`.
const PERL_USES: [&str; 4] = ["-MList::Util=sum", "-MDigest::MD5=md5_hex", "-MPOSIX=floor", "-MEncode"];

/// The digest of `abc`: the first example of FIPS 180-4.
macro_rules! abc_sha256 {
    () => {
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    };
}

const fn run(entry: &'static str, arguments: &'static [&'static str], prints: &'static str) -> Run {
    Run { entry, arguments, prints }
}

static ROWS: [Row; 13] = [
    Row {
        package: "hello",
        options: &[],
        targets: &ALL,
        runs: &[run("", &[], "Hello, world!")],
        waiting: &["-g", MUCH],
    },
    Row {
        package: "python3",
        options: &["--entry", "python3=/usr/bin/python3"],
        targets: &ALL,
        runs: &[run("", &["-c", PYTHON], PYTHON_PRINTS)],
        waiting: &["-c", PYTHON_WAITS],
    },
    Row {
        // Each converter is a library that the C library loads by its path.
        package: "libc-bin",
        options: &["--entry", "iconv=/usr/bin/iconv"],
        targets: &[Arch::S390x],
        runs: &[run("", &["-f", "ISO-8859-1", "-t", "UTF-8", "DIRECTORY/latin1"], "caf\u{e9}")],
        waiting: &["-f", "ISO-8859-1", "-t", "UTF-8"],
    },
    Row {
        package: "coreutils",
        options: &[
            "--entry",
            "cat=/usr/bin/cat",
            "--entry",
            "/usr/bin/*sum",
            "--entry",
            "sort=/usr/bin/sort",
        ],
        targets: &[Arch::Ppc64le],
        runs: &[
            run("", &["DIRECTORY/abc"], "abc"),
            run("sha256sum", &["DIRECTORY/abc"], concat!(abc_sha256!(), "  DIRECTORY/abc")),
            run("sort", &["DIRECTORY/lines"], "1\n2\n3"),
        ],
        waiting: &[],
    },
    Row {
        package: "perl",
        options: &[],
        // On a 32-bit CPU it finds its modules by other calls.
        targets: &[Arch::I686, Arch::S390x],
        runs: &[run("", &[PERL_USES[0], PERL_USES[1], PERL_USES[2], PERL_USES[3], "-e", PERL], PERL_PRINTS)],
        waiting: &[PERL_USES[0], PERL_USES[1], PERL_USES[2], PERL_USES[3], "-e", "<STDIN>"],
    },
    Row {
        package: "sqlite3",
        options: &[],
        targets: &[Arch::S390x],
        runs: &[run("", &[":memory:", "select 6*7, upper('abc')"], "42|ABC")],
        waiting: &[":memory:"],
    },
    Row {
        package: "lua5.4",
        options: &[],
        targets: &[Arch::Ppc64le],
        runs: &[run(
            "",
            &["-e", "print(_VERSION, 6*7, string.pack('>I2', 258):byte(1, 2))"],
            "Lua 5.4\t42\t1\t2",
        )],
        waiting: &["-"],
    },
    Row {
        package: "openssl",
        options: &[],
        targets: &[Arch::Aarch64],
        runs: &[
            run("", &["dgst", "-r", "-sha256", "DIRECTORY/abc"], concat!(abc_sha256!(), " *DIRECTORY/abc")),
            // MD4 is in a module that is loaded by its path.
            run(
                "",
                &["dgst", "-r", "-provider", "legacy", "-md4", "DIRECTORY/abc"],
                "a448017aaf21d8525fc10ae87aa6729d *DIRECTORY/abc",
            ),
        ],
        waiting: &["dgst", "-provider", "legacy", "-provider", "default", "-md4"],
    },
    Row {
        package: "curl",
        options: &[],
        targets: &[Arch::Armv7],
        runs: &[run("", &["-sS", "SERVER/page"], "you asked for /page")],
        waiting: &["-sS", "-d", "@-", "SERVER/"],
    },
    Row {
        package: "gawk",
        options: &[],
        targets: &[Arch::I686],
        runs: &[run(
            "",
            &["{ sum += $1 } END { printf \"%d %s\\n\", sum, toupper(\"abc\") }", "DIRECTORY/lines"],
            "6 ABC",
        )],
        waiting: &["{}"],
    },
    Row {
        package: "jq",
        options: &[],
        targets: &[Arch::S390x],
        runs: &[run("", &["-cn", "[6*7, (\"abc\" | test(\"b\"))]"], "[42,true]")],
        waiting: &["."],
    },
    Row {
        package: "file",
        options: &[],
        targets: &[Arch::Aarch64],
        runs: &[run("", &["-b", "DIRECTORY/abc"], "ASCII text, with no line terminators")],
        waiting: &["-"],
    },
    Row {
        package: "diffutils",
        options: &["--entry", "cmp=/usr/bin/cmp"],
        targets: &[Arch::Armv7],
        runs: &[run("", &["-s", "DIRECTORY/abc", "DIRECTORY/abc"], "")],
        waiting: &["-", "DIRECTORY/abc"],
    },
];

/// A sandbox with what the runs read, and a server that answers.
struct Scene {
    sandbox: Sandbox,
    server: String,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("abc", b"abc");
        sandbox.write("lines", b"3\n1\n2\n");
        sandbox.write("latin1", b"caf\xe9\n");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = format!("http://{}", listener.local_addr().expect("an address"));
        // It ends with the test's process.
        std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
        Self { sandbox, server }
    }

    fn meant(&self, text: &str, target: Arch) -> String {
        let machine = target.uname_names().first().copied().unwrap_or_default();
        let directory = self.sandbox.path().to_str().expect("text");
        let text =
            text.replace("SERVER", &self.server).replace("DIRECTORY", directory).replace("MACHINE", machine);
        if text == MUCH { "x".repeat(100_000) } else { text }
    }

    fn check(&self, bundle: &Path, target: Arch, row: &Row, route: &str) {
        for Run { entry, arguments, prints } in row.runs {
            let arguments: Vec<String> = arguments.iter().map(|text| self.meant(text, target)).collect();
            let mut variables = vec![("UNIBIN_ROUTE", route)];
            if !entry.is_empty() {
                variables.push(("UNIBIN_ENTRY", entry));
            }
            let ran = self.sandbox.run_with(&variables, bundle, &arguments);
            let what = format!("{} for {target}, {route}: {ran}", row.package);
            assert_eq!(ran.code(), Some(0), "{what}");
            assert_eq!(ran.text().trim_end(), self.meant(prints, target), "{what}");
            assert_eq!(ran.errors(), "", "{what}");
        }
    }

    /// What a native run has mapped once it waits.
    fn maps(&self, bundle: &Path, row: &Row) -> Vec<String> {
        let mut command = self.sandbox.command(bundle);
        command.args(row.waiting.iter().map(|text| self.meant(text, Arch::X86_64)));
        let pipes = command.env("UNIBIN_ROUTE", "native").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().expect("started");
        let maps =
            waits(&mut child, &self.sandbox.cache()).unwrap_or_else(|| panic!("{}: it ended", row.package));
        child.kill().expect("killed");
        child.wait().expect("ended");
        maps
    }
}

fn answer(mut stream: std::net::TcpStream) {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let _ = reader.read_line(&mut line);
    let body = format!("you asked for {}\n", line.split(' ').nth(1).unwrap_or_default());
    let _ = write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
}

/// The files that `child` has mapped as soon as it is a program of the cache that sleeps; `None` when it has
/// ended before.
fn waits(child: &mut Child, cache: &Path) -> Option<Vec<String>> {
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let mut before = Vec::new();
    while child.try_wait().expect("its state").is_none() {
        let text = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
        let sleeps = text("stat").rsplit(')').next().is_some_and(|rest| rest.starts_with(" S"));
        let maps: Vec<String> =
            text("maps").lines().filter_map(|line| line.find('/').map(|at| line[at..].to_owned())).collect();
        let exe = fs::read_link(process.join("exe")).unwrap_or_default();
        let libc = maps.iter().any(|map| map.ends_with("/libc.so.6"));
        if sleeps && exe.starts_with(cache) && libc && maps == before {
            return Some(maps);
        }
        before = if sleeps { maps } else { Vec::new() };
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}

fn is_elf(path: &str) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

/// On this CPU and, emulated, as riscv64: one bundle.
fn two_variants(row: &Row) {
    let scene = Scene::new();
    let all = [
        "--deb",
        row.package,
        "--target",
        "riscv64",
        "--native",
        "x86_64",
        "--hosts",
        "x86_64",
        "--level",
        "3",
    ];
    let Some(packed) = pack_if_there(&[&all, row.options].concat()) else { return };
    let bundle = scene.sandbox.copy(&packed, row.package);
    scene.check(&bundle, Arch::Riscv64, row, "emulated");
    scene.check(&bundle, Arch::X86_64, row, "native");
    let cache = scene.sandbox.cache();
    let maps = scene.maps(&bundle, row);
    // Data of this machine may be mapped, such as a locale's: docs/native.md.
    let strangers = maps.iter().filter(|map| !Path::new(map).starts_with(&cache) && is_elf(map));
    let strangers: Vec<_> = strangers.collect();
    assert!(strangers.is_empty(), "{}: of this machine: {strangers:#?}", row.package);
}

fn on_another_target(row: &Row, target: Arch) {
    let scene = Scene::new();
    let all = ["--deb", row.package, "--target", target.name(), "--hosts", "x86_64", "--level", "3"];
    let Some(packed) = pack_if_there(&[&all, row.options].concat()) else { return };
    let bundle = scene.sandbox.copy(&packed, format!("{}-{target}", row.package));
    scene.check(&bundle, target, row, "emulated");
}

/// The tests of each row, one for each build and CPU, so that they run at the same time.
macro_rules! tests_of {
    ($($name:ident: $package:literal on $($target:ident)+;)+) => {
        /// The packages that have tests, with the CPUs that these run them on.
        const TESTED: &[(&str, &[Arch])] = &[$(($package, &[$(Arch::$target),+])),+];

        $(mod $name {
            use super::*;

            #[test]
            fn runs_emulated_and_natively_on_nothing_of_this_machine() {
                needs!("network");
                two_variants(row($package));
            }

            #[allow(non_snake_case, reason = "they are named as the CPUs are")]
            mod runs_on {
                use super::*;

                $(#[test]
                fn $target() {
                    needs!("network");
                    on_another_target(row($package), Arch::$target);
                })+
            }
        })+
    };
}

tests_of! {
    hello: "hello" on Aarch64 Armv7 I686 Ppc64le S390x;
    python3: "python3" on Aarch64 Armv7 I686 Ppc64le S390x;
    libc_bin: "libc-bin" on S390x;
    coreutils: "coreutils" on Ppc64le;
    perl: "perl" on I686 S390x;
    sqlite3: "sqlite3" on S390x;
    lua: "lua5.4" on Ppc64le;
    openssl: "openssl" on Aarch64;
    curl: "curl" on Armv7;
    gawk: "gawk" on I686;
    jq: "jq" on S390x;
    file: "file" on Aarch64;
    diffutils: "diffutils" on Armv7;
}

fn row(package: &str) -> &'static Row {
    ROWS.iter().find(|row| row.package == package).expect("a row of the table")
}

#[test]
fn every_row_has_tests_on_its_targets() {
    let rows: Vec<_> = ROWS.iter().map(|row| (row.package, row.targets)).collect();
    assert_eq!(rows, TESTED);
}

#[test]
fn converters_of_this_machine_are_never_taken() {
    needs!("network");
    if !Path::new("/usr/lib/x86_64-linux-gnu/gconv").exists() {
        say("NOT RUN as it should be: this machine has no converters to leave alone");
    }
    let sandbox = Sandbox::new();
    let latin1 = sandbox.write("latin1", b"caf\xe9\n");
    let arguments = ["-f", "ISO-8859-1", "-t", "UTF-8", latin1.to_str().expect("text")];
    let source = ["--deb", "libc-bin", "--entry", "iconv=/usr/bin/iconv", "--target", "x86_64"];
    let all =
        |more: &[&str]| pack_if_there(&[&source[..], &["--hosts", "x86_64", "--level", "3"], more].concat());
    let Some(packed) = all(&["--exclude", "**/gconv/**"]) else { return };
    let bundle = sandbox.copy(&packed, "without");
    let refused = sandbox.run(&bundle, &arguments);
    assert!(refused.code() == Some(1) && refused.errors().contains("not supported"), "{refused}");

    let Some(packed) = all(&[]) else { return };
    let bundle = sandbox.copy(&packed, "with");
    let ran = sandbox.run_with(&[("GCONV_PATH", "/nonexistent")], &bundle, &arguments);
    assert_eq!(ran.must_succeed(), "caf\u{e9}\n");

    // The tree that is native elsewhere.
    let target = ["--target", "riscv64", "--hosts", "x86_64,riscv64", "--level", "3"];
    let Some(packed) = pack_if_there(&[&source[..4], &target].concat()) else { return };
    let bundle = sandbox.copy(&packed, "emulated");
    assert_eq!(sandbox.run(&bundle, &arguments).must_succeed(), "caf\u{e9}\n");
}

#[test]
fn a_program_on_musl_runs_with_the_musl_of_debian() {
    needs!("network");
    for target in [Arch::Riscv64, Arch::S390x, Arch::Armv7, Arch::X86_64] {
        let Some(program) = compile_musl("root", &[own("root.c")], target, &[]) else { return };
        let sandbox = Sandbox::new();
        let program = program.to_str().expect("text");
        let options = ["--libs", "debian", "--hosts", "x86_64", "--level", "3"];
        let Some(packed) = pack_if_there(&[&[program][..], &options].concat()) else { continue };
        let ran = sandbox.run(&sandbox.copy(&packed, "root"), &[] as &[&str]);
        let bits = if target == Arch::Armv7 { 32 } else { 64 };
        assert_eq!(ran.must_succeed(), format!("root=2.0 bits={bits}\n"), "{target}");
    }
}

#[test]
fn a_missing_library_is_named_with_the_package_that_has_it_where_debian_was_asked_before() {
    needs!("network");
    let Some(program) = compile_musl("root", &[own("root.c")], Arch::Riscv64, &[]) else { return };
    let program = program.to_str().expect("text");
    let options = ["--hosts", "x86_64", "--level", "3"];
    // Asks.
    if pack_if_there(&[&[program, "--libs", "debian"], &options[..]].concat()).is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let refused = pack_by_hand(&[&[program], &options[..]].concat(), &sandbox.at("bundle"));
    let told = refused.errors();
    for words in ["ld-musl-riscv64.so.1", "needed by: ", "is in:     package musl", "hint: ", "--libs debian"]
    {
        assert!(refused.code() == Some(3) && told.contains(words), "{refused}");
    }
}
