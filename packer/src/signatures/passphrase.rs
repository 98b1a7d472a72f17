//! The passphrase of a key file: from `UNIBIN_PASSPHRASE`, else asked for on the terminal, where it is not
//! shown.

use std::env;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr};

use crate::error::{Error, SignatureError, shown};

/// The byte that Ctrl-C gives if it does not interrupt.
const CTRL_C: u8 = 3;

/// The longest passphrase that is read.
const LONGEST: usize = 4096;

/// The passphrase of the key in `path`.
pub(crate) fn of(path: &Path) -> Result<Vec<u8>, Error> {
    if let Some(given) = env::var_os("UNIBIN_PASSPHRASE") {
        return Ok(given.into_vec());
    }
    let none = || SignatureError::NoPassphrase { path: path.to_owned() }.into();
    let mut terminal = File::options().read(true).write(true).open("/dev/tty").map_err(|_| none())?;
    if !isatty(&terminal) {
        return Err(none());
    }
    let failed = |source| Error::io("read from", Path::new("/dev/tty"), source);
    let silent = Silent::new(&terminal).map_err(failed)?;
    write!(terminal, "Passphrase of {}: ", shown(path)).map_err(failed)?;
    let line = line(&mut terminal).map_err(failed)?;
    drop(silent);
    line.ok_or_else(none)
}

/// What is typed up to the end of the line; `None` after Ctrl-C.
fn line(terminal: &mut File) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LONGEST && terminal.read(&mut byte)? == 1 {
        match byte[0] {
            b'\n' => return Ok(Some(line)),
            CTRL_C => {
                // As a terminal that shows what is typed would be now.
                terminal.write_all(b"\n")?;
                return Ok(None);
            }
            byte => line.push(byte),
        }
    }
    Ok(None)
}

/// A terminal that shows nothing, and that is as it was when this is dropped: so Ctrl-C must not end the
/// process meanwhile, and ends the line instead.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn new(terminal: &File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        silent.local_modes |= LocalModes::ECHONL | LocalModes::ICANON;
        silent.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal: terminal.try_clone()?, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
