//! Boots a machine with qemu-system: no network, no KVM, two processors, its serial line to us, and a time
//! limit. The child is killed when the limit has passed, when it has gone silent, and whenever we end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::machines::Board;

/// How long a machine may take from the first instruction to the last.
const LIMIT: Duration = Duration::from_mins(30);
/// How long it may print nothing: longer than a case may take.
const SILENCE: Duration = Duration::from_mins(5);

/// What a machine is made of.
pub(crate) struct Parts<'a> {
    /// The command, up to the machine's own arguments.
    pub(crate) qemu: &'a Command,
    /// The rest of it.
    pub(crate) board: &'a Board,
    /// MiB of memory.
    pub(crate) memory: u32,
    /// The image.
    pub(crate) kernel: &'a Path,
    /// Words for it.
    pub(crate) command_line: String,
    /// The archive of the first root.
    pub(crate) initramfs: &'a Path,
    /// Disks, in the order of their names; the first is not written to.
    pub(crate) disks: Vec<&'a Path>,
}

/// A child that does not outlive us.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots; returns what the console showed. All of it is in `log` too, also when this fails.
pub(crate) fn boot(parts: Parts<'_>, log: &mut Log, mut told: impl FnMut(&str)) -> Result<String> {
    let Parts { qemu, board, memory, kernel, command_line, initramfs, disks } = parts;
    let mut command = Command::new(qemu.get_program());
    command.args(qemu.get_args()).args(board.arguments);
    command.args(["-smp", "2", "-m", &memory.to_string(), "-nic", "none", "-no-reboot", "-display", "none"]);
    // Else it looks for sound in modules of the machine, and one of another build ends with them.
    command.args(["-audiodev", "none,id=none"]);
    command.args(["-monitor", "none", "-serial", "stdio", "-kernel"]).arg(kernel);
    command.arg("-initrd").arg(initramfs);
    command.arg("-append").arg(format!("console={} panic=-1 {command_line}", board.console));
    for (number, disk) in disks.iter().enumerate() {
        let read_only = if number == 0 { ",readonly=on" } else { "" };
        command.arg("-drive");
        command.arg(format!("if=none,id=d{number},format=raw,file={}{read_only}", disk.display()));
        command.args(["-device", &format!("{},drive=d{number}", board.disk)]);
    }
    watch(command, log, &mut told)
}

/// The line behind which a machine's power is cut: its emulator is killed. What the machine's kernel has not
/// given to a disk is lost then, as in a machine of metal. What the disk has taken stays, in our page cache.
const CUT: &str = "@lab cut";

/// Where a console is kept.
pub(crate) struct Log(File);

impl Log {
    /// A new one, for bundles of this packer.
    pub(crate) fn begin(path: &Path, packer: &str) -> Result<Self> {
        fs::create_dir_all(path.parent().context("a log in a directory")?)?;
        let mut file = File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
        writeln!(file, "@lab unibin {packer}")?;
        Ok(Self(file))
    }
}

/// Runs a command that prints the lab's lines, within the limits.
pub(crate) fn watch(mut command: Command, log: &mut Log, told: &mut dyn FnMut(&str)) -> Result<String> {
    let Log(file) = log;
    writeln!(file, "{command:?}")?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file.try_clone()?);
    let program = command.get_program().to_owned();
    let child = command.spawn().with_context(|| format!("cannot run `{}`", program.display()))?;
    let mut child = Killed(child);
    let output = child.0.stdout.take().context("its output is a pipe")?;
    let (sender, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    let begin = Instant::now();
    let mut console = String::new();
    loop {
        let left = LIMIT.saturating_sub(begin.elapsed()).min(SILENCE);
        match lines.recv_timeout(left) {
            Ok(line) => {
                let line = line.trim_end_matches(['\r', '\n']);
                writeln!(file, "{line}")?;
                told(line);
                console.push_str(line);
                console.push('\n');
                if line == CUT {
                    break;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let note = "@lab note ended by the lab: silent or running for too long\n";
                file.write_all(note.as_bytes())?;
                console.push_str(note);
                break;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    drop(child);
    let _ = reader.join();
    Ok(console)
}
