//! Layers and configurations by hand.

use super::*;

/// A tar stream by hand: `d PATH`, `f PATH TEXT`, `l PATH TARGET`, `h PATH TARGET`, `c PATH`.
fn layer(entries: &[&str]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        let mut words = entry.splitn(3, ' ');
        let (kind, path, rest) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let (kind, link, text) = match kind {
            "d" => (b'5', "", ""),
            "f" => (b'0', "", rest),
            "l" => (b'2', rest, ""),
            "h" => (b'1', rest, ""),
            _ => (b'3', "", ""),
        };
        let mut header = [0; 512];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..107].copy_from_slice(b"0000755");
        header[108..115].copy_from_slice(b"0000001");
        header[116..123].copy_from_slice(b"0000002");
        header[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[148..156].copy_from_slice(b"        ");
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header[257..265].copy_from_slice(b"ustar  \0");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(text.as_bytes());
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// What layers make of an empty tree: a line for each name.
fn applied(layers: &[&[&str]]) -> Result<Vec<String>, String> {
    let mut into = Collector::new("image".to_owned(), &[], OF_IMAGES).expect("a temporary file");
    let mut allowance = Allowance::of(0);
    for entries in layers {
        let tar = layer(entries);
        allowance.add(tar.len() as u64);
        apply(&tar[..], "layer", &mut allowance, &mut into).map_err(|error| error.to_string())?;
    }
    let tree = into.gathered.tree;
    let line = |named: crate::system::system_tree::Named<'_>| {
        let path = readable(named.path);
        match (&named.inode.kind, named.first) {
            (_, Some(first)) => format!("{path} = {}", readable(first)),
            (crate::system::system_tree::Kind::Directory, _) => format!("{path}/"),
            (crate::system::system_tree::Kind::File(content), _) => {
                format!("{path} {}", readable(&content.bytes().expect("read")))
            }
            (crate::system::system_tree::Kind::Symlink(target), _) => {
                format!("{path} -> {}", readable(target))
            }
        }
    };
    Ok(tree.iter().map(line).collect())
}

#[track_caller]
fn gives(layers: &[&[&str]], expected: &[&str]) {
    assert_eq!(
        applied(layers).as_deref(),
        Ok(&expected.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()[..])
    );
}

#[test]
fn a_whiteout_hides_what_lower_layers_have_and_nothing_of_its_own() {
    gives(&[&["f a/x 1", "f a/y 2", "f b 3"], &["f a/.wh.x ", "f .wh.b ", "f .wh.none "]], &["a/", "a/y 2"]);
    gives(&[&["f a/x 1"], &["f .wh.a ", "f a/y 2"]], &["a/", "a/y 2"]);
    gives(&[&["f a/x 1"], &["f a/y 2", "f .wh.a "]], &["a/", "a/y 2"]);
    gives(&[&["f a 1"], &["f a 2", "f .wh.a "]], &["a 2"]);
    // A name that is only a part of another is another.
    gives(&[&["f a 1", "f ab 2"], &["f .wh.a "]], &["ab 2"]);
    gives(&[&["f a/x 1"], &["f .wh.. ", "f .wh... ", "f .wh. "]], &["a/", "a/x 1"]);
}

#[test]
fn an_opaque_directory_hides_lower_layers_whatever_its_place_in_the_layer() {
    let lower: &[&str] = &["f a/x 1", "f a/s/z 1", "f b 1"];
    for upper in [&["d a", "f a/.wh..wh..opq ", "f a/y 2"][..], &["d a", "f a/y 2", "f a/.wh..wh..opq "]] {
        gives(&[lower, upper], &["a/", "a/y 2", "b 1"]);
    }
    gives(&[lower, &["f a/s/own 2", "f a/.wh..wh..opq "]], &["a/", "a/s/", "a/s/own 2", "b 1"]);
    gives(&[lower, &["f .wh..wh..opq ", "f c 2"]], &["c 2"]);
    gives(&[&["f a 1", "f .wh..wh.aufs ", "f .wh..wh.plnk/1.2 "]], &["a 1"]);
}

#[test]
fn hard_links_go_across_layers_and_outlive_the_name_that_they_were_made_of() {
    gives(&[&["f a 1"], &["h b a"]], &["a 1", "b = a"]);
    gives(&[&["f a 1"], &["h b a"], &["f .wh.a "]], &["b 1"]);
    gives(&[&["f a 1", "h b a"], &["f a 2"]], &["a 2", "b 1"]);
    gives(&[&["f d/a 1", "l s d"], &["h b s/a"]], &["b 1", "d/", "d/a = b", "s -> d"]);
    let error = applied(&[&["f a 1"], &["f .wh.a ", "h b a"]]).expect_err("nothing is there");
    assert!(error.contains("hard link"), "{error}");
}

#[test]
fn a_file_takes_a_directorys_place_and_the_reverse() {
    gives(&[&["f a/x 1"], &["f a 2"]], &["a 2"]);
    gives(&[&["f a 1"], &["d a", "f a/x 2"]], &["a/", "a/x 2"]);
    gives(&[&["f a/x 1"], &["l a b"]], &["a -> b"]);
    gives(&[&["f a/x 1"], &["d a"]], &["a/", "a/x 1"]);
    gives(&[&["f a 1"], &["c a"]], &[]);
}

#[test]
fn names_and_links_that_would_lead_out_stay_inside() {
    gives(&[&["l out ../../../..", "f out/etc/x 1"]], &["etc/", "etc/x 1", "out -> ../../../.."]);
    gives(&[&["l abs /etc", "d etc"], &["f abs/x 1"]], &["abs -> /etc", "etc/", "etc/x 1"]);
    gives(&[&["f ../../x 1", "f /y 2", "f a/../../z 3"]], &["x 1", "y 2", "z 3"]);
    gives(&[&["f a 1", "h b ../../a", "h c /a"]], &["a 1", "b = a", "c = a"]);
    gives(&[&["f etc/x 1", "l s /"], &["f s/etc/.wh.x "]], &["etc/", "s -> /"]);
    assert!(applied(&[&["l a b", "l b a", "f a/x 1"]]).is_err(), "a circle");
    assert!(applied(&[&["f a 1", "f a/x 1"]]).is_err(), "below a file");
}

#[test]
fn what_the_kernel_has_is_left_out() {
    gives(
        &[&["d dev", "f dev/null x", "f proc/1 x", "d sys", "f run/a 1", "f tmp/b 2"]],
        &["dev/", "run/", "run/a 1", "sys/", "tmp/", "tmp/b 2"],
    );
}

#[test]
fn a_program_is_found_as_execvp_would() {
    let tree = tree(&[
        ("usr/bin/a", "x", 0o755),
        ("usr/sbin/a", "x", 0o755),
        ("srv/b", "x", 0o755),
        ("usr/bin/c", "x", 0o644),
    ]);
    let found = |name: &str| find(&tree, name.as_bytes(), b"/usr/sbin:/usr/bin", b"/srv");
    assert_eq!(found("a"), Some(b"usr/sbin/a".to_vec()));
    assert_eq!(found("/usr/bin/a"), Some(b"usr/bin/a".to_vec()));
    assert_eq!(found("./b"), Some(b"srv/b".to_vec()));
    assert_eq!((found("b"), found("c"), found("/x")), (None, None, None));
}

fn tree(files: &[(&str, &str, u16)]) -> SystemTree {
    use crate::system::system_tree::{Inode, Kind};
    let mut tree = SystemTree::default();
    for (path, bytes, mode) in files {
        let kind = Kind::File(bytes.as_bytes().to_vec().into());
        tree.add(path.as_bytes(), Inode::of_root(kind, *mode)).expect("added");
    }
    tree
}

fn configured(config: &Config) -> Result<(Option<Entry>, Vec<Rule>), String> {
    let mut gathered = Gathered {
        tree: tree(&[("usr/bin/run", "x", 0o755), ("srv/own", "x", 0o755)]),
        ..Gathered::default()
    };
    configure(&mut gathered, config, true).map_err(|error| error.to_string())?;
    Ok((gathered.entry, gathered.rules))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_configuration_becomes_an_entry_and_rules_as_docker_would_run_it() {
    let text = |text: &str| text.as_bytes().to_vec();
    let config = Config {
        user: "www-data".to_owned(),
        environment: words(&["A=b=c", "EMPTY="]),
        entrypoint: words(&["run", "-x"]),
        command: words(&["serve"]),
        directory: "/srv".to_owned(),
        stop_signal: "SIGQUIT".to_owned(),
        ..Config::default()
    };
    let (entry, rules) = configured(&config).expect("it can be started");
    let entry = entry.expect("an entry");
    assert_eq!((entry.name, entry.path), (text("run"), text("usr/bin/run")));
    assert_eq!(entry.rules, [Rule::Argument(text("-x")), Rule::DefaultArgument(text("serve"))]);
    let expected = [
        Rule::Keep(text("TERM")),
        Rule::SetVariable { name: text("A"), value: text("b=c") },
        Rule::SetVariable { name: text("EMPTY"), value: Vec::new() },
        Rule::SetVariable { name: text("PATH"), value: DEFAULT_PATH.into() },
        Rule::Directory(text("/srv")),
        Rule::User(text("www-data")),
        Rule::StopSignal(text("3")),
    ];
    assert_eq!(rules, expected);
    let alone = Config { entrypoint: Vec::new(), command: words(&["./own", "a"]), ..config };
    let entry = configured(&alone).expect("it can be started").0.expect("an entry");
    assert_eq!(
        (entry.path, entry.rules),
        (text("srv/own"), vec![Rule::DefaultArgument(text("a")), Rule::Command])
    );
    let nowhere = Config { environment: words(&["PATH=/sbin"]), command: words(&["run"]), ..alone.clone() };
    assert!(configured(&nowhere).is_err_and(|error| error.contains("`run`")));
    for environment in [&["=x"][..], &["A"], &["A\0=x"]] {
        let bad = Config { environment: words(environment), ..alone.clone() };
        assert!(configured(&bad).is_err(), "{environment:?}");
    }
}
