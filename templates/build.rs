//! Makes cargo look again when a launcher is added or taken away: the embedding macro alone notices changed files only.

fn main() {
    println!("cargo::rerun-if-changed=launchers");
    println!("cargo::rerun-if-changed=build.rs");
}
