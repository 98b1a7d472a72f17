//! Has the crate compiled again when a file is added to the recipe or removed: the compiler itself knows only
//! of files that were there.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=recipe");
}
