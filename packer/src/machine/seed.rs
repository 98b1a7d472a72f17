//! The disk with the configuration for cloud-init (NoCloud): `user-data` and the like, from a directory, as
//! an ISO 9660 image. What cloud-init would drop with a warning in the machine's log is refused here. The
//! image has space for the key that a machine gets at its first start.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlLoader};

use crate::error::{Error, MachineError};
use crate::machine::iso;
use crate::request::machine::GivenFile;
use crate::tree::content::Content;

/// The name by which cloud-init finds the disk.
const VOLUME: &str = "cidata";
/// The files, the first two always there.
const NAMES: [&str; 4] = ["user-data", "meta-data", "vendor-data", "network-config"];
/// The longest file that is accepted, in bytes.
const LENGTH_MAX: u64 = 16 << 20;
/// The space for the key, in bytes: a comment, until a start writes the key over it.
const ROOM: usize = 512;

/// First lines by which cloud-init knows forms other than its own (its docs: explanation/format.rst).
const FORMS: [&str; 7] = [
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "#upstart-job",
    "## template: jinja",
    "Content-Type:",
];

/// `./vm ssh` logs in as root unless the user says otherwise, so root must be allowed to.
const VENDOR: &str = "#cloud-config\ndisable_root: false\n";

/// A disk, and the user that `ssh` is for.
#[derive(Debug)]
pub(crate) struct Seed {
    pub(crate) image: Content,
    /// Where the key goes; `None` in an image that was given.
    pub(crate) key_place: Option<usize>,
}

/// The image at `path`, or that of the files in the directory `path`. `instance`: the name of this machine
/// among others, if the files give none.
pub(crate) fn open(path: &Path, instance: &str) -> Result<Seed, Error> {
    opened(path, instance, true)
}

/// Whether there is such a seed at `path`, and whether the machine knows what it says: without cloud-init
/// only a script.
pub(super) fn check_for(path: &Path, has_cloud_init: bool) -> Result<(), Error> {
    opened(path, "nobody", has_cloud_init).map(|_| ())
}

fn opened(path: &Path, instance: &str, has_cloud_init: bool) -> Result<Seed, Error> {
    let found = fs::metadata(path).map_err(|source| Error::io("open", path, source))?;
    if !found.is_dir() {
        return given(path);
    }
    let read = |name: &str| -> Result<Option<Vec<u8>>, Error> {
        let file = path.join(name);
        let failed = |source| Error::io("read", &file, source);
        if fs::metadata(&file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let opened = GivenFile::open(file.clone())?.file;
        opened.take(LENGTH_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > LENGTH_MAX {
            return Err(refused(&file, "is longer than 16 MiB".to_owned()));
        }
        check(name, &bytes).map_err(|what| refused(&file, what))?;
        Ok(Some(bytes))
    };
    let user = read(NAMES[0])?.ok_or_else(|| MachineError::NoUserData { path: path.to_owned() })?;
    if !has_cloud_init && !user.starts_with(b"#!") && !is_nothing(&user) {
        return Err(MachineError::NoCloudInit { path: path.to_owned() }.into());
    }
    let (meta, vendor, network) = (read(NAMES[1])?, read(NAMES[2])?, read(NAMES[3])?);
    if !has_cloud_init && (vendor.is_some() || network.is_some()) {
        return Err(MachineError::NoCloudInit { path: path.to_owned() }.into());
    }
    made(&user, meta, vendor, network.as_deref(), instance)
        .map_err(|what| refused(&path.join(NAMES[1]), what))
}

/// The seed of a machine for which the user gives none: only the key.
pub(crate) fn of_nobody(instance: &str) -> Result<Seed, Error> {
    made(b"#cloud-config\n{}\n", None, None, None, instance)
        .map_err(|what| refused(Path::new(NAMES[1]), what))
}

fn made(
    user: &[u8],
    meta: Option<Vec<u8>>,
    vendor: Option<Vec<u8>>,
    network: Option<&[u8]>,
    instance: &str,
) -> Result<Seed, String> {
    let mut meta = meta.unwrap_or_default();
    if !meta.is_empty() && !meta.ends_with(b"\n") {
        meta.push(b'\n');
    }
    // Keys of the user's own are not joined with ours: his count.
    let has_keys = described(&mut meta, instance)?;
    let place = meta.len();
    meta.push(b'#');
    meta.extend(vec![b' '; ROOM]);
    meta.push(b'\n');
    let vendor = vendor.unwrap_or_else(|| VENDOR.into());
    let mut files: Vec<(&str, &[u8])> = vec![(NAMES[0], user), (NAMES[1], &meta), (NAMES[2], &vendor)];
    if let Some(network) = network {
        files.push((NAMES[3], network));
    }
    let image = iso::image(VOLUME, &files);
    let key_place = image.places.get(1).map(|at| at + place).filter(|_| !has_keys);
    Ok(Seed { image: image.bytes.into(), key_place })
}

/// Names the machine behind the user's `meta-data`, unless that does, and says whether it has keys. What is
/// written behind it, here and by a start, must be read as more of the same mapping.
fn described(meta: &mut Vec<u8>, instance: &str) -> Result<bool, String> {
    let mapping = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
        parsed(text).map(|document| document.map_or_else(|| Some(Hash::new()), Yaml::into_hash))
    };
    let key = |name: &str| Yaml::String(name.to_owned());
    let mut all = mapping(meta)?.ok_or("is no mapping of YAML")?;
    let has_keys = all.contains_key(&key("public-keys"));
    let has_name = all.contains_key(&key("instance-id"));
    if !has_name {
        meta.extend(format!("instance-id: {instance}\n").into_bytes());
        all.insert(key("instance-id"), key(instance));
    }
    let mut started = meta.clone();
    if !has_keys {
        started.extend(b"public-keys:\n- \"ssh\"\n#\n");
        all.insert(key("public-keys"), Yaml::Array(vec![key("ssh")]));
    }
    let same = mapping(&started).ok().flatten().is_some_and(|read| read == all);
    if same {
        Ok(has_keys)
    } else {
        Err("cannot be added to: write it in block style, one `key: value` a line".to_owned())
    }
}

/// A seed image of the user's own.
fn given(path: &Path) -> Result<Seed, Error> {
    let failed = |source| Error::io("read", path, source);
    let content = GivenFile::open(path.to_owned())?.content()?;
    let mut head = Vec::new();
    content.reader().take(17 * iso::SECTOR as u64).read_to_end(&mut head).map_err(failed)?;
    let is_iso = head.get(16 * iso::SECTOR + 1..).is_some_and(|at| at.starts_with(b"CD001"));
    if !is_iso {
        return Err(refused(path, "is neither a directory nor an ISO 9660 image".to_owned()));
    }
    Ok(Seed { image: content, key_place: None })
}

fn refused(path: &Path, what: String) -> Error {
    MachineError::Seed { path: path.to_owned(), what }.into()
}

/// What is wrong with a file.
fn check(name: &str, bytes: &[u8]) -> Result<(), String> {
    // Compressed: nobody reads it before the machine does.
    if name == NAMES[0] && bytes.starts_with(b"\x1f\x8b") {
        return Ok(());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let first = text.lines().next().unwrap_or_default();
    let is_config = match name {
        "user-data" | "vendor-data" => {
            if FORMS.iter().any(|form| first.starts_with(form)) {
                return Ok(());
            }
            match first.trim_end() {
                "#cloud-config" => true,
                "#cloud-config-archive" => return list(text),
                "" => return Err("begins with an empty line, not with `#cloud-config`".to_owned()),
                other => {
                    let other: String = other.chars().take(40).collect();
                    return Err(format!("begins with `{}`, not with `#cloud-config`", other.escape_debug()));
                }
            }
        }
        _ => false,
    };
    match parsed(text)? {
        None | Some(Yaml::Hash(_)) => Ok(()),
        Some(_) if is_config => Err("is no mapping of YAML behind its first line".to_owned()),
        Some(_) => Err("is no mapping of YAML".to_owned()),
    }
}

/// Whether `user-data` asks for nothing.
fn is_nothing(user: &[u8]) -> bool {
    let parsed = std::str::from_utf8(user).ok().and_then(|text| parsed(text).ok());
    parsed.is_some_and(|document| {
        document.is_none_or(|document| document.into_hash().is_some_and(|all| all.is_empty()))
    })
}

fn list(text: &str) -> Result<(), String> {
    match parsed(text)? {
        Some(Yaml::Array(_)) => Ok(()),
        _ => Err("is no list of YAML behind its first line".to_owned()),
    }
}

/// The one document of a text; `None` for nothing.
fn parsed(text: &str) -> Result<Option<Yaml>, String> {
    let mut all = YamlLoader::load_from_str(text).map_err(|error| format!("is not YAML: {error}"))?;
    if all.len() > 1 {
        return Err("has more than one document of YAML".to_owned());
    }
    Ok(all.pop().filter(|document| !matches!(document, Yaml::Null | Yaml::BadValue)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a key in a mapping at the top.
    fn value(text: &str, key: &str) -> Option<Yaml> {
        let all = YamlLoader::load_from_str(text).ok()?;
        let found = all.into_iter().next()?.as_hash()?.get(&Yaml::String(key.to_owned()))?.clone();
        Some(found)
    }

    #[test]
    fn what_cloud_init_would_drop_is_refused() {
        for good in [
            "#cloud-config\nusers:\n- name: a\n",
            "#cloud-config\n",
            "#cloud-config \r\n{}\n",
            "#!/bin/sh\nexit 1\n",
            "#cloud-config-archive\n- type: text/cloud-config\n",
            "## template: jinja\n#cloud-config\n{{ a }}\n",
        ] {
            assert_eq!(check("user-data", good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            "",
            "users: []\n",
            " #cloud-config\n",
            "#cloud-config\n- a\n",
            "#cloud-config\na: b: c\n",
            "#cloud-config\na: [\n",
            "#cloud-config\na: 1\na: 2\n",
            "#cloud-config\na: 1\n---\nb: 1\n",
            "#cloud_config\na: 1\n",
        ] {
            assert!(check("user-data", bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(check("user-data", b"\xff\xfe").is_err());
        assert!(check("meta-data", b"- a\n").is_err());
        assert_eq!(check("meta-data", b"instance-id: x\n"), Ok(()));
    }

    #[test]
    fn a_seed_has_room_for_a_key_unless_it_has_keys() {
        let seed = of_nobody("i-1").expect("a seed");
        let mut bytes = seed.image.bytes().expect("memory");
        let at = seed.key_place.expect("a place");
        assert_eq!(&bytes[at..at + 3], b"#  ");
        bytes[at..at + 28].copy_from_slice(b"public-keys:\n- \"ssh-ed25519\"");
        bytes[at + 28..at + 30].copy_from_slice(b"\n#");
        let text = String::from_utf8_lossy(&bytes[at - 17..at + 200]).into_owned();
        assert_eq!(value(&text, "instance-id"), Some(Yaml::String("i-1".to_owned())));
        assert!(value(&text, "public-keys").is_some_and(|keys| keys.is_array()));
        let own = made(b"#!", Some(b"public-keys: [a]".to_vec()), None, None, "i").expect("a seed");
        assert_eq!(own.key_place, None);
    }

    #[test]
    fn a_machine_without_cloud_init_has_a_script_or_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let check = |user: &str, has_cloud_init| {
            fs::write(directory.path().join(NAMES[0]), user).expect("written");
            check_for(directory.path(), has_cloud_init).map_err(|error| error.to_string())
        };
        for fine in ["#!/bin/sh\n", "#cloud-config\n", "#cloud-config\n{}\n"] {
            assert_eq!(check(fine, false), Ok(()), "{fine}");
        }
        for other in ["#cloud-config\nhostname: a\n", "#include\nhttp://a\n"] {
            assert!(check(other, false).expect_err(other).contains("cloud-init"));
            assert_eq!(check(other, true), Ok(()), "{other}");
        }
        for (name, text) in [(NAMES[2], "#cloud-config\n{}\n"), (NAMES[3], "version: 2\n")] {
            fs::write(directory.path().join(name), text).expect("written");
            assert!(check("#!/bin/sh\n", false).expect_err(name).contains("cloud-init"));
            assert_eq!(check("#!/bin/sh\n", true), Ok(()), "{name}");
            fs::remove_file(directory.path().join(name)).expect("removed");
        }
    }

    #[test]
    fn what_nothing_can_be_written_behind_is_refused() {
        let made = |meta: &str| made(b"#!", Some(meta.into()), None, None, "i-1");
        for good in [
            "",
            "# nothing\n",
            "---\na: 1",
            "instance-id: x\nlocal-hostname: a\n",
            "a:\n  b: 1\n",
            "a: |\n  text\n",
            // All that it could be told it says itself.
            "{instance-id: x, public-keys: [a]}",
        ] {
            assert!(made(good).is_ok(), "{good:?}");
        }
        for bad in [
            "{a: 1}\n",
            "{\"instance-id\": \"x\"}",
            "a: 1\n...\n",
            "  a: 1\n  b: 2\n",
            "  instance-id: x\n",
            "{}\n",
            "- a\n",
        ] {
            let what = made(bad).map(|_| ()).expect_err(bad);
            assert!(what.contains("block style") || bad.starts_with('-'), "{bad:?}: {what}");
        }
    }
}
