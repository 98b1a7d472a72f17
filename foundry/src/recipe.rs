//! A recipe: files by their paths. All are plain files of mode 644, since `sh` reads the scripts; so they
//! come out of a package of the registry as they went in. The only file that uses `rust-embed`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bundle::Digest;
use rust_embed::Embed;
use sha2::Digest as _;

/// The directory `recipe` of this crate.
#[derive(Embed)]
#[folder = "$CARGO_MANIFEST_DIR/recipe"]
struct Embedded;

/// Mode of every file, octal, as it counts for the digest.
const MODE: &str = "100644";
/// The file with our revision.
const REVISION: &str = "revision";
/// The file that names the source package.
const SOURCE: &str = "source.toml";

/// A recipe that cannot be used.
#[derive(Debug)]
pub enum RecipeError {
    /// A file or directory cannot be read.
    Io(PathBuf, io::Error),
    /// Something else than a plain file or a directory.
    NotPlain(PathBuf),
    /// A file is missing, or does not say what it should.
    Unusable(&'static str),
}

impl std::fmt::Display for RecipeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(path, _) => write!(f, "cannot read `{}` of the recipe", path.display()),
            Self::NotPlain(path) => write!(f, "`{}` of the recipe is no plain file", path.display()),
            Self::Unusable(name) => write!(f, "the recipe has no usable `{name}`"),
        }
    }
}

impl std::error::Error for RecipeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::NotPlain(_) | Self::Unusable(_) => None,
        }
    }
}

/// The files of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    files: BTreeMap<String, Vec<u8>>,
}

impl Recipe {
    /// The one that this build of unibin comes with.
    pub fn embedded() -> Self {
        let contents = |name: &str| Some(Embedded::get(name)?.data.into_owned());
        let files = Embedded::iter().filter_map(|name| Some((name.to_string(), contents(&name)?))).collect();
        Self { files }
    }

    /// The one in the directory `at`.
    pub fn read(at: &Path) -> Result<Self, RecipeError> {
        let mut recipe = Self::default();
        recipe.read_into(at, "")?;
        Ok(recipe)
    }

    fn read_into(&mut self, directory: &Path, prefix: &str) -> Result<(), RecipeError> {
        let wrap = |error| RecipeError::Io(directory.to_owned(), error);
        for entry in fs::read_dir(directory).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            let path = entry.path();
            let name = entry.file_name().into_string().map_err(|_| RecipeError::NotPlain(path.clone()))?;
            let name = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(wrap)?;
            if kind.is_dir() {
                self.read_into(&path, &format!("{name}/"))?;
            } else if kind.is_file() {
                let contents = fs::read(&path).map_err(|error| RecipeError::Io(path, error))?;
                self.files.insert(name, contents);
            } else {
                return Err(RecipeError::NotPlain(path));
            }
        }
        Ok(())
    }

    /// Its files, by their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, contents)| (path.as_str(), contents.as_slice()))
    }

    /// The text of a file.
    pub fn text(&self, path: &'static str) -> Result<&str, RecipeError> {
        let contents = self.files.get(path).ok_or(RecipeError::Unusable(path))?;
        std::str::from_utf8(contents).map_err(|_| RecipeError::Unusable(path))
    }

    /// The same recipe with other patches: files by their names, which take the place of all in `patches/`.
    #[must_use]
    pub fn with_patches(mut self, patches: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        self.files.retain(|path, _| !path.starts_with("patches/"));
        self.files.extend(patches.into_iter().map(|(name, text)| (format!("patches/{name}"), text)));
        self
    }

    /// Writes its files below the directory `to`, which is made.
    pub fn write(&self, to: &Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        for (path, contents) in &self.files {
            let path = to.join(path);
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::write(path, contents)?;
        }
        Ok(())
    }

    /// SHA-256 over the files in the order of their paths: for each, a line with mode, length and path, then
    /// the contents.
    pub fn digest(&self) -> Digest {
        let mut hasher = sha2::Sha256::new();
        for (path, contents) in &self.files {
            hasher.update(format!("{MODE} {} {path}\n", contents.len()));
            hasher.update(contents);
        }
        Digest(hasher.finalize().into())
    }

    /// Our revision.
    pub fn revision(&self) -> Result<u32, RecipeError> {
        self.text(REVISION)?.trim_end().parse().map_err(|_| RecipeError::Unusable(REVISION))
    }

    /// Version of the emulators: upstream's, and our revision of it, as in `10.0.13+unibin1`.
    pub fn version(&self) -> Result<String, RecipeError> {
        // The file is TOML, but of the simple form that the task writes.
        let line = self.text(SOURCE)?.lines().find_map(|line| line.strip_prefix("version = \""));
        let version = line.and_then(|rest| rest.strip_suffix('"')).ok_or(RecipeError::Unusable(SOURCE))?;
        Ok(format!("{}+unibin{}", upstream(version), self.revision()?))
    }
}

/// `10.0.13` of Debian's `1:10.0.13+ds-0+deb13u1`: without epoch, repacking and revision.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.split(['+', '-', '~']).next().unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_embedded_is_what_the_directory_holds_and_can_be_written_out() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipe");
        let read = Recipe::read(&directory).expect("the recipe");
        assert_eq!(Recipe::embedded(), read);
        let out = tempfile::tempdir().expect("a directory");
        read.write(&out.path().join("recipe")).expect("written");
        assert_eq!(Recipe::read(&out.path().join("recipe")).expect("the copy").digest(), crate::digest());
    }

    #[test]
    fn every_name_and_every_byte_counts_for_the_digest() {
        let of = |files: &[(&str, &str)]| {
            Recipe::default()
                .with_patches(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())))
        };
        let one = of(&[("a", "x"), ("b", "y")]);
        for other in [
            &[("a", "x"), ("b", "z")][..],
            &[("a", "x"), ("c", "y")],
            &[("a", "x")],
            &[("a", "xb"), ("b", "")],
        ] {
            assert_ne!(one.digest(), of(other).digest(), "{other:?}");
        }
        assert_eq!(one.digest(), of(&[("b", "y"), ("a", "x")]).digest());
    }

    #[test]
    fn a_link_in_the_directory_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("link")).expect("a link");
        assert!(matches!(Recipe::read(directory.path()), Err(RecipeError::NotPlain(_))));
    }

    #[test]
    fn the_version_is_upstreams_with_our_revision() {
        let version = crate::version().expect("a version");
        let (upstream, ours) = version.split_once("+unibin").expect("our revision");
        assert!(upstream.starts_with("10.0.") && ours.parse::<u32>().is_ok(), "{version}");
        assert_eq!(super::upstream("1:10.0.13+ds-0+deb13u1"), "10.0.13");
        assert_eq!(super::upstream("7.2.22-1"), "7.2.22");
    }
}
