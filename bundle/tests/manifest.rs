//! The manifest's decoder against manifests that are wrong in one respect, and against any bytes.

use bundle::{
    Arch, Attends, BlobKind, Digest, EmulatorKey, EncodeError, Encoding, FormatError, Manifest,
    ManifestBuilder, NewBlob, NewEntry, NewNotice, NewTranslator, NewVariant, Part, Rule,
};

const BLOBS_END: u64 = 20_000;

fn blob(kind: BlobKind, offset: u64, stored: u64) -> NewBlob {
    let encoding = match kind {
        BlobKind::Stub | BlobKind::Launcher => Encoding::Raw,
        BlobKind::App => Encoding::TarZstd,
        BlobKind::Emulator
        | BlobKind::Notices
        | BlobKind::Summary
        | BlobKind::Broker
        | BlobKind::Components => Encoding::Zstd,
    };
    let raw = encoding == Encoding::Raw;
    let digest = if raw { Digest([1; 32]) } else { Digest([2; 32]) };
    NewBlob {
        kind,
        encoding,
        offset,
        stored,
        length: if raw { stored } else { 10 * stored },
        stored_digest: Digest([1; 32]),
        digest,
    }
}

/// What a test changes before the manifest is written.
struct Parts<'a> {
    blobs: Vec<NewBlob>,
    path: &'a [u8],
    entry_variant: u32,
    app: u32,
    shared: Option<u32>,
    loader: &'a [u8],
    /// Of the variant, of the entry and of the translator.
    variant_rules: &'a [Rule<&'a [u8]>],
    rule: Rule<&'a [u8]>,
    translator_rule: Rule<&'a [u8]>,
    member: &'a [u8],
    /// Hosts and blobs of brokers.
    brokers: &'a [(Arch, u32)],
    launcher: u32,
    /// Subjects and facts of components.
    components: &'a [(u32, u32)],
}

impl Parts<'_> {
    fn good() -> Parts<'static> {
        Parts {
            blobs: vec![
                blob(BlobKind::Stub, 0, 4096),
                blob(BlobKind::Launcher, 4096, 100),
                blob(BlobKind::App, 8192, 1000),
                blob(BlobKind::Emulator, 9192, 5000),
                blob(BlobKind::Notices, 14192, 300),
                blob(BlobKind::Broker, 14492, 50),
            ],
            path: b"usr/bin/app",
            entry_variant: 0,
            app: 2,
            shared: None,
            loader: b"",
            variant_rules: &[],
            translator_rule: Rule::Program,
            rule: Rule::SetVariable { name: b"LANG", value: b"C.UTF-8" },
            member: b"",
            brokers: &[],
            launcher: 1,
            components: &[],
        }
    }

    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut manifest = ManifestBuilder::new();
        for blob in &self.blobs {
            manifest.blob(blob);
        }
        manifest.launcher(Arch::X86_64, false, self.launcher);
        for (host, blob) in self.brokers {
            manifest.broker(*host, Attends::Emulated, *blob);
        }
        manifest.variant(&NewVariant {
            target: Arch::Riscv64,
            level: 0,
            app: self.app,
            shared: self.shared,
            loader: self.loader,
            rules: self.variant_rules,
        });
        let rules = [self.rule];
        manifest.entry(&NewEntry {
            variant: self.entry_variant,
            name: b"app",
            path: self.path,
            rules: &rules,
        });
        manifest.translator(&NewTranslator {
            key: EmulatorKey { host: Arch::X86_64, target: Arch::Riscv64 },
            blob: 3,
            member: self.member,
            name: b"qemu-user",
            version: b"10.0",
            rules: &[self.translator_rule],
        });
        manifest.notice(&NewNotice {
            subject: 3,
            text: 4,
            licence: b"GPL-2.0-only",
            source: b"qemu 10.0",
            origin: b"",
        });
        for (subject, facts) in self.components {
            manifest.components(*subject, *facts);
        }
        manifest.finish(BLOBS_END)
    }

    fn refusal(&self) -> Option<FormatError> {
        match self.encode() {
            Err(EncodeError::Refused(error)) => Some(error),
            Err(EncodeError::TooLong) => panic!("not long at all"),
            Ok(_) => None,
        }
    }
}

#[test]
fn a_whole_manifest_reads_back_as_it_was_written() {
    let bytes = Parts::good().encode().expect("a good manifest");
    let manifest = Manifest::decode(&bytes, BLOBS_END).expect("it decodes");
    assert_eq!(manifest.blobs().map(NewBlob::from).collect::<Vec<_>>(), Parts::good().blobs);
    let variant = manifest.variants().next().expect("one variant");
    let entry = manifest.entries(&variant).next().expect("one entry");
    assert_eq!((variant.target, entry.name, entry.path), (Arch::Riscv64, &b"app"[..], &b"usr/bin/app"[..]));
    let rule = manifest.rules(entry.rules).next().expect("one rule");
    assert_eq!(rule, Rule::SetVariable { name: &b"LANG"[..], value: &b"C.UTF-8"[..] });
    let translator = manifest.translators().next().expect("one translator");
    assert_eq!(translator.key.to_string(), "riscv64-on-x86_64");
    assert_eq!(manifest.rules(translator.rules).collect::<Vec<_>>(), [Rule::Program]);
    assert_eq!(manifest.notices().next().map(|notice| notice.licence), Some(&b"GPL-2.0-only"[..]));
    assert_eq!(variant.shared, None);
    let bytes = Parts { shared: Some(2), ..Parts::good() }.encode().expect("a good manifest");
    let manifest = Manifest::decode(&bytes, BLOBS_END).expect("it decodes");
    let variant = manifest.variants().next().expect("one variant");
    assert_eq!(variant.shared, Some(variant.app));
}

#[test]
fn a_path_that_leaves_its_tree_is_refused() {
    for path in
        [&b"/bin/sh"[..], b"../sh", b"a/../../sh", b"a//b", b"./a", b"a/", b"", b"a\0b", &[b'a'; 4096]]
    {
        assert_eq!(Parts { path, ..Parts::good() }.refusal(), Some(FormatError::Name), "{path:?}");
    }
    assert_eq!(Parts { path: b"..a/b..", ..Parts::good() }.refusal(), None);
}

#[test]
fn a_reference_to_nothing_or_to_the_wrong_kind_is_refused() {
    assert_eq!(Parts { entry_variant: 1, ..Parts::good() }.refusal(), Some(FormatError::Reference));
    for app in [0, 1, 3, 4, 5, 6, u32::MAX] {
        assert_eq!(Parts { app, ..Parts::good() }.refusal(), Some(FormatError::Reference), "blob {app}");
    }
    for shared in [1, 3, 4, 5, 6, u32::MAX] {
        let parts = Parts { shared: Some(shared), ..Parts::good() };
        assert_eq!(parts.refusal(), Some(FormatError::Reference), "blob {shared}");
    }
}

#[test]
fn blobs_that_overlap_or_leave_the_file_are_refused() {
    let mut parts = Parts::good();
    parts.blobs[2].offset = 4195;
    assert_eq!(parts.refusal(), Some(FormatError::Overlap));
    parts.blobs[2].offset = 4196;
    assert_eq!(parts.refusal(), None);

    let mut parts = Parts::good();
    parts.blobs[4].stored = BLOBS_END - 14192 + 1;
    assert_eq!(parts.refusal(), Some(FormatError::OutOfBounds(Part::Blob)));
    parts.blobs[4].stored = u64::MAX;
    assert_eq!(parts.refusal(), Some(FormatError::OutOfBounds(Part::Blob)));

    let mut parts = Parts::good();
    parts.blobs[0].offset = 1;
    assert_eq!(parts.refusal(), Some(FormatError::OutOfBounds(Part::Blob)));
}

#[test]
fn a_raw_blob_with_two_lengths_and_an_app_that_is_no_tree_are_refused() {
    let mut parts = Parts::good();
    parts.blobs[1].length += 1;
    assert_eq!(parts.refusal(), Some(FormatError::Length(Part::Blob)));

    let mut parts = Parts::good();
    parts.blobs[2].encoding = Encoding::Zstd;
    assert_eq!(parts.refusal(), Some(FormatError::UnknownKind(Part::Blob)));
}

#[test]
fn a_rule_that_makes_no_sense_is_refused() {
    let rules: [Rule<&[u8]>; 7] = [
        Rule::SetVariable { name: b"", value: b"x" },
        Rule::SetVariable { name: b"A=B", value: b"x" },
        Rule::TreeVariable { name: b"", after: b"/x" },
        Rule::TreeVariable { name: b"A=B", after: b"/x" },
        Rule::Argument(b"a\0b"),
        Rule::Tree { before: b"a\0b", after: b"" },
        Rule::Tree { before: b"", after: b"a\0b" },
    ];
    for rule in rules {
        assert_eq!(Parts { rule, ..Parts::good() }.refusal(), Some(FormatError::Name), "{rule:?}");
    }
    assert_eq!(Parts { rule: Rule::Argument(b""), ..Parts::good() }.refusal(), None);
    // What stands before the tree's path and behind it: each may be nothing.
    for (before, after) in [(&b""[..], &b""[..]), (b"-I", b""), (b"", b"/lib"), (b"--with=", b"/lib")] {
        let rule = Rule::Tree { before, after };
        assert_eq!(Parts { rule, ..Parts::good() }.refusal(), None, "{rule:?}");
    }
}

#[test]
fn a_rule_of_a_system_says_what_can_be_meant() {
    let long = [&b"/"[..], &[b'a'; 4095]].concat();
    let bad: [Rule<&[u8]>; 17] = [
        Rule::Directory(b""),
        Rule::Directory(b"srv"),
        Rule::Directory(b"/a\0b"),
        Rule::Directory(&long),
        Rule::User(b""),
        Rule::User(b"a\0b"),
        Rule::DefaultArgument(b"a\0b"),
        Rule::StopSignal(b""),
        Rule::StopSignal(b"TERM"),
        Rule::StopSignal(b"0"),
        Rule::StopSignal(b"015"),
        Rule::StopSignal(b"70"),
        Rule::Keep(b""),
        Rule::Keep(b"A=B"),
        Rule::Ids(b""),
        Rule::Chroot(b""),
        Rule::Root(b"machine"),
    ];
    for rule in bad {
        assert_eq!(Parts { rule, ..Parts::good() }.refusal(), Some(FormatError::Name), "{rule:?}");
    }
    let good: [Rule<&[u8]>; 8] = [
        Rule::Directory(b"/"),
        Rule::User(b"33:www-data"),
        Rule::DefaultArgument(b""),
        Rule::Command,
        Rule::StopSignal(b"9"),
        Rule::StopSignal(b"64"),
        Rule::Keep(b"TERM"),
        Rule::Chroot(b"-root"),
    ];
    for rule in good {
        let bytes = Parts { rule, ..Parts::good() }.encode().expect("a good manifest");
        let manifest = Manifest::decode(&bytes, BLOBS_END).expect("it decodes");
        let variant = manifest.variants().next().expect("one variant");
        let entry = manifest.entries(&variant).next().expect("one entry");
        assert_eq!(manifest.rules(entry.rules).collect::<Vec<_>>(), [rule]);
    }
}

#[test]
fn a_view_by_mounts_is_a_variants_and_each_path_is_seen_in_one_way() {
    const UNION: Rule<&[u8]> = Rule::View(b"union");
    const fn seen(path: &'static [u8], what: &'static [u8]) -> Rule<&'static [u8]> {
        Rule::Seen { path, what }
    }
    const ROOT: [Rule<&[u8]>; 2] = [Rule::View(b"root"), seen(b"usr", b"host")];
    const BAD: [&[Rule<&[u8]>]; 10] = [
        &[UNION, UNION],
        &[Rule::View(b"host")],
        &[Rule::View(b"")],
        &[seen(b"/usr", b"over")],
        &[seen(b"usr/../etc", b"over")],
        &[seen(b"", b"over")],
        &[seen(b"usr", b"beside")],
        &[seen(b"usr", b"over"), seen(b"usr", b"host")],
        &[seen(b"usr", b"over"), seen(b"etc", b"over")],
        &[seen(b"usr/t", b"whole")],
    ];
    let of_variant = |rules| Parts { variant_rules: rules, ..Parts::good() }.refusal();
    let good = [
        seen(b".t", b"whole"),
        UNION,
        seen(b"etc/passwd", b"host"),
        seen(b"usr", b"over"),
        Rule::Program,
        seen(b"usr/lib", b"under"),
        seen(b"usr/lib/a", b"tree"),
    ];
    assert_eq!(of_variant(&good), None);
    assert_eq!(of_variant(&ROOT), None);
    let refused = Some(FormatError::Name);
    for bad in BAD {
        assert_eq!(of_variant(bad), refused, "{bad:?}");
    }
    for rule in [UNION, seen(b"usr", b"over")] {
        assert_eq!(Parts { rule, ..Parts::good() }.refusal(), refused, "an entry's {rule:?}");
    }
    assert_eq!(Parts { translator_rule: seen(b"usr", b"over"), ..Parts::good() }.refusal(), refused);
    assert_eq!(Parts { translator_rule: Rule::View(b"-view"), ..Parts::good() }.refusal(), None);
}

/// A variant is a system in three places, or in none.
#[test]
fn a_root_is_a_systems_and_a_system_has_a_root_of_its_own() {
    const SYSTEM: Rule<&[u8]> = Rule::Root(b"system");
    const IMAGE: Rule<&[u8]> = Rule::Root(b"image");
    let with_root = |rules| {
        let mut parts = Parts { variant_rules: rules, ..Parts::good() };
        parts.blobs[2].encoding = Encoding::Root;
        parts
    };
    for rules in [&[SYSTEM][..], &[Rule::Command, IMAGE, Rule::Directory(b"/srv")]] {
        assert_eq!(with_root(rules).refusal(), None, "{rules:?}");
    }
    let refused = Some(FormatError::Root);
    for rules in [&[][..], &[Rule::Command], &[SYSTEM, SYSTEM], &[SYSTEM, IMAGE]] {
        assert_eq!(with_root(rules).refusal(), refused, "a root, {rules:?}");
    }
    assert_eq!(Parts { variant_rules: &[SYSTEM], ..Parts::good() }.refusal(), refused, "no root");
    assert_eq!(Parts { rule: SYSTEM, ..Parts::good() }.refusal(), refused, "an entry alone");
    assert_eq!(Parts { rule: SYSTEM, ..with_root(&[SYSTEM]) }.refusal(), refused, "an entry too");
    assert_eq!(Parts { translator_rule: IMAGE, ..Parts::good() }.refusal(), refused, "a translator");
    assert_eq!(Parts { loader: b"lib/ld.so", ..with_root(&[SYSTEM]) }.refusal(), refused, "a loader");
    assert_eq!(Parts { shared: Some(2), ..with_root(&[SYSTEM]) }.refusal(), refused, "a shared blob");
    // A part that an app shares is no root.
    let mut parts = Parts { shared: Some(6), ..Parts::good() };
    parts.blobs.push(NewBlob { encoding: Encoding::Root, ..blob(BlobKind::App, 14542, 60) });
    assert_eq!(parts.refusal(), refused);

    for at in [3, 4, 5] {
        let mut parts = Parts::good();
        parts.blobs[at].encoding = Encoding::Root;
        assert_eq!(parts.refusal(), Some(FormatError::UnknownKind(Part::Blob)), "blob {at}");
    }
}

/// What no writer can make: a name or a value where the kind of a row has none, and kinds that there are not.
#[test]
fn a_rule_with_a_field_that_its_kind_does_not_use_is_refused() {
    let rule = Rule::SetVariable { name: &b"A"[..], value: b"4096" };
    let bytes = Parts { rule, ..Parts::good() }.encode().expect("a good manifest");
    let row = 40 + 6 * 96 + 8 + 28 + 32 + 44;
    let with_kind = |kind: u16| {
        let mut bytes = bytes.clone();
        bytes[row..row + 2].copy_from_slice(&kind.to_le_bytes());
        Manifest::decode(&bytes, BLOBS_END).err()
    };
    let of_both = [4, 16, 17, 20, 23];
    for kind in of_both {
        assert_eq!(with_kind(kind), None, "kind {kind} uses both");
    }
    for kind in (1..=24).filter(|kind| !of_both.contains(kind)) {
        assert_eq!(with_kind(kind), Some(FormatError::Name), "kind {kind} uses one at most");
    }
    for kind in [0, 25, u16::MAX] {
        assert_eq!(with_kind(kind), Some(FormatError::UnknownKind(Part::Manifest)), "kind {kind}");
    }
}

#[test]
fn a_member_belongs_to_a_tree_of_emulators_only() {
    assert_eq!(Parts { member: b"qemu-riscv64", ..Parts::good() }.refusal(), Some(FormatError::Name));
    let mut parts = Parts { member: b"qemu-riscv64", ..Parts::good() };
    parts.blobs[3].encoding = Encoding::TarZstd;
    assert_eq!(parts.refusal(), None);
}

#[test]
fn a_broker_that_is_no_broker_or_one_too_many_is_refused() {
    let with = |brokers: &[(Arch, u32)], launcher| Parts { brokers, launcher, ..Parts::good() }.refusal();
    for blob in [0, 1, 2, 3, 4, 6] {
        assert_eq!(with(&[(Arch::X86_64, blob)], 1), Some(FormatError::Reference), "broker in blob {blob}");
    }
    assert_eq!(with(&[], 5), Some(FormatError::Reference), "a launcher in a broker's blob");
    let twice = [(Arch::Riscv64, 5), (Arch::X86_64, 5), (Arch::Riscv64, 5)];
    assert_eq!(with(&twice, 1), Some(FormatError::Twice));
    let no_host = Some(FormatError::UnknownKind(Part::Manifest));
    assert_eq!(with(&[(Arch::Alpha, 5)], 1), no_host, "a broker for a CPU that is no host");
    assert_eq!(with(&twice[..2], 1), None);

    for encoding in [Encoding::Raw, Encoding::TarZstd] {
        let mut parts = Parts::good();
        parts.blobs[5].encoding = encoding;
        parts.blobs[5].length = parts.blobs[5].stored;
        parts.blobs[5].digest = parts.blobs[5].stored_digest;
        assert_eq!(parts.refusal(), Some(FormatError::UnknownKind(Part::Blob)), "{encoding:?}");
    }
}

#[test]
fn a_broker_is_found_by_its_host_and_is_no_launcher() {
    let parts = Parts { brokers: &[(Arch::Riscv64, 5), (Arch::X86_64, 5)], ..Parts::good() };
    let mut bytes = parts.encode().expect("a good manifest");
    let manifest = Manifest::decode(&bytes, BLOBS_END).expect("it decodes");
    assert_eq!(manifest.launchers().map(|row| row.host).collect::<Vec<_>>(), [Arch::X86_64]);
    assert_eq!(manifest.broker(Arch::X86_64).map(|row| row.blob.offset()), Some(14492));
    assert_eq!(manifest.broker(Arch::Riscv64).map(|row| row.blob.kind), Some(BlobKind::Broker));
    assert_eq!(manifest.broker(Arch::S390x), None);

    // Whether it is for natively running apps too, which means nothing of a launcher.
    let first_row = 40 + 6 * 96;
    let second_row = first_row + 8;
    let attends =
        |bytes: &[u8]| Ok(Manifest::decode(bytes, BLOBS_END)?.broker(Arch::Riscv64).map(|row| row.attends));
    for (flag, whom) in [(0, Attends::Emulated), (8, Attends::Never), (4, Attends::Always)] {
        bytes[second_row + 2] = 2 | flag;
        assert_eq!(attends(&bytes), Ok(Some(whom)));
    }
    let of_broker = [3, 7, 14, 18].map(|flags| (second_row, flags));
    for (row, flags) in [4, 5, 8].map(|flags| (first_row, flags)).into_iter().chain(of_broker) {
        let mut bad = bytes.clone();
        bad[row + 2] = flags;
        // Both kinds at once: nothing begins with a broker.
        assert_eq!(attends(&bad), Err(FormatError::UnknownFlag(Part::Manifest)), "flags {flags}");
    }
}

#[test]
fn a_manifest_that_is_cut_or_followed_by_more_is_refused() {
    let mut bytes = Parts::good().encode().expect("a good manifest");
    for length in 0..bytes.len() {
        assert!(Manifest::decode(&bytes[..length], BLOBS_END).is_err(), "{length} bytes");
    }
    bytes.push(0);
    assert_eq!(Manifest::decode(&bytes, BLOBS_END).err(), Some(FormatError::Length(Part::Manifest)));
}

#[test]
fn every_reserved_field_and_flag_is_checked() {
    let bytes = Parts::good().encode().expect("a good manifest");
    let blobs = 40;
    let launchers = blobs + 6 * 96;
    let entries = launchers + 8 + 28;
    let translators = entries + 32;
    let rules = translators + 44;
    let reserved = [0, blobs + 4, launchers + 2, entries + 4, translators + 8, translators + 10, rules + 2];
    for at in reserved {
        let mut bad = bytes.clone();
        bad[at] |= 0x80;
        let found = Manifest::decode(&bad, BLOBS_END).err();
        assert!(matches!(found, Some(FormatError::UnknownFlag(_))), "byte {at}: {found:?}");
    }
}

/// What is known about components belongs to a part that has some, once, and is of its own kind.
#[test]
fn components_are_of_one_part_and_their_facts_are_facts() {
    let mut blobs = Parts::good().blobs;
    blobs.push(blob(BlobKind::Components, 14542, 40));
    let with = |components| Parts { blobs: blobs.clone(), components, ..Parts::good() }.encode();
    let good = with(&[(1, 6), (2, 6), (3, 6), (5, 6)]).expect("each kind of part, and one blob for all");
    let manifest = Manifest::decode(&good, BLOBS_END).expect("decoded");
    let rows: Vec<_> = manifest.components().map(|row| (row.subject.kind, row.facts.kind)).collect();
    assert_eq!(rows[1], (BlobKind::App, BlobKind::Components));
    assert_eq!(rows.len(), 4);
    for (bad, why) in [
        (&[(2, 6), (2, 6)][..], FormatError::Twice),
        (&[(0, 6)], FormatError::Reference),
        (&[(4, 6)], FormatError::Reference),
        (&[(6, 6)], FormatError::Reference),
        (&[(2, 4)], FormatError::Reference),
        (&[(2, 7)], FormatError::Reference),
        (&[(9, 6)], FormatError::Reference),
    ] {
        assert_eq!(with(bad), Err(EncodeError::Refused(why)), "{bad:?}");
    }
}

/// Whatever one changed byte makes of a manifest, reading all of it ends, without a panic.
#[test]
fn no_changed_byte_makes_a_reader_panic() {
    let good = Parts::good().encode().expect("a good manifest");
    let mut accepted = 0;
    for at in 0..good.len() {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let Ok(manifest) = Manifest::decode(&bytes, BLOBS_END) else { continue };
            accepted += 1;
            let entries = manifest.variants().flat_map(|variant| manifest.entries(&variant));
            let rules = entries.flat_map(|entry| manifest.rules(entry.rules)).count();
            let rows =
                manifest.blobs().count() + manifest.launchers().count() + manifest.translators().count();
            assert!(rules + rows + manifest.notices().count() < 1000);
        }
    }
    assert!(accepted > 0, "a changed digest is still a manifest");
}
