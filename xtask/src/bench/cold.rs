//! First start of a large tree: from the command until the program in it has run. Every run unpacks into a
//! new directory; a run of each tool is followed by a run of the others. Some are also tried on one CPU, and
//! on a disk's file system.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::chart::Row;
use super::interrupted;
use super::peers::{ENDED, Peer, Place, Took, median, on_one_cpu, timed};
use crate::shelf::is_installed;

/// What everything is packed with.
const LEVEL: i32 = 9;

/// How something is started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    /// In memory, on all CPUs.
    Usual,
    OneCpu,
    /// On a file system that nothing was deleted from.
    Ext4,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::OneCpu => "on one CPU",
            Self::Ext4 => "on fresh ext4",
        }
    }

    /// Why it cannot be had here.
    fn lacks(self) -> Option<&'static str> {
        let programs = ["mkfs.ext4", "losetup", "mount", "umount"].map(is_installed);
        match self {
            Self::Usual => None,
            Self::OneCpu => (!is_installed("taskset")).then_some("taskset is not installed"),
            Self::Ext4 if !rustix::process::geteuid().is_root() => Some("only root can mount it"),
            Self::Ext4 => programs.contains(&false).then_some("mkfs.ext4, losetup or mount is not installed"),
        }
    }
}

/// The rows, and what was not run.
pub(super) fn run(place: &Place, peers: &[Peer], runs: usize) -> Result<(Vec<Row>, Vec<String>)> {
    ensure!(runs > 0, "`--runs` wants at least 1");
    let mut files = Vec::new();
    for (number, peer) in peers.iter().enumerate() {
        let file = place.path(&format!("cold-{number}"));
        timed((peer.pack)(place, &file, LEVEL), 0).with_context(|| peer.name.clone())?;
        files.push(file);
    }
    let (mut rows, mut lacking) = (Vec::new(), Vec::new());
    for setting in [Setting::Usual, Setting::OneCpu, Setting::Ext4] {
        let why = setting.lacks().map(str::to_owned);
        let why = why.or_else(|| Ext4::refused(place).filter(|_| setting == Setting::Ext4));
        if let Some(why) = why {
            lacking.push(format!("NOT RUN: first start {}: {why}", setting.name()));
            continue;
        }
        let peers = peers.iter().zip(&files).filter(|(peer, _)| peer.everywhere || setting == Setting::Usual);
        rows.extend(in_setting(place, &peers.collect::<Vec<_>>(), setting, runs)?);
    }
    for file in files {
        fs::remove_file(file)?;
    }
    Ok((rows, lacking))
}

fn in_setting(place: &Place, peers: &[(&Peer, &PathBuf)], setting: Setting, runs: usize) -> Result<Vec<Row>> {
    let mut took: Vec<Vec<Took>> = vec![Vec::new(); peers.len()];
    for run in 0..runs {
        for ((number, (peer, file)), took) in peers.iter().enumerate().zip(&mut took) {
            let disk = if setting == Setting::Ext4 { Some(Ext4::new(place)?) } else { None };
            let name = format!("unpacked-{run}-{number}");
            let to = disk.as_ref().map_or_else(|| place.path(&name), |disk| disk.mounted.join(&name));
            let mut start = (peer.cold)(place, file, &to);
            if setting == Setting::OneCpu {
                start = on_one_cpu(&start);
            }
            took.push(timed(start, ENDED).with_context(|| peer.name.clone())?);
            ensure!(to.is_dir(), "`{}` was not unpacked", peer.name);
            match disk {
                Some(disk) => disk.end()?,
                None => fs::remove_dir_all(&to)?,
            }
        }
    }
    let row = |((peer, _), took): (&(&Peer, &PathBuf), Vec<Took>)| {
        Some(Row::of_times(peer.name.clone(), setting.name(), median(&took)?))
    };
    Ok(peers.iter().zip(took).filter_map(row).collect())
}

/// A new file system in a file, mounted.
struct Ext4 {
    image: PathBuf,
    mounted: PathBuf,
}

impl Ext4 {
    fn new(place: &Place) -> Result<Self> {
        let disk = Self { image: place.path("ext4"), mounted: place.path(interrupted::MOUNTED) };
        let image = fs::File::create(&disk.image)?;
        image.set_len(place.size()? * 2 + (1 << 30))?;
        fs::create_dir(&disk.mounted)?;
        // Nothing is left for the kernel to write later, while something is measured.
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"]).arg(&disk.image);
        told(&mut make)?;
        told(Command::new("mount").args(["-o", "loop"]).args([&disk.image, &disk.mounted]))?;
        Ok(disk)
    }

    /// Why there is none, where it is not to be had for root either.
    fn refused(place: &Place) -> Option<String> {
        let tried = Self::new(place).and_then(Self::end);
        tried.err().map(|error| format!("{error:#}"))
    }

    /// Waits for who still writes to it: what was started has ended.
    fn end(self) -> Result<()> {
        const TRIES: usize = 600;
        let mut ended = told(Command::new("umount").arg(&self.mounted));
        for _ in 0..TRIES {
            if ended.is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
            ended = told(Command::new("umount").arg(&self.mounted));
        }
        ended
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        if interrupted::is_mounted(&self.mounted) {
            interrupted::unmount(&self.mounted);
        }
        let _ = fs::remove_dir(&self.mounted);
        let _ = fs::remove_file(&self.image);
    }
}

/// Runs `command`; its own words say what is wrong.
fn told(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(output.status.success(), "{}: {text}", command.get_program().display());
    Ok(())
}
