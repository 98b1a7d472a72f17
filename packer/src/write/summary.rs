//! The text of `UNIBIN_DO=info`, written at pack time, since a launcher has no space for it. One line for
//! each part of the bundle; the launcher adds what only a run knows (its path, the host) before it.

use std::fmt::Write as _;

use bundle::{Arch, Blob, Manifest, Root};

use crate::error::readable;

/// The text for the bundle that `manifest` describes.
pub(crate) fn text(manifest: &Manifest<'_>) -> String {
    let mut lines = String::new();
    let mut line = |line: String| {
        lines.push_str(&line);
        lines.push('\n');
    };
    let hosts: Vec<_> = manifest.launchers().map(|launcher| launcher.host.name()).collect();
    line(format!("hosts: {}", hosts.join(" ")));
    for variant in manifest.variants() {
        let what = match manifest.rules(variant.rules).find_map(|rule| rule.root()) {
            None => "app",
            Some(Root::System) => "system",
            Some(Root::Image) => "image",
        };
        let mut told = format!("{what}: target {}", variant.target);
        if variant.level != 0 {
            let _ = write!(told, " level {}", variant.level); // writing to a String cannot fail
        }
        if let Some(shared) = variant.shared {
            let _ = write!(told, ", {} bytes stored for several targets", shared.stored());
        }
        line(format!("{told}, {}", sizes(variant.app)));
        for entry in manifest.entries(&variant) {
            line(format!("  entry {}: {}", readable(entry.name), readable(entry.path)));
        }
    }
    for row in manifest.translators() {
        let (name, version) = (readable(row.name), readable(row.version));
        let (target, host) = (row.key.target, row.key.host);
        line(format!("emulator: {target} on {host}: {name} {version}, {}", sizes(row.blob)));
    }
    for host in Arch::HOSTS {
        if let Some(broker) = manifest.broker(host) {
            line(format!("broker: {host}, {}", sizes(broker.blob)));
        }
    }
    for notice in manifest.notices() {
        let (source, licence, origin) =
            (readable(notice.source), readable(notice.licence), readable(notice.origin));
        line(format!("notice: {source} ({licence}): {origin}"));
    }
    lines
}

fn sizes(blob: Blob<'_>) -> String {
    format!("{} bytes stored, {} unpacked", blob.stored(), blob.length())
}
