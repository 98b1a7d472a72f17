//! Trees of packages are configured as their maintainer scripts would have done it, without running any.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bundle::{Arch, MTIME};
use end_to_end::{Outcome, Sandbox, lacking, needs, not_run, pack_if_there, smallest_bundle, unibin};

/// Packs with the tests' store. `None` where the mirror lacks a package, also one of this
/// machine's that makes something.
fn configured(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Option<PathBuf> {
    let bundle = sandbox.at(name);
    let options = ["--target", "riscv64", "--hosts", "x86_64", "--level", "1"];
    let packed = Sandbox::finish(unibin().arg("pack").args(arguments).args(options).arg("-o").arg(&bundle));
    if let Some(lacking) = lacking(&packed.errors()) {
        not_run("mirror-whole", lacking);
        return None;
    }
    packed.must_succeed();
    Some(bundle)
}

fn extracted(sandbox: &Sandbox, bundle: &Path, to: &str) -> PathBuf {
    let to = sandbox.at(to);
    Sandbox::finish(unibin().arg("extract").arg(bundle).arg(&to)).must_succeed();
    to
}

/// How many modules Python has read as byte code, and how many it has compiled.
fn modules(ran: &Outcome) -> [usize; 2] {
    let told = ran.errors();
    // `# code object from '/.../os.cpython-313.pyc'`, or the source without quotes.
    let count = |from: &str| {
        told.lines().filter(|line| line.starts_with(&format!("# code object from {from}"))).count()
    };
    [count("'/"), count("/")]
}

#[test]
fn python_starts_from_byte_code_and_takes_it_for_that_of_its_sources() {
    needs!("network");
    let sandbox = Sandbox::new();
    let module = sandbox.write("module", b"def answer(): return 42\n");
    let broken = sandbox.write("wrong", b"def answer(: return 42\n");
    let add = |file: &Path, name: &str| format!("{}:usr/lib/python3/dist-packages/{name}.py", file.display());
    let (own, other) = (add(&module, "own"), add(&broken, "broken"));
    let python =
        ["--deb", "python3-minimal", "--entry", "python3=/usr/bin/python3", "--add", &own, "--add", &other];
    let Some(without) = configured(&sandbox, "without", &[&python[..], &["--configure", "none"]].concat())
    else {
        return;
    };
    let Some(with) = configured(&sandbox, "with", &python) else { return };
    let script = ["-v", "-c", "import own, json; print(own.answer(), json.dumps({}))"];
    let run = |bundle: &Path| {
        let ran = sandbox.run(bundle, &script);
        assert_eq!(ran.must_succeed(), "42 {}\n");
        modules(&ran)
    };
    let [read, compiled] = run(&without);
    assert!(read == 0 && compiled > 3, "{read} {compiled}");
    let [read, compiled] = run(&with);
    assert!(read > 3 && compiled == 0, "{read} {compiled}");
    // What is left out is left out with its byte code.
    let out = ["--exclude", "**/own.py"];
    let Some(less) = configured(&sandbox, "less", &[&python[..], &out].concat()) else { return };
    let left = Sandbox::tree(&extracted(&sandbox, &less, "less-tree"));
    assert!(!left.iter().any(|path| path.to_string_lossy().contains("/own.")), "{left:?}");

    let failed = sandbox.run(&with, &["-c", "import broken"]);
    assert!(failed.errors().contains("SyntaxError"), "{failed}");

    // A source that is changed later counts, not what was made of the packed one.
    let copy = extracted(&sandbox, &with, "changed");
    let changed = copy.join("usr/lib/python3/dist-packages/own.py");
    fs::write(&changed, "def answer(): return 43\n").expect("written");
    let path = changed.parent().expect("a directory").to_str().expect("text");
    let ran = sandbox.run_with(
        &[("PYTHONPATH", path)],
        &with,
        &["-c", "import own; print(own.answer(), own.__file__)"],
    );
    assert_eq!(ran.must_succeed(), format!("43 {}\n", changed.display()));

    // What is made anew, with nothing of the store's, is the same.
    let tree = extracted(&sandbox, &with, "tree");
    let byte_code = |tree: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let is_code = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "pyc");
        let all = Sandbox::tree(tree).into_iter().filter(is_code);
        all.map(|path| (path.clone(), fs::read(tree.join(path)).expect("a file"))).collect()
    };
    let first = byte_code(&tree);
    assert!(first.iter().any(|(path, _)| path.ends_with("dist-packages/__pycache__/own.cpython-313.pyc")));
    let mut again = unibin();
    let store = again
        .get_envs()
        .find(|(name, _)| *name == "UNIBIN_STORE")
        .and_then(|(_, store)| store)
        .map(PathBuf::from);
    let (store, fresh) = (store.expect("a store"), tempfile::tempdir().expect("a directory"));
    std::os::unix::fs::symlink(store.join("archives"), fresh.path().join("archives")).expect("a link");
    let options = ["--target", "riscv64", "--hosts", "x86_64", "--level", "1", "-o"];
    again.env("UNIBIN_STORE", fresh.path()).arg("pack").args(python).args(options).arg(sandbox.at("again"));
    Sandbox::finish(&mut again).must_succeed();
    assert!(byte_code(&extracted(&sandbox, &sandbox.at("again"), "tree-again")) == first);
}

#[test]
fn all_files_of_a_tree_have_one_time_however_they_are_unpacked() {
    needs!("x86_64");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&smallest_bundle(Arch::X86_64), "app");
    let to = extracted(&sandbox, &bundle, "by-unibin");
    let by_launcher = sandbox.at("by-launcher");
    let told = [("UNIBIN_DO", "extract"), ("UNIBIN_TO", by_launcher.to_str().expect("text"))];
    sandbox.run_with(&told, &bundle, &[] as &[&str]).must_succeed();
    let mut seen = 0;
    for tree in [to, by_launcher] {
        for file in Sandbox::tree(&tree).into_iter().map(|path| tree.join(path)).filter(|path| path.is_file())
        {
            assert_eq!(fs::metadata(&file).expect("a file").mtime(), i64::from(MTIME), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen >= 2);
}

#[test]
fn the_schemas_of_gsettings_are_compiled() {
    needs!("network");
    let sandbox = Sandbox::new();
    let schemas = [
        "--deb",
        "libglib2.0-bin",
        "--deb",
        "gsettings-desktop-schemas",
        "--entry",
        "gsettings=/usr/bin/gsettings",
    ];
    let Some(without) = configured(&sandbox, "without", &[&schemas[..], &["--configure", "none"]].concat())
    else {
        return;
    };
    let Some(with) = configured(&sandbox, "with", &schemas) else { return };
    // Of the tree alone: this machine may have schemas too.
    let get = |bundle: &Path, to: &str| {
        let schemas = extracted(&sandbox, bundle, to).join("usr/share/glib-2.0/schemas");
        let schemas = schemas.to_str().expect("text").to_owned();
        let variables = [
            ("GSETTINGS_SCHEMA_DIR", schemas.as_str()),
            ("XDG_DATA_DIRS", "/nonexistent"),
            ("GSETTINGS_BACKEND", "memory"),
        ];
        sandbox.run_with(&variables, &with, &["get", "org.gnome.desktop.interface", "clock-format"])
    };
    let ran = get(&without, "tree-without");
    assert!(
        ran.errors().contains("No such schema") || ran.errors().contains("No schemas installed"),
        "{ran}"
    );
    assert_eq!(get(&with, "tree-with").must_succeed(), "'24h'\n");
}

#[test]
fn alternatives_that_a_loop_over_variables_offers_are_there() {
    needs!("network");
    // `for i in $jre_tools; do update-alternatives --install /usr/bin/$i $i $basedir/bin/$i ...`
    let entry = ["--entry", "java=/usr/bin/java", "--level", "1"];
    let java = ["--deb", "default-jre-headless", "--target", "riscv64", "--hosts", "x86_64"];
    let Some(bundle) = pack_if_there(&[&java[..], &entry].concat()) else { return };
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&bundle, "java");
    let ran = sandbox.run(&bundle, &["-XshowSettings:properties", "-version"]);
    ran.must_succeed();
    assert!(ran.errors().contains("os.arch = riscv64"), "{ran}");
}

#[test]
fn extensions_of_php_are_enabled() {
    needs!("network");
    let php = ["--deb", "php-cli", "--deb", "php-sqlite3", "--entry", "php=/usr/bin/php"];
    let rest = ["--target", "riscv64", "--hosts", "x86_64", "--level", "1"];
    let Some(bundle) = pack_if_there(&[&php[..], &rest].concat()) else { return };
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&bundle, "php");
    let script = "$db = new PDO('sqlite::memory:'); print ctype_digit('42') . $db->query('select 6*7')->fetchColumn() \
                  . php_uname('m') . basename(php_ini_loaded_file());";
    assert_eq!(sandbox.run(&bundle, &["-r", script]).must_succeed(), "142riscv64php.ini");
}

#[test]
fn a_compiler_whose_alternative_lies_in_lib_is_packed() {
    needs!("network");
    // cpp offers `/lib/cpp`, and `lib` is a link.
    let gcc = ["--deb", "cpp", "--entry", "cpp=/lib/cpp", "--target", "riscv64", "--hosts", "x86_64"];
    let Some(bundle) = pack_if_there(&[&gcc[..], &["--level", "1"]].concat()) else { return };
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&bundle, "cpp");
    assert!(sandbox.run(&bundle, &["--version"]).must_succeed().starts_with("cpp"));
}

#[test]
fn a_script_is_run_by_the_shell_that_is_part_of_busybox() {
    needs!("network");
    let sandbox = Sandbox::new();
    let script = sandbox.write("hello.sh", b"#!/bin/sh\necho hello $1 from ${0##*/}\nuname -m\n");
    let add = format!("{}:usr/bin/hello", script.display());
    let busybox = ["--deb", "busybox-static", "--add", &add, "--entry", "hello=usr/bin/hello"];
    for native in [&[][..], &["--native", "x86_64"]] {
        let rest = ["--target", "riscv64", "--hosts", "x86_64", "--level", "1"];
        let Some(bundle) = pack_if_there(&[&busybox[..], &rest, native].concat()) else { return };
        let bundle = sandbox.copy(&bundle, "hello");
        let machine = if native.is_empty() { "riscv64" } else { "x86_64" };
        let ran = sandbox.run(&bundle, &["you"]).must_succeed();
        assert_eq!(ran, format!("hello you from hello\n{machine}\n"));
    }
}

#[test]
fn graphviz_has_its_plug_ins() {
    needs!("network");
    // Pointers of 64 and of 32 bits, with addends beside them and in place, in either byte order.
    for target in ["riscv64", "armv7", "i686", "s390x"] {
        let dot =
            ["--deb", "graphviz", "--entry", "dot=/usr/bin/dot", "--target", target, "--hosts", "x86_64"];
        let Some(bundle) = pack_if_there(&[&dot[..], &["--level", "1"]].concat()) else { continue };
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&bundle, "dot");
        let graph = sandbox.write("graph", b"digraph { a -> b }");
        let graph = graph.to_str().expect("text");
        let png = sandbox.run(&bundle, &["-Tpng", graph]);
        png.must_succeed();
        assert!(png.stdout.starts_with(b"\x89PNG"), "{target}");
        let circular = sandbox.run(&bundle, &["-Kcirco", "-Tplain", graph]).must_succeed();
        assert!(circular.starts_with("graph "), "{target}: {circular}");
    }
}

/// Packs for each target; what the mirror lacks is passed over, loudly.
fn for_each(targets: &[&str], packages: &[&str], mut check: impl FnMut(&Sandbox, &Path, &str)) {
    for target in targets {
        let rest = ["--target", target, "--hosts", "x86_64", "--level", "1"];
        let Some(bundle) = pack_if_there(&[packages, &rest].concat()) else { continue };
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&bundle, "app");
        check(&sandbox, &bundle, target);
    }
}

#[test]
fn prolog_finds_what_is_in_its_library() {
    needs!("network");
    let swipl = ["--deb", "swi-prolog-nox", "--entry", "swipl=/usr/bin/swipl"];
    let goal = ["-f", "none", "-g", "aggregate_all(count, member(_, [a, b]), C), writeln(C)", "-t", "halt"];
    let sandbox = Sandbox::new();
    let Some(without) = configured(&sandbox, "without", &[&swipl[..], &["--configure", "none"]].concat())
    else {
        return;
    };
    assert!(sandbox.run(&without, &goal).errors().contains("Unknown procedure"), "it needs no index");
    // It is a text, and the same for every CPU.
    for_each(&["riscv64"], &swipl, |sandbox, bundle, target| {
        assert_eq!(sandbox.run(bundle, &goal).must_succeed(), "2\n", "{target}");
    });
}

/// What a program says to the lines of a file.
fn from(sandbox: &Sandbox, bundle: &Path, arguments: &[&str], input: &Path) -> String {
    let input = fs::File::open(input).expect("a file");
    Sandbox::finish(sandbox.command(bundle).args(arguments).stdin(input)).must_succeed()
}

#[test]
fn a_script_of_a_package_has_the_shell_that_packages_take_for_granted() {
    needs!("network");
    // `#!/bin/sh`, and no dependency on one: `dash` is essential.
    let preunzip = ["--deb", "aspell", "--entry", "prezip=/usr/bin/prezip"];
    for_each(&["riscv64"], &preunzip, |sandbox, bundle, target| {
        let told = sandbox.run(bundle, &["--version"]).must_succeed();
        assert!(told.contains("prezip"), "{target}: {told}");
        assert!(extracted(sandbox, bundle, "tree").join("usr/bin/dash").exists());
    });
}

#[test]
fn aspell_has_its_dictionaries() {
    needs!("network");
    let aspell = ["--deb", "aspell", "--deb", "aspell-en"];
    let entries = ["--entry", "aspell=/usr/bin/aspell", "--entry", "prezip-bin=/usr/bin/prezip-bin"];
    let aspell = [aspell, entries].concat();
    // Pointers of 64 and of 32 bits.
    for_each(&["riscv64", "armv7"], &aspell, |sandbox, bundle, target| {
        let words = sandbox.write("words", b"hello wrold\n");
        let told = from(sandbox, bundle, &["-a", "--lang=en"], &words);
        assert!(
            told.contains("& wrold") && told.contains("world") && !told.contains("& hello"),
            "{target}: {told}"
        );
        // The program itself makes the same.
        let tree = extracted(sandbox, bundle, "tree");
        let made = fs::read(tree.join("var/lib/aspell/en-variant_0.rws")).expect("made");
        let unpack = "gzip -dc \"$1\" | UNIBIN_ENTRY=prezip-bin \"$2\" -d >list";
        let packed = tree.join("usr/share/aspell/en-variant_0.cwl.gz");
        sandbox.shell(unpack, &[&packed, &bundle.to_owned()]).must_succeed();
        let own = sandbox.at("own.rws");
        let own = own.to_str().expect("text");
        let create =
            ["--per-conf=/dev/null", "--dont-validate-affixes", "--lang=en", "create", "master", own];
        from(sandbox, bundle, &create, &sandbox.at("list"));
        assert!(fs::read(own).expect("made") == made, "{target}");
    });
    // An order of bytes that this machine does not have.
    let rest = ["--target", "s390x", "--hosts", "x86_64", "--level", "1", "-o"];
    let sandbox = Sandbox::new();
    let packed = Sandbox::finish(unibin().arg("pack").args(&aspell).args(rest).arg(sandbox.at("other")));
    if let Some(lacking) = lacking(&packed.errors()) {
        return not_run("mirror-whole", lacking);
    }
    assert!(packed.errors().contains("Aspell's dictionaries are not compiled"), "{packed}");
}

#[test]
fn gdk_pixbuf_loads_images_by_modules_of_other_packages_and_gio_knows_types() {
    needs!("network");
    let pixbuf = ["--deb", "libgdk-pixbuf2.0-bin", "--deb", "librsvg2-common", "--deb", "libglib2.0-bin"];
    let entries = ["--entry", "thumbnail=/usr/bin/gdk-pixbuf-thumbnailer", "--entry", "gio=/usr/bin/gio"];
    for_each(&["riscv64", "i686"], &[&pixbuf[..], &entries].concat(), |sandbox, bundle, target| {
        let picture = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>";
        let picture = sandbox.write("picture.svg", picture);
        let picture = picture.to_str().expect("text");
        let small = sandbox.at("small.png");
        sandbox.run(bundle, &["-s", "9", picture, small.to_str().expect("text")]).must_succeed();
        assert!(fs::read(&small).expect("made").starts_with(b"\x89PNG"), "{target}");
        let tree = extracted(sandbox, bundle, "tree");
        let list = Sandbox::tree(&tree).into_iter().find(|path| path.ends_with("loaders.cache"));
        let list = fs::read_to_string(tree.join(list.expect("a list"))).expect("text");
        // Each is a file of the tree, of its own architecture.
        let named = list.lines().filter_map(|line| line.strip_prefix("\"/")?.strip_suffix(".so\""));
        let named: Vec<String> = named.map(|path| format!("{path}.so")).collect();
        assert!(named.len() > 3 && named.iter().all(|path| tree.join(path).is_file()), "{target}: {list}");
        let type_of = ["info", "-a", "standard::content-type", picture];
        let told = sandbox.run_with(&[("UNIBIN_ENTRY", "gio")], bundle, &type_of).must_succeed();
        assert!(told.contains("image/svg+xml"), "{target}: {told}");
    });
}

#[test]
fn java_trusts_the_certificate_authorities_of_the_tree() {
    needs!("network");
    let java = ["--deb", "default-jre-headless", "--deb", "ca-certificates-java"];
    let entries = ["--entry", "java=/usr/bin/java", "--entry", "keytool=/usr/bin/keytool"];
    for_each(&["riscv64"], &[&java[..], &entries].concat(), |sandbox, bundle, target| {
        let list = ["-list", "-cacerts", "-storepass", "changeit"];
        let told = sandbox.run_with(&[("UNIBIN_ENTRY", "keytool")], bundle, &list).must_succeed();
        let entries = told.lines().filter(|line| line.contains("trustedCertEntry")).count();
        let tree = extracted(sandbox, bundle, "tree");
        let is_certificate = |path: &&PathBuf| {
            path.starts_with("usr/share/ca-certificates")
                && path.extension().is_some_and(|ending| ending == "crt")
        };
        let certificates = Sandbox::tree(&tree).iter().filter(is_certificate).count();
        assert!(entries > 50 && entries == certificates, "{target}: {entries} of {certificates}: {told}");
    });
}
