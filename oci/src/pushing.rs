//! Sending images to a registry: the destination, the options, the result.

use crate::error::OciError;
use crate::progress::Progress;
use crate::reference::Name;

/// How images are sent.
pub struct PushOptions<'a> {
    /// The longest request, in bytes; `None` sends each blob in one request.
    pub piece: Option<u64>,
    /// Shown while layers are sent.
    pub progress: &'a dyn Progress,
}

/// What was sent to a registry.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The name, with its tag.
    pub name: String,
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes that the registry had already.
    pub there: u64,
}

/// The name in a registry under which images are sent.
#[derive(Clone, Debug)]
pub struct Destination {
    pub(crate) name: Name,
}

impl Destination {
    /// Reads `docker://[REGISTRY/]NAME[:TAG]`.
    ///
    /// # Errors
    ///
    /// [`OciError::Reference`] if `text` has another form.
    pub fn parse(text: &str) -> Result<Self, OciError> {
        let refuse = |why| OciError::Reference { text: text.to_owned(), why };
        let name = text.strip_prefix("docker://");
        let name = Name::parse(name.ok_or_else(|| refuse("it does not begin with `docker://`"))?)?;
        if name.digest.is_some() {
            return Err(refuse("images are sent to a tag"));
        }
        Ok(Self { name })
    }
}
