//! The bundle's own format, as the launcher and the packer decode it: footer, manifest.

use bundle::{Footer, Manifest, TreePath};
use launcher::controls::Controls;
use launcher::route::{Route, choose_entry};

use crate::launched::launched;

/// The footer: whatever is accepted is written back identically.
pub(crate) fn footer(input: &[u8]) {
    let (length, bytes) = number(input);
    let Some(last) = bytes.last_chunk::<{ Footer::LEN }>() else { return };
    if let Ok(footer) = Footer::decode(last, length) {
        assert_eq!(&footer.encode(), last);
        assert_eq!(footer.file_length, length);
        assert!(footer.manifest_length <= Footer::MAX_MANIFEST);
    }
    // A file of just these bytes.
    if let Ok(footer) = Footer::read(&bytes) {
        assert_eq!(footer.file_length, bytes.len() as u64);
    }
}

/// The manifest, and what the launcher decides from it: no reference leads outside, no blob overlaps another.
pub(crate) fn manifest(input: &[u8]) {
    launched(|| decode_and_choose(input));
}

fn decode_and_choose(input: &[u8]) {
    let (blobs_end, bytes) = number(input);
    let Ok(manifest) = Manifest::decode(bytes, blobs_end) else { return };
    let mut free = 0;
    for blob in manifest.blobs() {
        assert!(blob.offset() >= free, "blobs overlap");
        free = blob.end().expect("a blob that was taken has an end");
    }
    assert!(free <= blobs_end, "a blob lies over the manifest");
    for launcher in manifest.launchers() {
        assert!(launcher.host.is_host());
    }
    for variant in manifest.variants() {
        manifest.rules(variant.rules).for_each(drop);
        for entry in manifest.entries(&variant) {
            assert!(TreePath::new(entry.path).is_some());
            manifest.rules(entry.rules).for_each(drop);
        }
    }
    for translator in manifest.translators() {
        manifest.rules(translator.rules).for_each(drop);
    }
    let _ = manifest.check_rest();
    manifest.notices().for_each(drop);

    for route in
        [c"UNIBIN_ROUTE=any", c"UNIBIN_ROUTE=native", c"UNIBIN_ROUTE=emulated", c"UNIBIN_EMULATOR=/x"]
    {
        let Ok(controls) = Controls::read([route].into_iter()) else { panic!("a control that is known") };
        if let Ok(route) = Route::choose(&manifest, controls) {
            let _ = choose_entry(&manifest, route.variant(), None, b"/bin/app");
            let _ = choose_entry(&manifest, route.variant(), Some(b"app"), b"");
        }
    }
}

/// A number and the bytes after it.
pub(crate) fn number(input: &[u8]) -> (u64, &[u8]) {
    input.split_first_chunk().map_or((0, input), |(number, rest)| (u64::from_le_bytes(*number), rest))
}
