//! The options of the commands about signatures.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::path::PathBuf;

use crate::cli::parser::Args;

/// A signature beside the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detach {
    /// `FILE.sig`, for `ssh-keygen -Y verify`.
    Ssh,
    /// `FILE.minisig`, for `minisign -V`.
    Minisign,
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// Bundle to sign
    pub(crate) file: PathBuf,
    /// Secret key file of OpenSSH (Ed25519) or of minisign; or `ssh-agent`, or FILE.pub of a key in it
    ///
    /// A passphrase is asked for on the terminal, or taken from UNIBIN_PASSPHRASE. The agent is that of
    /// SSH_AUTH_SOCK. With `--detach ssh` its key may also be an ECDSA or RSA key, or one in a FIDO token.
    #[arg(long, value_name = "FILE|ssh-agent")]
    pub(crate) key: PathBuf,
    /// Which of the agent's keys: fingerprint or comment, as `ssh-add -l` lists them
    #[arg(short = 'K', long, value_name = "SHA256:...|COMMENT")]
    pub(crate) agent_key: Option<String>,
    /// Leave the file as it is, and write FILE.sig (`ssh`) or FILE.minisig (`minisign`) beside it
    ///
    /// Check them with `ssh-keygen -Y verify -n file` and `minisign -V`, without unibin. Sign inside first.
    #[arg(long, value_name = "ssh|minisign", value_parser = detach)]
    pub(crate) detach: Option<Detach>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Bundle to check
    pub(crate) file: PathBuf,
    /// Public key that must have signed it: a file of OpenSSH or minisign, or the key itself (repeatable)
    ///
    /// One signature by one of them is enough, inside the file or beside it. Others may have signed too.
    /// Inside are signatures of Ed25519 keys; FILE.sig may also be by an ECDSA or RSA key, or one in a FIDO
    /// token.
    #[arg(long, value_name = "PUBKEY|FILE")]
    pub(crate) key: Vec<String>,
    /// Signers, as in ssh-keygen(1); one of NAME's keys must have signed it
    #[arg(long, value_name = "FILE", requires = "identity")]
    pub(crate) allowed_signers: Option<PathBuf>,
    /// Who must have signed it, by FILE of `--allowed-signers`
    #[arg(short = 'I', long, value_name = "NAME", requires = "allowed_signers")]
    pub(crate) identity: Option<String>,
    /// Fail if nobody has signed it
    ///
    /// Without a key this proves nothing about who: anybody can sign.
    #[arg(long)]
    pub(crate) require_signature: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn detach(text: &str) -> Result<Detach, String> {
    match text {
        "ssh" => Ok(Detach::Ssh),
        "minisign" => Ok(Detach::Minisign),
        _ => Err("expected `ssh` or `minisign`".to_owned()),
    }
}
