//! The recipe of unibin's own emulators, embedded: the pinned source, the pinned root in which it is built,
//! the commands, and our changes. Whoever has it can build the same bytes again. Executes nothing and fetches
//! nothing; `cargo xtask foundry` does.

mod recipe;

pub use recipe::{Recipe, RecipeError};

use bundle::Digest;

/// Version of the emulators: upstream's, and our revision of it, as in `10.0.13+unibin1`.
pub fn version() -> Result<String, RecipeError> {
    Recipe::embedded().version()
}

/// SHA-256 of the recipe: of the paths, modes and contents of all its files.
pub fn digest() -> Digest {
    Recipe::embedded().digest()
}
