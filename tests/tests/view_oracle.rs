//! The union view of unibin's own emulators against a real overlay file system: a program says line by line
//! what each call says of each path. Names and places are other ones in each run. The differences are exactly
//! those that are named here; and nothing that is tried changes the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{
    Namespace, Outcome, Sandbox, differences, lines, needs, own_emulator, own_program, pack_by_hand, unibin,
};

/// With 64 and 32 bits, and of the other byte order.
const TARGETS: [Arch; 3] = [Arch::Riscv64, Arch::Armv7, Arch::S390x];

/// What lies where: a name beginning with `@` stands for a random one; `=` makes a file, `>` a link, and
/// neither a directory. `m` is a directory of both, `h` one of the host's.
const HOST: &str = "
    @m/@hf=hf  @m/@both=host  @m/@hd/f=f  @m/@hd/e/  @m/@op/hidden=a  @m/@op/p/x=x  @m/@df/x=x  @m/@sub/hf=hf
    @m/@sub/both=both  @m/@fd=fd  @m/@wins=host  @m/hl>@tf  @m/habs>$/@m/@td/f  @m/hdangle>nowhere  @m/@ld>@hd
    @m/hnew>new@tf  @m/htnew>@td/newx  @h/f=f  @h/d/  @h/l>../@m/@tf  @h/dl>../@m/@td  @h/hself>hself  @h/ml>$/@m";

/// The tree's; its `@op` is opaque, and its `@wins` gives way to the host's.
const TREE: &str = "
    @m/@tf=tf  @m/@both=tree  @m/@td/f=tdf  @m/@td/sub/g=g  @m/@td/up2h>../../@h  @m/@sub/tf=tf  @m/@sub/both=tree
    @m/@fd/f=f  @m/@df=tree  @m/@ld/f=f  @m/@op/t=opt  @m/@op/q/g=g  @m/@deep/l1/l2/l3=l3  @m/@wins=tree
    @m/tl>@tf  @m/tlh>@hf  @m/tabs>$/@h/f  @m/tdl>@td  @m/thl>@hd  @m/tloop>tloop  @m/tdangle>nowhere  @m/tup>..
    @m/tlhl>hl  @m/tnewh>@hd/newf";

/// Paths that are looked at. A path is its own label.
const LOOKED_AT: &str = "
    @m @m/ @m/@tf @m/@tf/ @m/@tf/x @m/@tf/. @m/@tf/.. @m/@both @m/@hf @m/@hf/ @m/@hf/.. @m/@hd @m/@hd/ @m/@hd/f
    @m/@hd/none @m/@hd/.. @m/@hd/../@tf @m/@hd/f/../f @m/@hd/none/../f @m/@td @m/@td/ @m/@td/f @m/@td/none
    @m/@td/none/x @m/@td/../@hf @m/@td/sub/../.. @m/@td/up2h @m/@td/up2h/f @m/@td/up2h/l @m/hl @m/hl/ @m/habs
    @m/hdangle @m/hnew @m/htnew @m/tl @m/tlh @m/tabs @m/tdl @m/tdl/ @m/tdl/f @m/tdl/.. @m/thl @m/thl/f @m/tloop
    @m/tloop/x @m/tdangle @m/tup @m/tup/@m/@tf @m/tlhl @m/tnewh @m/@op @m/@op/t @m/@op/hidden @m/@op/p @m/@op/p/x
    @m/@op/q/g @m/@op/.. @m/@sub @m/@sub/tf @m/@sub/hf @m/@sub/both @m/@fd @m/@fd/f @m/@fd/none @m/@df @m/@df/x
    @m/@ld @m/@ld/f @m/@ld/e @m/@wins @h @h/f @h/l @h/dl @h/dl/f @h/dl/.. @h/dl/../@hf @h/hself @h/ml @h/ml/@tf
    @h/ml/../@h/f @h/d/../l @h/new @m/new @m/new/x @m/new/ @m/@deep/l1/l2/l3 @m/@deep/./l1//l2/./
    /proc/self/root @m/../@m//@tf";

/// Paths with the sandbox in the middle, and of the system.
const ELSEWHERE: &str = "//$//@m///@tf /proc/self/root$/@m/@tf /proc/self/cwd$/@m/@td/f /dev/null /dev/fd /dev/fd/0 \
                         /nonexistent/x /proc/self/exe/x";

/// Paths by which files of the host are made, changed and removed.
const CHANGED: &str = "
    @m/new @h/new @m/@hd/new @m/@sub/new @m/thl/new @m/tup/@m/new @h/ml/new @m/@td/../new @m/@fd/../new @m/none/new
    @m/@hf/new @h/dl/../new @m/@td/up2h/new";

/// Files and directories of the tree.
const TREES: &str = "
    @m/@tf @m/@both @m/@td @m/@td/f @m/@td/sub @m/@td/up2h @m/@sub/tf @m/@sub/both @m/@fd @m/@fd/f @m/@df @m/@ld
    @m/@ld/f @m/@op @m/@op/t @m/@op/q/g @m/@deep/l1/l2/l3 @m/@deep/l1 @m/tl @m/tabs @m/tloop @m/tdangle @m/tlhl";

/// Where overlayfs makes a file in its upper layer, in a directory of the tree alone.
const MADE_BY_OVERLAYFS: [&str; 5] = ["@m/@td/none", "@m/@op/hidden", "@m/@op/p", "@m/@fd/none", "@m/@ld/e"];
const CALLS_THAT_MAKE: [&str; 4] = ["open CREAT EXCL", "mkdir", "symlink", "mknod"];

/// Directories of the host with a tree, below the sandbox.
struct World {
    sandbox: Sandbox,
    names: BTreeMap<String, String>,
    /// Where the host's directory is seen, if not where it is.
    seen_at: Option<PathBuf>,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let mut names = BTreeMap::new();
        let random = RandomState::new();
        for word in [HOST, TREE].concat().split(|c: char| !c.is_ascii_alphanumeric() && c != '@') {
            for name in word.split('@').skip(1) {
                names.insert(format!("@{name}"), format!("{name}{}", random.hash_one(name) % 1_000_000));
            }
        }
        let world = Self { sandbox, names, seen_at: None };
        world.make(HOST, &world.host());
        world.make(TREE, &world.tree_of_host());
        // What the real overlay is made of: where the host wins the tree has no file, and what an opaque
        // directory hides is not there.
        world.make(TREE, &world.sandbox.at("upper"));
        world.make(HOST, &world.sandbox.at("lower"));
        fs::remove_file(world.sandbox.at("upper").join(world.named("@m/@wins"))).expect("a file");
        fs::remove_dir_all(world.sandbox.at("lower").join(world.named("@m/@op"))).expect("a directory");
        let map = Map::of(
            &world.tree(),
            &[&world.tree_of_host().join(world.named("@m/@op"))],
            &[&world.named("@wins")],
        );
        fs::write(world.tree().join(".unibin-view"), map).expect("writable");
        world
    }

    /// The directory that the tree is laid over, and the tree.
    fn host(&self) -> PathBuf {
        self.sandbox.at("host")
    }

    fn tree(&self) -> PathBuf {
        self.sandbox.at("tree")
    }

    fn tree_of_host(&self) -> PathBuf {
        self.tree().join(self.host().strip_prefix("/").expect("absolute"))
    }

    /// With random names, longest first: one may begin with another.
    fn named(&self, text: &str) -> String {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(label, _)| std::cmp::Reverse(label.len()));
        let host = self.seen_at.clone().unwrap_or_else(|| self.host());
        let text = text.replace('$', host.to_str().expect("text"));
        names.into_iter().fold(text, |text, (label, name)| text.replace(label.as_str(), name))
    }

    fn make(&self, what: &str, top: &Path) {
        for word in what.split_whitespace() {
            let place = |path: &str| {
                let path = top.join(self.named(path));
                fs::create_dir_all(path.parent().expect("a parent")).expect("writable");
                path
            };
            if let Some((path, contents)) = word.split_once('=') {
                fs::write(place(path), format!("{contents}\n")).expect("writable");
            } else if let Some((path, target)) = word.split_once('>') {
                symlink(self.named(target), place(path)).expect("writable");
            } else {
                fs::create_dir_all(place(word)).expect("writable");
            }
        }
    }

    /// A list for the program. `prefix`: what comes before a path that is not absolute.
    fn list(&self, name: &str, paths: &str, prefix: &Path) -> PathBuf {
        let line = |word: &str| {
            let path = if word.starts_with(['/']) {
                self.named(word)
            } else {
                format!("{}/{}", prefix.display(), self.named(word))
            };
            format!("{word} {path}\n")
        };
        self.sandbox.write(name, paths.split_whitespace().map(line).collect::<String>().as_bytes())
    }

    /// The program below a real overlay.
    fn natively(&self, program: &Path, arguments: &[&Path]) -> Outcome {
        let script = r#"
            mount -t tmpfs tmpfs layers
            mkdir layers/up layers/work
            mount -t overlay overlay \
                -o "userxattr,lowerdir=$PWD/upper:$PWD/lower,upperdir=$PWD/layers/up,workdir=$PWD/layers/work" host
            exec "$@"
        "#;
        self.sandbox.make_directory("layers");
        let arguments: Vec<&Path> = [&[program], arguments].concat();
        Namespace::OwnUsers.run(&self.sandbox, script, &arguments)
    }

    /// The same program for another target, by its emulator with the view; `before`: what starts that.
    fn emulated(&self, before: &[&str], emulator: &Path, program: &Path, arguments: &[&Path]) -> Outcome {
        let tree = self.tree();
        let mut all: Vec<&Path> = before.iter().map(Path::new).collect();
        all.extend([emulator, Path::new("-view"), &tree, program]);
        all.extend(arguments);
        Namespace::OwnUsers.run(&self.sandbox, "INODES=1 exec \"$@\"", &all)
    }
}

/// Writes the map of a tree, as FORMAT.md has it: not with the packer's code, so that it also shows that
/// the format is what is written there.
struct Map {
    directories: Vec<[u32; 4]>,
    names: Vec<[u32; 5]>,
    strings: Vec<u8>,
}

impl Map {
    fn of(tree: &Path, opaque: &[&Path], hosts: &[&str]) -> Vec<u8> {
        let mut map = Self { directories: vec![[0; 4]], names: Vec::new(), strings: Vec::new() };
        let mut waiting = vec![(tree.to_owned(), 0)];
        while let Some((directory, number)) = waiting.pop() {
            let mut entries: Vec<_> =
                fs::read_dir(&directory).expect("a directory").map(|e| e.expect("an entry")).collect();
            entries.sort_by_key(fs::DirEntry::file_name);
            let first = map.names.len();
            for entry in &entries {
                let name = entry.file_name().into_string().expect("text");
                let kind = entry.file_type().expect("a type");
                let flags = if hosts.contains(&name.as_str()) { 0x200 } else { 0 };
                let text = map.string(&name);
                let length = u32::try_from(name.len()).expect("short");
                let target = kind.is_symlink().then(|| fs::read_link(entry.path()).expect("a link"));
                let named = if let Some(target) = target {
                    let target = target.to_str().expect("text").to_owned();
                    let place = map.string(&target);
                    [text, length, 3 | flags, place, u32::try_from(target.len()).expect("short")]
                } else if kind.is_dir() {
                    map.directories.push([0; 4]);
                    let child = map.directories.len() - 1;
                    waiting.push((entry.path(), child));
                    [text, length, 2 | flags, u32::try_from(child).expect("few"), 0]
                } else {
                    [text, length, 1 | flags, 0, 0]
                };
                map.names.push(named);
            }
            let number_of = |count: usize| u32::try_from(count).expect("few");
            map.directories[number] =
                [number_of(first), number_of(entries.len()), u32::from(opaque.contains(&&*directory)), 0];
        }
        let counts = [map.directories.len(), map.names.len(), map.strings.len(), 0];
        let mut bytes = b"unibin-view 1\n\0\0".to_vec();
        bytes.extend(counts.iter().flat_map(|count| u32::try_from(*count).expect("few").to_le_bytes()));
        bytes.extend(map.directories.iter().flatten().flat_map(|number| number.to_le_bytes()));
        bytes.extend(map.names.iter().flatten().flat_map(|number| number.to_le_bytes()));
        bytes.extend(map.strings);
        bytes
    }

    fn string(&mut self, text: &str) -> u32 {
        let start = self.strings.len();
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        u32::try_from(start).expect("short")
    }
}

/// Everything about a directory that a change of it could change.
fn state(directory: &Path) -> BTreeMap<PathBuf, String> {
    let of = |path: PathBuf| {
        let about = fs::symlink_metadata(&path).expect("a file");
        let contents = if about.is_file() { fs::read(&path).expect("readable") } else { Vec::new() };
        let target = fs::read_link(&path).ok();
        let times = [about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()];
        let owner = (about.uid(), about.gid(), about.permissions().mode(), about.nlink());
        (path, format!("{owner:?} {times:?} {target:?} {contents:?}"))
    };
    Sandbox::tree(directory).into_iter().map(|path| of(directory.join(path))).collect()
}

#[test]
fn every_call_says_of_every_path_what_it_says_below_a_real_overlay() {
    needs!("x86_64", "zig", "namespaces");
    let world = World::new();
    let native = own_program(&world.sandbox, "view-calls", Arch::X86_64);
    let looked_at = world.list("looked-at", &[LOOKED_AT, ELSEWHERE].join(" "), &world.host());
    let changed = world.list("changed", CHANGED, &world.host());
    let look: [&Path; 2] = [&looked_at, Path::new("look")];
    let change: [&Path; 2] = [&changed, Path::new("change")];
    let [expected, expected_of_changes] = [look, change].map(|what| lines(&world.natively(&native, &what)));
    assert!(expected.len() > 3000 && expected_of_changes.len() > 250, "{expected:?}");
    let read_only = MADE_BY_OVERLAYFS
        .iter()
        .flat_map(|path| CALLS_THAT_MAKE.map(|call| format!("{path} {call} ok, not {path} {call} EROFS")));
    let read_only: BTreeSet<String> = read_only.collect();
    for target in TARGETS {
        let emulator = own_emulator(&world.sandbox, target);
        let program = own_program(&world.sandbox, "view-calls", target);
        let before = state(&world.host());
        let seen = lines(&world.emulated(&[], &emulator, &program, &look));
        assert_eq!(differences(&expected, &seen), read_only, "{target}");
        let seen = lines(&world.emulated(&[], &emulator, &program, &change));
        assert_eq!(differences(&expected_of_changes, &seen), BTreeSet::new(), "{target}");
        assert_eq!(state(&world.host()).len(), before.len(), "{target}: something was left");
    }
}

#[test]
fn the_view_is_the_same_where_the_kernel_cannot_look_paths_up_without_links() {
    needs!("x86_64", "zig", "namespaces");
    let world = World::new();
    let looked_at = world.list("looked-at", &[LOOKED_AT, ELSEWHERE].join(" "), &world.host());
    let look: [&Path; 2] = [&looked_at, Path::new("look")];
    let emulator = own_emulator(&world.sandbox, Arch::Riscv64);
    let refuse = own_program(&world.sandbox, "refuse", Arch::X86_64);
    let program = own_program(&world.sandbox, "view-calls", Arch::Riscv64);
    // The program's own openat2 is refused too.
    let others = |outcome: &Outcome| {
        let mut lines = lines(outcome);
        lines.dedup_by(|line, before| line.contains("  contents ") && before.contains(" openat2"));
        lines.retain(|line| !line.contains(" openat2"));
        lines
    };
    let usual = others(&world.emulated(&[], &emulator, &program, &look));
    for error in ["ENOSYS", "EPERM"] {
        let before = [refuse.to_str().expect("text"), "437", if error == "EPERM" { "1" } else { "38" }];
        let seen = others(&world.emulated(&before, &emulator, &program, &look));
        assert_eq!(differences(&usual, &seen), BTreeSet::new(), "{error}");
    }
}

#[test]
fn nothing_that_is_tried_changes_the_tree() {
    needs!("x86_64", "zig", "namespaces");
    let world = World::new();
    // By their virtual paths, and by the real ones.
    let virtual_paths = world.list("virtual", TREES, &world.host());
    let real_paths = world.list("real", &format!("{TREES} @m"), &world.tree_of_host());
    for target in TARGETS {
        let emulator = own_emulator(&world.sandbox, target);
        let program = own_program(&world.sandbox, "view-calls", target);
        let before = state(&world.tree());
        for list in [&virtual_paths, &real_paths] {
            let away = world.sandbox.make_directory("away");
            let ran = world.emulated(&[], &emulator, &program, &[list, Path::new("break"), &away]);
            let done: Vec<String> = lines(&ran).into_iter().filter(|line| line.ends_with(" ok")).collect();
            let allowed = |line: &String| line.ends_with(" open R ok");
            assert!(done.iter().all(allowed), "{target}: {done:?}");
        }
        assert_eq!(state(&world.tree()), before, "{target}");
    }
}

#[test]
fn mounts_show_a_native_app_what_a_real_overlay_shows() {
    needs!("x86_64", "zig", "namespaces");
    mounts_show_what_a_real_overlay_shows(Arch::X86_64, &["--view", "union"]);
}

#[test]
fn mounts_show_an_app_under_anothers_emulator_what_a_real_overlay_shows() {
    needs!("x86_64", "network", "zig", "namespaces");
    mounts_show_what_a_real_overlay_shows(Arch::Riscv64, &["--debian-emulators"]);
}

/// The program built for `target`, packed with these options, sees by mounts what the same program sees
/// natively on a real overlay.
fn mounts_show_what_a_real_overlay_shows(target: Arch, options: &[&str]) {
    // Where the top of the tree and of the host are seen.
    let top = Path::new("/srv/unibin-view/top");
    let world = World { seen_at: Some(top.to_owned()), ..World::new() };
    let native = own_program(&world.sandbox, "view-calls", Arch::X86_64);
    let program = own_program(&world.sandbox, "view-calls", target);
    world.make(TREE, &world.sandbox.at("packed-tree"));
    let add = format!("{}:{}", world.sandbox.at("packed-tree").display(), top.display());
    let bundle = world.sandbox.at("bundle");
    let arguments = [program.to_str().expect("text"), "--add", &add, "--hosts", "x86_64"];
    pack_by_hand(&[&arguments, options].concat(), &bundle).must_succeed();
    // Links that lead out are left out, and absolute ones into the tree made relative.
    let extracted = world.sandbox.at("extracted");
    let extract = unibin().arg("extract").arg(&bundle).arg(&extracted).output();
    Outcome::from(extract.expect("unibin starts")).must_succeed();
    let looked_at = world.list("looked-at", &[LOOKED_AT, ELSEWHERE].join(" "), top);
    let changed = world.list("changed", &[CHANGED, TREES].join(" "), top);
    // A directory of the tester's, who is another user than the sandbox's if he is root.
    let own = tempfile::tempdir().expect("a directory");
    let run = |how: &str, list: &Path, what: &str| {
        let mounts = r#"
            mount -t tmpfs tmpfs /srv
            mkdir -p "$1"
            mount --bind host "$1"
        "#;
        let arguments = [top, list, Path::new(what), &native, own.path()];
        lines(&Namespace::OwnUsers.run(&world.sandbox, &[mounts, how].concat(), &arguments))
    };
    let really =
        r#"mount -t overlay overlay -o "lowerdir=$PWD/extracted$1:$PWD/host" "$1"; exec "$4" "$2" "$3""#;
    let by_mounts = r#"UNIBIN_CACHE=$5/cache UNIBIN_VIEW=union exec ./bundle "$2" "$3""#;
    for (list, what, least) in [(&looked_at, "look", 3000), (&changed, "change", 150)] {
        let (expected, seen) = (run(really, list, what), run(by_mounts, list, what));
        assert!(expected.len() > least, "{expected:?}");
        assert_eq!(differences(&expected, &seen), BTreeSet::new(), "{what}");
    }
}

/// A host without a merged `/usr`, below a tree with one; and what that host would be with one.
const UNMERGED: &str = "
    bin/tool=host  bin/other=host  usr/bin/third=host  usr/lib/here=host  lib/there=host  lib/sub/x=x  lib/both/a=a
    lib/alone/  lib/link>sub/x  usr/lib/own/f=f  proc/  tmp/";
const MERGED: &str = "
    usr/bin/tool=host  usr/bin/other=host  usr/bin/third=host  usr/lib/here=host  usr/lib/there=host  usr/lib/sub/x=x
    usr/lib/both/a=a  usr/lib/alone/  usr/lib/link>sub/x  usr/lib/own/f=f  proc/  tmp/";
const MERGED_TREE: &str = "
    bin>usr/bin  lib>usr/lib  usr/bin/tool=tree  usr/bin/fourth=tree  usr/lib/both/t=tree  usr/lib/trees/o=o";
const OF_BOTH: &str = "
    /bin /bin/ /bin/tool /bin/other /bin/third /bin/fourth /bin/none /bin/.. /usr/bin /usr/bin/other /usr/bin/tool /lib
    /lib/here /lib/there /lib/sub /lib/sub/x /lib/sub/.. /lib/both /lib/both/a /lib/both/t /lib/both/none /lib/alone
    /lib/link /lib/own/f /lib/trees /lib/trees/o /usr/lib /usr/lib/there /usr/lib/sub/x /usr/lib/both /usr/lib/both/a
    /lib/sub/../both/t /lib/sub/x/y /usr /";

#[test]
fn a_host_with_two_lib_directories_is_seen_as_one_with_one() {
    needs!("x86_64", "zig", "namespaces");
    let world = World::new();
    let at = |name: &str| world.sandbox.at(name);
    world.make(UNMERGED, &at("unmerged"));
    world.make(MERGED, &at("merged"));
    world.make(MERGED_TREE, &at("merged-tree"));
    world.make(MERGED_TREE, &at("unmerged/tmp/tree"));
    let tree = at("unmerged/tmp/tree");
    fs::write(tree.join(".unibin-view"), Map::of(&tree, &[], &[])).expect("writable");
    let list = world.list("of-both", OF_BOTH, Path::new("/"));
    let native = own_program(&world.sandbox, "view-calls", Arch::X86_64);
    world.sandbox.make_directory("layers");
    world.sandbox.make_directory("overlay");
    let script = r#"
        mount -t tmpfs tmpfs layers
        mkdir layers/up layers/work
        mount -t overlay overlay \
            -o "userxattr,lowerdir=$PWD/merged-tree:$PWD/merged,upperdir=$PWD/layers/up,workdir=$PWD/layers/work" \
            overlay
        mount --rbind /proc overlay/proc
        cp "$1" "$2" overlay/tmp
        exec chroot overlay "/tmp/${1##*/}" "/tmp/${2##*/}" look
    "#;
    let expected = lines(&Namespace::OwnUsers.run(&world.sandbox, script, &[&native, &list]));
    assert!(expected.len() > 1000, "{expected:?}");
    for target in TARGETS {
        let emulator = own_emulator(&world.sandbox, target);
        let program = own_program(&world.sandbox, "view-calls", target);
        let script = r#"
            mount --rbind /proc unmerged/proc
            cp "$1" "$2" "$3" unmerged/tmp
            INODES=1 exec chroot unmerged "/tmp/${1##*/}" -view /tmp/tree "/tmp/${2##*/}" "/tmp/${3##*/}" look
        "#;
        let seen = Namespace::OwnUsers.run(&world.sandbox, script, &[&emulator, &program, &list]);
        let without_tmp = |lines: &[String]| -> Vec<String> {
            // What lies there differs.
            lines.iter().filter(|line| !line.starts_with("/ ")).cloned().collect()
        };
        let difference = differences(&without_tmp(&expected), &without_tmp(&lines(&seen)));
        let makes =
            |line: &String| CALLS_THAT_MAKE.iter().any(|call| line.ends_with(&format!("{call} EROFS")));
        let others: Vec<_> = difference.into_iter().filter(|line| !makes(line)).collect();
        assert_eq!(others, Vec::<String>::new(), "{target}");
    }
}
