//! `unibin sign`: a signature inside a bundle, or beside it. What is damaged is not signed.

use std::path::Path;

use bundle::Signature;

use crate::cli::sign::{Detach, SignArgs};
use crate::error::{Error, shown};
use crate::say;
use crate::signatures::detached;
use crate::signatures::signer::Signer;
use crate::write::bundle_file::BundleFile;
use crate::write::{check_bundle, signature_rows};

/// Signs the bundle, and says by which key.
pub(crate) fn sign(args: &SignArgs) -> Result<String, Error> {
    let path = &args.file;
    let bundle = BundleFile::open(path)?;
    check_bundle::whole(&bundle)?;
    let signer = Signer::open(&args.key, args.agent_key.as_deref(), args.detach)?;
    let fingerprint = signer.key.fingerprint();
    let Some(detach) = args.detach else {
        // A link stays one.
        let place = path.canonicalize().map_err(|source| Error::io("open", path, source))?;
        let message = Signature::message(&bundle.footer.manifest_digest);
        let (key, _) = signer.ed25519()?;
        signature_rows::add(&bundle, &place, key, signer.sign(&message)?)?;
        warn_of_outdated(path);
        return Ok(format!("{}: signed by {fingerprint}\n", shown(path)));
    };
    let to = detached::write(path, bundle.file(), &signer, detach)?;
    let (to, path) = (shown(&to), shown(path));
    let how = match detach {
        Detach::Ssh => {
            format!("ssh-keygen -Y verify -f ALLOWED_SIGNERS -I NAME -n file -s {to} < {path}")
        }
        Detach::Minisign => {
            let (key, id) = signer.ed25519()?;
            let key = signing::MinisignKey { key, id };
            format!("minisign -V -m {path} -P {}", key.text())
        }
    };
    Ok(format!("{to}: signed by {fingerprint}\n  check it with: {how}\n"))
}

/// Signatures beside the file are of its old bytes.
fn warn_of_outdated(path: &Path) {
    for detach in [Detach::Ssh, Detach::Minisign] {
        let beside = detached::beside(path, detach);
        if beside.exists() {
            say::warning(&format!("`{}` is of the file as it was before: sign it again", shown(&beside)));
        }
    }
}
