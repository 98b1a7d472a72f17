//! `unibin verify`: checks a bundle against its own digests, and its signatures against the keys that are
//! given.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use serde::Serialize;
use signing::{KeyId, PublicKey};

use crate::cli::sign::VerifyArgs;
use crate::error::{Error, SignatureError, shown};
use crate::json;
use crate::signatures::detached::{self, Beside};
use crate::signatures::trust::{self, Trusted};
use crate::write::bundle_file::BundleFile;
use crate::write::{check_bundle, signature_rows};

#[derive(Serialize)]
struct Verified {
    file: String,
    length: u64,
    blobs: usize,
    signatures: Vec<SignatureView>,
}

/// A signature, inside or beside.
#[derive(Serialize)]
struct SignatureView {
    /// The file beside the bundle; null for a signature inside.
    beside: Option<String>,
    /// Whose it is; null where that cannot be checked.
    fingerprint: Option<String>,
    /// As in a `.pub` file.
    public_key: Option<String>,
    /// Whether the key is one of those that were given.
    trusted: bool,
    /// By that name in `--allowed-signers`.
    name: Option<String>,
    /// Why it could not be checked.
    unchecked: Option<String>,
    #[serde(skip)]
    why_not: &'static str,
}

impl SignatureView {
    fn new(beside: Option<PathBuf>, found: Beside, trusted: Option<&[Trusted]>) -> Self {
        let beside = beside.map(|path| json::name(path.as_os_str().as_bytes()));
        match found {
            Beside::Holds(key) => {
                let by = trusted.unwrap_or_default().iter().find(|trusted| trusted.key == key);
                Self {
                    beside,
                    fingerprint: Some(key.fingerprint()),
                    public_key: Some(key.line()),
                    trusted: by.is_some(),
                    name: by.and_then(|trusted| trusted.name.clone()),
                    unchecked: None,
                    why_not: if trusted.is_none() { "no key given" } else { "not one of the given keys" },
                }
            }
            Beside::Unchecked(why) => Self {
                beside,
                fingerprint: None,
                public_key: None,
                trusted: false,
                name: None,
                unchecked: Some(why),
                why_not: "",
            },
        }
    }

    fn line(&self) -> String {
        let place = self.beside.as_ref().map(|path| format!("{}: ", crate::error::readable(path.as_bytes())));
        let place = place.unwrap_or_default();
        match (&self.fingerprint, &self.unchecked) {
            (Some(fingerprint), _) if self.trusted => {
                let name =
                    self.name.as_ref().map(|name| format!(": {}", crate::error::readable(name.as_bytes())));
                format!("{place}signed by {fingerprint} (trusted{})", name.unwrap_or_default())
            }
            (Some(fingerprint), _) => {
                format!("{place}signed by {fingerprint} (not trusted: {})", self.why_not)
            }
            (None, why) => format!("{place}not checked: {}", why.as_deref().unwrap_or_default()),
        }
    }
}

/// Checks the bundle and its signatures, and reports that it is intact and who has signed it.
pub(crate) fn verify(args: &VerifyArgs) -> Result<String, Error> {
    let path = &args.file;
    let bundle = BundleFile::open(path)?;
    let trusted = trust::of(args)?;
    check_bundle::whole(&bundle)?;
    let rows = signature_rows::of(&bundle)?;
    // They have been read again: the file may be another one's by now.
    if rows.iter().any(|row| !row.holds) {
        return Err(Error::damaged(path, "signatures", &"they changed while the file was checked"));
    }
    let given = trusted.iter().flatten().filter_map(|trusted| trusted.key.ed25519().zip(trusted.id));
    let signers = rows.iter().map(|row| (row.key, KeyId::of(&row.key)));
    let known: Vec<(PublicKey, KeyId)> = given.chain(signers).collect();
    let inside = rows.iter().map(|row| (None, Beside::Holds(row.key.into())));
    let outside = detached::check(path, bundle.file(), &known)?;
    let outside = outside.into_iter().map(|(path, found)| (Some(path), found));
    let signatures: Vec<_> = inside
        .chain(outside)
        .map(|(path, found)| SignatureView::new(path, found, trusted.as_deref()))
        .collect();
    decide(args, trusted.is_some(), &signatures)?;

    let blobs = bundle.manifest()?.blobs().count();
    let length = bundle.footer.file_length;
    if args.json {
        let file = json::name(path.as_os_str().as_bytes());
        return Ok(json::text(&Verified { file, length, blobs, signatures }));
    }
    let mut text = format!("{}: whole: {length} bytes, {blobs} blobs\n", shown(path));
    for signature in &signatures {
        let _ = writeln!(text, "  {}", signature.line()); // writing to a String cannot fail
    }
    Ok(text)
}

/// An error where a signature is missing, or only others have signed.
fn decide(args: &VerifyArgs, has_keys: bool, signatures: &[SignatureView]) -> Result<(), Error> {
    let path = args.file.clone();
    let lines = || signatures.iter().map(SignatureView::line).collect();
    if !has_keys && !args.require_signature {
        return Ok(());
    }
    if has_keys && signatures.iter().any(|signature| signature.trusted) {
        return Ok(());
    }
    let any = signatures.iter().any(|signature| signature.fingerprint.is_some());
    if has_keys && any {
        return Err(SignatureError::Foreign { path, signers: lines() }.into());
    }
    if any { Ok(()) } else { Err(SignatureError::Unsigned { path, unchecked: lines() }.into()) }
}
