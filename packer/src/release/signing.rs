//! Who signs a release: a row in each bundle, and signatures beside the bundles and the list of checksums.

use std::fs::File;
use std::path::{Path, PathBuf};

use bundle::Signature;

use crate::cli::sign::Detach;
use crate::error::Error;
use crate::signatures::detached;
use crate::signatures::signer::Signer;
use crate::write::bundle_file::BundleFile;
use crate::write::signature_rows;

/// A key, and the forms of signatures beside files.
pub(super) struct Signing {
    signer: Signer,
    detach: Vec<Detach>,
}

impl Signing {
    /// Opens the key: a passphrase is asked for once, before anything is built.
    pub(super) fn open(key: &Path, detach: &[Detach]) -> Result<Self, Error> {
        Ok(Self { signer: Signer::open(key, None, None)?, detach: detach.to_vec() })
    }

    /// Signs a bundle inside, and then beside.
    pub(super) fn bundle(&self, path: &Path) -> Result<(), Error> {
        let bundle = BundleFile::open(path)?;
        let message = Signature::message(&bundle.footer.manifest_digest);
        let (key, _) = self.signer.ed25519()?;
        signature_rows::add(&bundle, path, key, self.signer.sign(&message)?)?;
        self.beside(path)
    }

    /// Signs a file beside it.
    pub(super) fn beside(&self, path: &Path) -> Result<(), Error> {
        let file = File::open(path).map_err(|source| Error::io("open", path, source))?;
        for detach in &self.detach {
            detached::write(path, &file, &self.signer, *detach)?;
        }
        Ok(())
    }

    /// Forms of signatures, for a list of what is there.
    pub(super) fn names(path: &str, detach: &[Detach]) -> Vec<PathBuf> {
        detach.iter().map(|detach| detached::beside(Path::new(path), *detach)).collect()
    }
}
