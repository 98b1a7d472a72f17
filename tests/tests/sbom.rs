//! The bill of materials of a real package: each package that left its copyright in the tree is in it, with
//! the source that Debian's vulnerabilities are filed against, and each file of the tree once.

use std::collections::BTreeSet;
use std::fs;

use end_to_end::{Sandbox, Trivy, needs, pack_if_there, unibin};
use serde_json::Value;

#[test]
fn a_packages_bill_has_all_packages_of_its_tree_and_each_file_once() {
    needs!("network");
    let arguments = ["--deb", "jq", "--target", "riscv64", "--hosts", "x86_64"];
    let Some(bundle) = pack_if_there(&arguments) else { return };
    let told = unibin().arg("sbom").arg(&bundle).output().expect("unibin starts");
    assert!(told.status.success() && told.stderr.is_empty(), "{told:?}");
    let bill: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let components = rows(&bill["components"]);
    let of_app = |row: &&Value| text(&row["bom-ref"]).starts_with("app:riscv64/pkg:deb/debian/");
    let packages: BTreeSet<String> = components.iter().filter(of_app).map(|row| text(&row["name"])).collect();

    let sandbox = Sandbox::new();
    let tree = sandbox.at("tree");
    let done = unibin().arg("extract").arg(&bundle).arg(&tree).output().expect("unibin starts");
    assert!(done.status.success(), "{done:?}");
    let documented = fs::read_dir(tree.join("usr/share/doc")).expect("copyright files");
    let documented: BTreeSet<String> =
        documented.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(documented.contains("jq") && documented.is_subset(&packages), "{documented:?} {packages:?}");
    let libc = components.iter().map(|row| text(&row["purl"])).find(|purl| purl.contains("/libc6@"));
    assert!(libc.expect("libc6").contains("&upstream=glibc"), "scanners look up the source");

    let mut told = Vec::new();
    for component in components.iter().filter(|row| text(&row["bom-ref"]).starts_with("app:riscv64")) {
        told.extend(rows(&component["components"]).iter().map(|file| text(&file["name"])));
    }
    let files: BTreeSet<String> = Sandbox::tree(&tree)
        .into_iter()
        .filter(|path| tree.join(path).symlink_metadata().is_ok_and(|found| found.is_file()))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    assert_eq!(told.len(), told.iter().collect::<BTreeSet<_>>().len(), "no file twice");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), files, "and each one");
}

#[test]
fn a_scanner_finds_the_old_package_that_its_database_names_and_no_other() {
    needs!("network", "trivy");
    let arguments = ["--deb", "jq", "--target", "riscv64", "--hosts", "x86_64"];
    let Some(bundle) = pack_if_there(&arguments) else { return };
    let sandbox = Sandbox::new();
    let bills = ["cyclonedx", "spdx"].map(|format| {
        let to = sandbox.at(format!("bill.{format}.json"));
        let told = unibin().arg("sbom").arg(&bundle).args(["--format", format, "-o"]).arg(&to).output();
        assert!(told.expect("unibin starts").status.success());
        to
    });
    let bill: Value = serde_json::from_slice(&fs::read(&bills[0]).expect("a bill")).expect("JSON");
    let components = bill["components"].as_array().expect("components");
    let version_of = |name: &str| {
        let found = components.iter().find(|row| row["name"] == name && row["type"] == "library");
        found.expect(name).clone()["version"].as_str().expect("a version").to_owned()
    };
    // Debian names sources. glibc is in the tree under other names, and linked into the emulator.
    for (source, package, found) in
        [("glibc", "libc6", &["glibc", "libc-bin", "libc6"][..]), ("jq", "libjq1", &["jq", "libjq1"])]
    {
        let version = version_of(package);
        for bill in &bills {
            let finds = |distribution: &str, source: &str, fixed: &str| {
                let directory = sandbox.at(format!("trivy {distribution} {source} {fixed}"));
                Trivy::planted(directory, distribution, source, fixed).finds(bill)
            };
            let vulnerable = finds("debian 13", source, &format!("{version}.1"));
            assert_eq!(vulnerable.iter().map(String::as_str).collect::<Vec<_>>(), found, "{bill:?}");
            assert!(finds("debian 13", source, &version).is_empty(), "{version} has the fix: {bill:?}");
            assert!(finds("debian 13", "zsh", "999").is_empty(), "of another package: {bill:?}");
            assert!(finds("debian 12", source, "999").is_empty(), "of another release: {bill:?}");
        }
    }
}
