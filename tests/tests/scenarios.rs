//! Each scenario of docs/scenarios.md has a test, which exists.

use std::fs;
use std::path::Path;

#[test]
fn every_scenario_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/scenarios.md")).expect("a page");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains("::"));
    let mut seen = 0;
    for row in rows {
        let name = row.rsplit('`').nth(1).expect("a test");
        let (directory, name) = match name.strip_prefix("packer::") {
            Some(name) => ("packer/tests", name),
            None => ("tests/tests", name),
        };
        let (file, test) = name.split_once("::").expect("a file and a test");
        let source = fs::read_to_string(root.join(directory).join(file)).unwrap_or_default();
        let head = format!("fn {test}()");
        let before = source.split(&head).next().unwrap_or_default();
        assert!(before.len() < source.len(), "{row}: there is no such test");
        assert!(before.trim_end().ends_with("#[test]"), "{row}: it is no test");
        seen += 1;
        assert!(row.starts_with(&format!("| {seen} | ")), "{row}: not in order");
    }
    assert_eq!(seen, 34);
}
