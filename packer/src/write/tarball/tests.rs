//! Streams as they are written, byte by byte, and read back.

use super::*;

fn tree() -> App {
    let mut app = App::default();
    let long = [&[b'd'; 200][..], b"/", &[0xff; 200][..]].concat();
    app.add(&long, Node::File { executable: false, content: vec![1; 700].into() }).expect("added");
    app.add(b"bin/a", Node::File { executable: true, content: b"x".to_vec().into() }).expect("added");
    app.add(b"bin/b", Node::HardLink(b"bin/a".to_vec())).expect("added");
    app.add(b"bin/c", Node::Symlink(vec![b't'; 300])).expect("added");
    app.add(b"bin/d", Node::HardLink(long)).expect("added");
    app.settle().expect("links lead to files");
    app
}

fn bytes() -> Vec<u8> {
    all(&write(&tree(), By::Contents).expect("it can be written"))
}

fn all(stream: &Uncompressed) -> Vec<u8> {
    stream.frames.iter().flat_map(|frame| frame.bytes().expect("it can be read")).collect()
}

#[test]
fn only_the_entry_types_of_the_format_are_written_and_no_field_tells_of_this_machine() {
    let bytes = bytes();
    assert_eq!(bytes.len() % 512, 0);
    let mut at = 0;
    let mut kinds = Vec::new();
    while at < bytes.len() {
        let block = &bytes[at..at + 512];
        kinds.push(block[156]);
        assert_eq!(&block[257..265], b"ustar  \0", "old GNU magic");
        assert_eq!(&block[345..500], [0; 155], "no prefix, no GNU times");
        assert_eq!(&block[265..329], [0; 64], "no user or group name");
        for field in [&block[108..116], &block[116..124], &block[136..148]] {
            assert!(field.iter().all(|byte| matches!(byte, b'0' | b' ' | 0)), "uid, gid and mtime are 0");
        }
        let size = std::str::from_utf8(&block[124..135]).expect("octal digits");
        let size = usize::from_str_radix(size.trim_matches([' ', '\0']), 8).expect("octal digits");
        at += 512 + size.div_ceil(512) * 512;
    }
    assert_eq!(kinds, b"5L5001K2L1");
}

#[test]
fn a_root_has_owners_modes_and_links_as_they_are() {
    use system_tree::{Inode, Kind};
    let mut system = SystemTree::default();
    let long = [&[0xff; 200][..], b"/", &[b'n'; 100][..]].concat();
    let target = [&b"/"[..], &[b't'; 300], b"//./../"].concat();
    let link = |target: &[u8]| Inode { kind: Kind::Symlink(target.to_vec()), mode: 0o777, uid: 5, gid: 6 };
    let file = Inode { kind: Kind::File(vec![1; 700].into()), mode: 0o4755, uid: 4_000_000_000, gid: 33 };
    system.add(b"a", link(&target)).expect("added");
    system.add(b"b", link(b"../..//x/")).expect("added");
    system.add(&long, file).expect("added");
    system.link(b"z", &long).expect("linked");
    system.add(b"tmp", Inode::of_root(Kind::Directory, 0o1777)).expect("added");
    let bytes = all(&write_root(&system, By::Contents).expect("it can be written"));
    let mut seen = Vec::new();
    for entry in Archive::new(&bytes[..]).entries().expect("a stream") {
        let mut entry = entry.expect("an entry");
        let header = entry.header().clone();
        let numbers =
            (header.mode().expect("octal"), header.uid().expect("a number"), header.gid().expect("a number"));
        let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let path = entry.path_bytes().into_owned();
        let length = io::copy(&mut entry, &mut io::sink()).expect("its bytes");
        seen.push((path, header.entry_type().as_byte(), numbers, link, length));
    }
    let expected = [
        (b"tmp".to_vec(), b'5', (0o1777, 0, 0), Vec::new(), 0),
        (vec![0xff; 200], b'5', (0o755, 0, 0), Vec::new(), 0),
        (b"z".to_vec(), b'0', (0o4755, 4_000_000_000, 33), Vec::new(), 700),
        (b"a".to_vec(), b'2', (0o777, 5, 6), target, 0),
        (b"b".to_vec(), b'2', (0o777, 5, 6), b"../..//x/".to_vec(), 0),
        (long, b'1', (0o4755, 4_000_000_000, 33), b"z".to_vec(), 0),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn what_is_written_is_read_back() {
    let mut seen = Vec::new();
    let mut bytes = Vec::new();
    archive(&tree(), &mut bytes).expect("memory can be written");
    read(&bytes[..], Error::Temporary, |path, entry| {
        let kind = match entry {
            TarEntry::Directory => "directory".to_owned(),
            TarEntry::File { executable, content, .. } => {
                format!("{executable} {}", io::copy(content, &mut io::sink()).map_err(Error::Temporary)?)
            }
            TarEntry::Symlink(to) => format!("-> {}", to.len()),
            TarEntry::HardLink(to) => format!("= {}", to.len()),
        };
        seen.push((path.len(), kind));
        Ok(())
    })
    .expect("it is read");
    let expected = [
        (3, "directory"),
        (5, "true 1"),
        (5, "= 5"),
        (5, "-> 300"),
        (5, "false 700"),
        (200, "directory"),
        (401, "= 5"),
    ];
    assert_eq!(seen, expected.map(|(length, kind)| (length, kind.to_owned())));
}
