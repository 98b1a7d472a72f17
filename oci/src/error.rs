//! What can be wrong with an image, and what would have worked.

use std::io;
use std::path::{Path, PathBuf};

use bundle::Shown;
use inputs::InputError;

/// Why an image cannot be read, fetched or sent.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A reference that names no image.
    #[error("`{}` is not the name of an image: {why}", Shown(.text.as_bytes()))]
    Reference {
        /// As it was given.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A file or directory cannot be read.
    #[error("cannot read `{}`", shown(path))]
    Io {
        /// What was read.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A temporary file cannot be written.
    #[error("cannot make a temporary file in `{}`", shown(&std::env::temp_dir()))]
    Temporary(#[source] io::Error),
    /// An archive that cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The image, or a part of it, is in an unsupported form.
    #[error("`{}` cannot be packed: {why}", Shown(.name.as_bytes()))]
    Form {
        /// The image or a part of it.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A blob does not match its digest or its size.
    #[error("`{}` is damaged: {part} {what}", Shown(.name.as_bytes()))]
    Damaged {
        /// The image.
        name: String,
        /// The blob.
        part: String,
        /// What is wrong.
        what: String,
    },
    /// There is no image for a wanted platform.
    #[error(
        "`{}` has no image for {wanted}; it has {}",
        Shown(.name.as_bytes()),
        if .has.is_empty() { "none for Linux".to_owned() } else { Shown(.has.join(", ").as_bytes()).to_string() }
    )]
    Platform {
        /// The image.
        name: String,
        /// The platform.
        wanted: String,
        /// What there is.
        has: Vec<String>,
    },
    /// There are several images, and none is selected.
    #[error("`{}` holds several images: {}", Shown(.name.as_bytes()), Shown(.tags.join(", ").as_bytes()))]
    Several {
        /// The layout or archive.
        name: String,
        /// Their names.
        tags: Vec<String>,
    },
    /// There is no image of that name.
    #[error(
        "`{}` has no image `{}`; it has {}",
        Shown(.name.as_bytes()), Shown(.tag.as_bytes()), Shown(.tags.join(", ").as_bytes())
    )]
    NoSuchTag {
        /// The layout or archive.
        name: String,
        /// What was asked for.
        tag: String,
        /// What there is.
        tags: Vec<String>,
    },
    /// The registry does not answer, or not as it should.
    #[error("cannot fetch `{}`: {why}", Shown(.name.as_bytes()))]
    Fetch {
        /// The image, or the part of it that was fetched.
        name: String,
        /// What happened.
        why: String,
    },
    /// The registry refuses to give the image.
    #[error("`{}` refuses to give `{}`{}", Shown(.registry.as_bytes()), Shown(.name.as_bytes()), if *.as_user { " to the user that you are logged in as" } else { "" })]
    Refused {
        /// The registry's host.
        registry: String,
        /// The image.
        name: String,
        /// Whether credentials were sent.
        as_user: bool,
    },
    /// The registry has no such image.
    #[error("there is no image `{}`", Shown(.name.as_bytes()))]
    NotFound {
        /// The image.
        name: String,
    },
    /// Sending an image to the registry failed.
    #[error("cannot push `{}`: {why}", Shown(.name.as_bytes()))]
    Push {
        /// The image.
        name: String,
        /// What happened.
        why: String,
    },
    /// The registry refuses to take the image.
    #[error("`{}` refuses to take `{}`{}", Shown(.registry.as_bytes()), Shown(.name.as_bytes()), if *.as_user { " from the user that you are logged in as" } else { "" })]
    PushRefused {
        /// The registry's host.
        registry: String,
        /// The image.
        name: String,
        /// Whether credentials were sent.
        as_user: bool,
    },
    /// The registry, or a proxy before it, accepts no request of this length.
    #[error("cannot push `{}`: a request is too large for the registry", Shown(.name.as_bytes()))]
    TooLarge {
        /// The image.
        name: String,
    },
    /// Credentials are there but cannot be used.
    #[error("the credentials for `{}` cannot be read: {why}", Shown(.registry.as_bytes()))]
    Credentials {
        /// The registry's host.
        registry: String,
        /// What is wrong.
        why: String,
    },
    /// Network access is needed, but disabled.
    #[error("`{}` would have to be fetched, and the network is disabled", Shown(.name.as_bytes()))]
    Offline {
        /// The image.
        name: String,
    },
}

impl OciError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn form(name: &str, why: impl Into<String>) -> Self {
        Self::Form { name: name.to_owned(), why: why.into() }
    }

    pub(crate) fn damaged(name: &str, part: &dyn ToString, what: impl Into<String>) -> Self {
        Self::Damaged { name: name.to_owned(), part: part.to_string(), what: what.into() }
    }

    /// Whether a digest or a size did not match.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether the cause is outside the image: network, disk, permissions.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::Io { .. }
                | Self::Temporary(_)
                | Self::Fetch { .. }
                | Self::Refused { .. }
                | Self::Push { .. }
                | Self::PushRefused { .. }
                | Self::TooLarge { .. }
                | Self::Credentials { .. }
                | Self::Offline { .. }
        )
    }

    /// What would have worked.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Reference { .. } => {
                "give an OCI layout (a directory or a .tar), a .tar of `docker save`, or \
                 `docker://[REGISTRY/]NAME[:TAG|@DIGEST]`"
            }
            Self::Io { .. } => "check the path and its permissions",
            Self::Temporary(_) => "free some space there, or set TMPDIR to a directory with free space",
            Self::Input(error) => error.hint(),
            Self::Form { .. } => "convert it with `skopeo copy ... oci:DIRECTORY`, and pack that",
            Self::Damaged { .. } => "copy or fetch it again",
            Self::Platform { .. } => "choose among them with `--platform`",
            Self::Several { .. } | Self::NoSuchTag { .. } => "name one with `--oci PATH:NAME`",
            Self::Fetch { .. } => {
                "check the name and the network; an image that `skopeo copy` has put into an OCI layout needs none"
            }
            Self::Refused { .. } | Self::PushRefused { .. } => {
                "check the name, or log in with `docker login` or `skopeo login`"
            }
            Self::Push { .. } => "check the name, and whether the registry takes OCI images",
            Self::TooLarge { .. } => "send smaller pieces: `--piece 8`",
            Self::NotFound { .. } => "check name and tag; `skopeo list-tags` shows the tags of an image",
            Self::Credentials { .. } => "log in again with `docker login` or `skopeo login`",
            Self::Offline { .. } => "omit `--offline`, or pack an OCI layout",
        }
    }
}

fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    Shown(path.as_os_str().as_bytes()).to_string()
}
