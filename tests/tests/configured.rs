//! Trees of packages are configured as their maintainer scripts would have done it, without running any.

use end_to_end::{Sandbox, needs, pack_if_there};

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
