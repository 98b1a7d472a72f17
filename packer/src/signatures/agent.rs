//! The connection to an `ssh-agent`, which is given time, but not for ever.

use std::env;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use signing::{AgentKey, SshBytes, SshKey};

use crate::error::{Error, SignatureError};

/// For the list of its keys.
const TO_LIST: Duration = Duration::from_secs(20);

/// For a signature: somebody may have to confirm it, or to find a token and touch it.
const TO_SIGN: Duration = Duration::from_mins(5);

/// An agent that was reached.
pub(crate) struct Agent {
    socket: PathBuf,
    stream: UnixStream,
    until: Instant,
}

impl Agent {
    /// The agent of `SSH_AUTH_SOCK`.
    pub(crate) fn connect() -> Result<Self, Error> {
        let socket = env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
        let socket = PathBuf::from(socket.ok_or(SignatureError::NoAgent)?);
        match UnixStream::connect(&socket) {
            Ok(stream) => Ok(Self { socket, stream, until: Instant::now() }),
            Err(source) => Err(SignatureError::DeadAgent { socket, why: source.to_string() }.into()),
        }
    }

    /// Its keys.
    pub(crate) fn keys(&mut self) -> Result<Vec<AgentKey>, Error> {
        self.until = Instant::now() + TO_LIST;
        Ok(signing::keys(self).map_err(SignatureError::Agent)?)
    }

    /// A signature of `message`, which was checked.
    pub(crate) fn sign(&mut self, key: &SshKey, message: &[u8]) -> Result<SshBytes, Error> {
        self.until = Instant::now() + TO_SIGN;
        Ok(signing::sign(self, key, message).map_err(SignatureError::Agent)?)
    }

    /// What is left of the time, and an error where nothing is.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.late()) } else { Ok(left) }
    }

    fn late(&self) -> io::Error {
        io::Error::other(format!("`{}` is open, and nothing comes of it", self.socket.display()))
    }

    /// An error of a call that was given the time that was left.
    fn named(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::WouldBlock { self.late() } else { error }
    }
}

impl Read for Agent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer).map_err(|error| self.named(error))
    }
}

impl Write for Agent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes).map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
