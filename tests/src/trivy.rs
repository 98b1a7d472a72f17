//! Trivy, a scanner for known vulnerabilities that is not ours, and a database for it with the one row that a
//! test has planted. It connects to nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::probes::trivy_program;

/// Its name for the planted vulnerability.
const NAME: &str = "CVE-2099-0001";

/// A Trivy that knows one vulnerability.
pub struct Trivy {
    directory: PathBuf,
}

impl Trivy {
    /// It is in the source package `source` of `distribution` (`debian 13`), in all versions before `fixed`.
    pub fn planted(directory: PathBuf, distribution: &str, source: &str, fixed: &str) -> Self {
        let row = |key: &str, value: &Value| (key.to_owned(), Node::Value(value.to_string().into_bytes()));
        let bucket = |key: &str, rows: Vec<(String, Node)>| (key.to_owned(), Node::Bucket(rows));
        let at = json!({ "ID": "debian", "Name": "planted", "URL": "http://localhost" });
        let root = vec![
            bucket("data-source", vec![row(distribution, &at)]),
            bucket(distribution, vec![bucket(source, vec![row(NAME, &json!({ "FixedVersion": fixed }))])]),
            bucket("vulnerability", vec![row(NAME, &json!({ "Title": "planted", "Severity": "HIGH" }))]),
        ];
        let database = directory.join("db");
        fs::create_dir_all(&database).expect("directory");
        fs::write(database.join("trivy.db"), Bolt::file(root)).expect("database");
        let made = "2025-01-01T00:00:00Z";
        let about = json!({
            "Version": 2, "NextUpdate": "2199-01-01T00:00:00Z", "UpdatedAt": made, "DownloadedAt": made,
        });
        fs::write(database.join("metadata.json"), about.to_string()).expect("metadata");
        Self { directory }
    }

    /// The packages of a bill of materials that it finds vulnerable.
    pub fn finds(&self, bill: &Path) -> BTreeSet<String> {
        let done = Command::new(trivy_program().expect("trivy"))
            .args(["sbom", "--skip-db-update", "--skip-java-db-update", "--offline-scan"])
            .args(["--format", "json", "--quiet", "--cache-dir"])
            .arg(&self.directory)
            .arg(bill)
            .env("HOME", &self.directory)
            .output()
            .expect("trivy starts");
        assert!(done.status.success(), "{done:?}");
        let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        let results = report["Results"].as_array().cloned().unwrap_or_default();
        let found = results.iter().filter_map(|result| result["Vulnerabilities"].as_array()).flatten();
        found
            .map(|row| {
                assert_eq!(row["VulnerabilityID"], NAME);
                row["PkgName"].as_str().expect("a name").to_owned()
            })
            .collect()
    }
}

/// What a key of a database leads to.
enum Node {
    Value(Vec<u8>),
    Bucket(Vec<(String, Node)>),
}

const PAGE: usize = 4096;

/// A file as the library bbolt keeps its databases in: pages, of which the first two describe the rest.
struct Bolt {
    pages: Vec<u8>,
}

impl Bolt {
    fn file(root: Vec<(String, Node)>) -> Vec<u8> {
        // The list of free pages is the third page, and empty.
        let mut bolt = Self { pages: vec![0; 3 * PAGE] };
        let root = bolt.bucket(root);
        let count = bolt.next();
        bolt.pages[2 * PAGE..][..16].copy_from_slice(&head(2, 0x10, 0, 0));
        for number in 0..2_u64 {
            let mut meta = Vec::new();
            // Magic number, version, size of a page, flags.
            for word in [0xED0C_DAED_u32, 2, 4096, 0] {
                meta.extend(word.to_le_bytes());
            }
            // Root and its sequence, list of free pages, count of pages, transaction.
            for word in [root, 0, 2, count, number] {
                meta.extend(word.to_le_bytes());
            }
            // FNV-1a.
            let sum = meta.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
                (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
            let page = [&head(number, 4, 0, 0)[..], &meta, &sum.to_le_bytes()].concat();
            let at = usize::try_from(number).expect("small") * PAGE;
            bolt.pages[at..][..page.len()].copy_from_slice(&page);
        }
        bolt.pages
    }

    fn next(&self) -> u64 {
        u64::try_from(self.pages.len() / PAGE).expect("small")
    }

    /// Adds a bucket as one leaf; gives its page.
    fn bucket(&mut self, mut rows: Vec<(String, Node)>) -> u64 {
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(key, node)| match node {
                Node::Value(bytes) => (0_u32, key, bytes),
                Node::Bucket(rows) => {
                    (1, key, [self.bucket(rows).to_le_bytes(), 0_u64.to_le_bytes()].concat())
                }
            })
            .collect();
        let (mut table, mut content) = (Vec::new(), Vec::new());
        let small = |length: usize| u32::try_from(length).expect("small");
        for (index, (flags, key, value)) in rows.iter().enumerate() {
            let from_here = 16 * (rows.len() - index) + content.len();
            for word in [*flags, small(from_here), small(key.len()), small(value.len())] {
                table.extend(word.to_le_bytes());
            }
            content.extend([key.as_bytes(), value].concat());
        }
        let number = self.next();
        let pages = (16 + table.len() + content.len()).div_ceil(PAGE);
        self.pages.extend(head(number, 2, u16::try_from(rows.len()).expect("few"), small(pages - 1)));
        self.pages.extend([table, content].concat());
        self.pages.resize(self.pages.len().next_multiple_of(PAGE), 0);
        number
    }
}

fn head(number: u64, flags: u16, count: u16, more: u32) -> [u8; 16] {
    let mut head = [0; 16];
    head[..8].copy_from_slice(&number.to_le_bytes());
    head[8..10].copy_from_slice(&flags.to_le_bytes());
    head[10..12].copy_from_slice(&count.to_le_bytes());
    head[12..].copy_from_slice(&more.to_le_bytes());
    head
}
