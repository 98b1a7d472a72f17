//! What a project's file says, and what is refused in it.

use super::*;

fn project(text: &str) -> Result<Project, String> {
    let text = format!("schema = 1\n{text}");
    Project::of(&text, Path::new("unibin.toml"), None)
        .map_err(|error| format!("{}; {}", error.text(), error.hint().unwrap_or_default()))
}

fn words(text: &str) -> Vec<String> {
    let words = project(text).expect("a project").words;
    words.into_iter().map(|word| word.into_string().expect("text")).collect()
}

#[test]
fn keys_are_the_words_of_pack() {
    let text = r#"
        [app]
        name = "hello"
        version = "1.2"
        entry = ["hello=bin/hello", "admin=bin/admin"]
        [[app.build]]
        file = "out/{name}-{version}-riscv64"
        arch = "riscv64"
        command = "make ${name} V={version}"
        [[app.build]]
        arch = "x86_64-v3"
        file = "out/fast"
        [libs]
        libs = "debian"
        [hosts]
        hosts = ["x86_64", "riscv64"]
        level = 3
        locked = false
        debian-emulators = true
        [start]
        env = ["A={tree}/{b}", "B={name}"]
        arg = ["--fast"]
        [release]
        thin = "all"
        "#;
    let wanted = [
        "--entry=hello=bin/hello",
        "--entry=admin=bin/admin",
        "--libs=debian",
        "--hosts=x86_64,riscv64",
        "--level=3",
        "--debian-emulators",
        "--env=A={tree}/{b}",
        "--env=B=hello",
        "--arg=--fast",
        "--target=riscv64",
        "out/hello-1.2-riscv64",
        "--native=x86_64-v3=out/fast",
    ];
    assert_eq!(words(text), wanted);
    let project = project(text).expect("a project");
    assert_eq!(project.builds[0].command.as_deref(), Some("make ${name} V=1.2"));
    assert_eq!(project.release.thin.as_deref(), Some("all"));
    // Of packages, each build is one more.
    let packages =
        "[app]\nname='jq'\ndeb=['jq','./own.deb']\ntarget='riscv64'\n[[app.build]]\narch='x86_64'\n";
    assert_eq!(words(packages), ["--deb=jq", "--deb=./own.deb", "--target=riscv64", "--native=x86_64"]);
}

#[test]
fn paths_are_relative_to_the_file() {
    let text = "schema = 1\n[app]\nname='a'\n[[app.build]]\nfile='b'\n[libs]\nadd=['c:/d','/e']\n\
                [hosts]\nemulator=['x86_64=f']\n[start]\npreload=['libg.so', './h.so']\n";
    let project = Project::of(text, Path::new("p/unibin.toml"), None).expect("a project");
    let wanted: Vec<OsString> = [
        "--add=p/c:/d",
        "--add=/e",
        "--emulator=x86_64=p/f",
        "--preload=libg.so",
        "--preload=p/./h.so",
        "p/b",
    ]
    .map(OsString::from)
    .to_vec();
    assert_eq!(project.words, wanted);
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_what_was_meant() {
    let app = "[app]\nname = 'a'\n";
    for (text, parts) in [
        (format!("{app}[host]\n"), &["line 4", "unknown key `host`", "did you mean `hosts`?"][..]),
        (format!("{app}enty = ['a']\n"), &["line 4", "`enty` in `[app]`", "did you mean `entry`?"]),
        (format!("{app}libs = 'debian'\n"), &["`libs` in `[app]`", "belongs into `[libs]`"]),
        (format!("{app}[hosts]\nzzzzzz = 1\n"), &["line 5", "known are hosts, also-target"]),
        (format!("{app}[[app.build]]\nfil = 'a'\n"), &["line 5", "[[app.build]]", "did you mean `file`?"]),
        (format!("{app}[hosts]\nhosts = 3\n"), &["line 5", "`hosts` is a number, not a list of strings"]),
        (format!("{app}[hosts]\nlocked = 'yes'\n"), &["`locked` is a string, not true or false"]),
        (format!("{app}output = '{{version}}'\n"), &["`{version}`, and `[app]` no version"]),
        (format!("{app}output = '{{commit}}'\n"), &["only `{name}` and `{version}` are filled in"]),
        (format!("{app}[[app.build]]\nfile = 'a'\n[[app.build]]\nfile = 'b'\n"), &["needs an `arch`"]),
        (format!("{app}target = 'x86_64'\n[[app.build]]\nfile = 'a'\narch = 'x86_64'\n"), &["same thing"]),
        ("[app]\nname = '../a'\n".to_owned(), &["line 3", "`name` must be of letters"]),
        ("[app]\n".to_owned(), &["`name` is missing"]),
        ("[app\n".to_owned(), &["line 2"]),
    ] {
        let error = project(&text).expect_err("refused");
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
    let fault = |text: &str| Project::of(text, Path::new("unibin.toml"), None).expect_err("refused").text();
    assert!(fault("schema = 2\n").contains("schema 2 is not known"));
    assert!(fault("").contains("`schema = 1` is missing"));
}
