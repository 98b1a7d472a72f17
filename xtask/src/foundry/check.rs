//! Whether what was built is what is committed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use debian::digest;
use foundry::Recipe;

use super::build::Built;
use super::pins::Committed;
use super::table::TABLE;

/// A line for each difference between a build and the table in a host's directory.
pub(crate) fn differences(built: &Built, home: &Path, recipe: &Recipe) -> Result<Vec<String>> {
    let path = home.join(TABLE);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let table = Committed::read(&text).with_context(|| format!("`{}` is unusable", path.display()))?;
    let mut found = Vec::new();
    let (version, sum) = (recipe.version()?, recipe.digest());
    if table.version != version || table.recipe != sum {
        found.push(format!(
            "{}: of version {} and recipe {}, not {version} and {sum}",
            built.host, table.version, table.recipe
        ));
    }
    for (target, bytes) in &built.programs {
        let now = digest::of(bytes);
        match table.members.get(target.name()) {
            None => found.push(format!("{} on {}: not committed", target, built.host)),
            Some(member) if member.sha256 != now => found.push(format!(
                "{target} on {}: {} bytes with SHA-256 {now} were built, {} with {} are committed",
                built.host,
                bytes.len(),
                member.size,
                member.sha256
            )),
            Some(_) => println!("foundry: {target} on {}: the same bytes, {now}", built.host),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bundle::Arch;

    #[test]
    fn another_program_another_recipe_and_a_missing_one_are_told() {
        let home = tempfile::tempdir().expect("a directory");
        let recipe = Recipe::embedded();
        let built = Built {
            host: Arch::X86_64,
            programs: vec![(Arch::Riscv64, b"one".to_vec()), (Arch::S390x, b"two".to_vec())],
            linked: Vec::new(),
        };
        let told = |version: &str, of: &[u8], second: &str| {
            let (zero, of) = ("0".repeat(64), digest::of(of));
            let two = digest::of(b"two");
            let text = format!(
                "version = \"{version}\"\nrecipe = \"{}\"\nframe = {{ size = 1, sha256 = \"{zero}\", unpacked = 6 }}\n\
                 [members]\nriscv64 = {{ offset = 0, size = 3, sha256 = \"{of}\" }}\n\
                 {second} = {{ offset = 3, size = 3, sha256 = \"{two}\" }}\n",
                recipe.digest()
            );
            fs::write(home.path().join(TABLE), text).expect("written");
            differences(&built, home.path(), &recipe).expect("comparable").join("\n")
        };
        let version = recipe.version().expect("a version");
        assert_eq!(told(&version, b"one", "s390x"), "");
        assert!(told(&version, b"onE", "s390x").contains("riscv64 on x86_64"));
        assert!(told(&version, b"one", "ppc64").contains("s390x on x86_64: not committed"));
        assert!(told("10.0.0+unibin1", b"one", "s390x").contains("of version 10.0.0"));
    }
}
