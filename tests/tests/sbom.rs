//! The bill of materials of a real package: each package that left its copyright in the tree is in it, with
//! the source that Debian's vulnerabilities are filed against, and each file of the tree once.

use std::collections::BTreeSet;
use std::fs;

use end_to_end::{Sandbox, needs, pack_if_there, unibin};
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
