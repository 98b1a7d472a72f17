//! What `unibin hosts` and `unibin targets` say, for people and for programs.

mod scene;

use scene::Scene;
use serde_json::Value;

const HOSTS: [&str; 8] = ["x86_64", "aarch64", "riscv64", "ppc64le", "s390x", "loongarch64", "i686", "armv7"];

fn rows(scene: &Scene, list: &str) -> Vec<Value> {
    let run = scene.run([list, "--json"]).ok();
    serde_json::from_str(&run.out).expect("an array")
}

fn names<'a>(rows: &'a [Value], field: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[field].as_str().expect("a name")).collect()
}

/// How many rows the table has before its first empty line.
fn table(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| !line.is_empty()).collect()
}

#[test]
fn every_host_is_told_with_its_emulators_their_versions_and_limits() {
    let scene = Scene::new();
    scene.run(["hosts", "x86_64"]).refused(2, &[]);
    let rows = rows(&scene, "hosts");
    assert_eq!(names(&rows, "host"), HOSTS);
    let plain = scene.run(["hosts"]).ok().out;
    let lines = table(&plain);
    assert_eq!(lines.len(), HOSTS.len(), "{plain}");
    let (_, limits) = plain.split_once("\nlimits:\n").expect("limits");
    let catalogue = emulator::Catalogue::embedded().expect("the catalogue");
    for ((row, line), host) in rows.iter().zip(lines).zip(bundle::Arch::HOSTS) {
        assert!(line.starts_with(host.name()), "{line}");
        let is_default = bundle::Arch::DEFAULT_HOSTS.contains(&host);
        assert_eq!((row["default"].as_bool(), line.contains(" default ")), (Some(is_default), is_default));
        let count = row["emulated"].as_array().expect("targets").len();
        assert!(line.contains(&format!("emulates {count} targets")), "{line}");
        let supplies = row["supplies"].as_array().expect("supplies");
        let pinned: Vec<_> = catalogue.rows(host).collect();
        let built: Vec<_> = catalogue.built(host).into_iter().collect();
        assert_eq!(supplies.len(), built.len() + pinned.len());
        for (supply, built) in supplies.iter().zip(&built) {
            assert_eq!(supply["version"], built.version.as_str());
            assert!(supply["recipe"].is_string() && built.version.contains("+unibin"), "{supply}");
            let targets = supply["targets"].as_array().expect("targets").len();
            assert_eq!(targets, built.members.len());
            assert!(line.contains(&format!("{} ({targets})", built.version)), "{line}");
        }
        for (supply, pinned) in supplies.iter().skip(built.len()).zip(pinned) {
            assert_eq!(supply["version"], pinned.version.as_str());
            assert!(line.contains(&format!("{} {}", pinned.translator, pinned.version)), "{line}");
            assert_eq!(supply["limits"], serde_json::json!(pinned.limits));
            assert!(pinned.limits.iter().all(|limit| limits.contains(limit)), "{limits}");
        }
    }
    let old = limits.lines().find(|line| line.contains("QEMU 7.2")).expect("the old release's limit");
    assert!(old.starts_with("  i686, armv7: ") && limits.contains("  all: "), "{limits}");
}

#[test]
fn every_target_is_told_with_the_hosts_that_run_it() {
    let scene = Scene::new();
    let rows = rows(&scene, "targets");
    assert_eq!(names(&rows, "target"), bundle::Arch::ALL.iter().map(|arch| arch.name()).collect::<Vec<_>>());
    let is_catalogued = |row: &Value| row["catalogue"].as_bool().expect("a word on it");
    assert_eq!(rows.iter().filter(|row| is_catalogued(row)).count(), 33);
    let plain = scene.run(["targets"]).ok().out;
    let lines = table(&plain);
    assert_eq!(lines.len(), rows.len(), "{plain}");
    for (row, line) in rows.iter().zip(lines) {
        if !is_catalogued(row) {
            assert_eq!(names_of(&row["hosts"]), [""; 0]);
            let missing = names_of(&row["missing"]);
            assert!(missing.len() == HOSTS.len() && missing[0].contains("`emulators.toml`"), "{missing:?}");
            assert!(line.starts_with(row["target"].as_str().expect("a name")), "{line}");
            assert!(line.ends_with("by translators of your own"), "{line}");
            continue;
        }
        assert_eq!(names_of(&row["hosts"]), HOSTS, "an emulator is pinned for every pair");
        assert_eq!(row["missing"], serde_json::json!([]));
        let shape = row["shape"].as_str().expect("a shape");
        let (name, rest) = line.split_once(' ').expect("columns");
        assert_eq!(name, row["target"]);
        let (told, hosts) = rest.split_once(" on ").expect("columns");
        assert_eq!((told.trim(), hosts), (shape, HOSTS.join(" ").as_str()));
    }
    assert!(plain.contains("s390x        64-bit big-endian"), "{plain}");
}

fn names_of(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name")).collect()
}
