//! As whom a system's program runs: a name or numbers, looked up in the root's own files (passwd(5),
//! group(5)), as Docker does. Only text is read here.

use alloc::vec::Vec;

use bundle::cut;

/// The user where nothing else is said.
pub const ROOT: &[u8] = b"0";

/// A user of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// All groups, the own one first.
    pub groups: Vec<u32>,
    /// The user's name; the number where it has none.
    pub name: &'a [u8],
    /// The home directory.
    pub home: &'a [u8],
    /// The login shell.
    pub shell: &'a [u8],
}

/// What is missing in the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No user has this name.
    User,
    /// No group has this name.
    Group,
}

/// One line of `etc/passwd`.
struct User<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
    shell: &'a [u8],
}

/// One line of `etc/group`.
struct Group<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

/// The user that `wanted` means: `NAME|UID[:GROUP|GID]`. A name counts before a number, and a number need not
/// be in the files. With a group named, there are no others.
pub fn identity<'a>(wanted: &'a [u8], passwd: &'a [u8], group: &'a [u8]) -> Result<Identity<'a>, Missing> {
    let (user, named_group) = cut(wanted, b':');
    let named_group = named_group.filter(|group| !group.is_empty());
    let number = number(user);
    let found = users(passwd).find(|line| line.name == user);
    let found = found.or_else(|| users(passwd).find(|line| Some(line.uid) == number));
    let mut identity = match (found, number) {
        (Some(User { name, uid, gid, home, shell }), _) => {
            Identity { uid, gid, groups: Vec::new(), name, home, shell }
        }
        (None, Some(uid)) => {
            let home: &[u8] = if uid == 0 { b"/root" } else { b"/" };
            Identity { uid, gid: 0, groups: Vec::new(), name: user, home, shell: b"" }
        }
        (None, None) => return Err(Missing::User),
    };
    if identity.home.is_empty() {
        identity.home = b"/";
    }
    if identity.shell.is_empty() {
        identity.shell = b"/bin/sh";
    }
    if let Some(named) = named_group {
        let by_name = groups(group).find(|line| line.name == named).map(|line| line.gid);
        identity.gid = by_name.or_else(|| self::number(named)).ok_or(Missing::Group)?;
        identity.groups.push(identity.gid);
        return Ok(identity);
    }
    identity.groups.push(identity.gid);
    for line in groups(group) {
        let is_member = line.members.split(|byte| *byte == b',').any(|member| member == identity.name);
        if is_member && !identity.groups.contains(&line.gid) {
            identity.groups.push(line.gid);
        }
    }
    Ok(identity)
}

fn users(passwd: &[u8]) -> impl Iterator<Item = User<'_>> {
    lines(passwd).filter_map(|[name, _, uid, gid, _, home, shell]| {
        Some(User { name, uid: number(uid)?, gid: number(gid)?, home, shell })
    })
}

fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(group).filter_map(|[name, _, gid, members]| Some(Group { name, gid: number(gid)?, members }))
}

/// The lines that have at least so many fields; what is behind the last one belongs to it. Empty names are
/// comments or left over.
fn lines<const FIELDS: usize>(text: &[u8]) -> impl Iterator<Item = [&[u8]; FIELDS]> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut rest = Some(line);
        let mut fields = [&b""[..]; FIELDS];
        for field in &mut fields {
            (*field, rest) = cut(rest?, b':');
        }
        fields.first().is_some_and(|name| !name.is_empty()).then_some(fields)
    })
}

/// A number that a user or a group can have.
fn number(digits: &[u8]) -> Option<u32> {
    let text =
        core::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().filter(|number| *number != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\
        www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n\
        broken:x:seven:7::/:\n\
        33:x:1033:1033::/home/33:\n\
        games:x:5:60:games:/usr/games:\n\
        +::::::\n\
        short:x:9:9";
    const GROUP: &[u8] = b"root:x:0:\n\
        daemon:x:1:root,www-data\n\
        www-data:x:33:www-data\n\
        ssl-cert:x:105:postgres,www-data\n\
        shadow:x:42:\n";

    #[test]
    fn a_name_counts_before_a_number_and_brings_its_groups() {
        let found = identity(b"www-data", PASSWD, GROUP).expect("it is there");
        assert_eq!((found.uid, found.gid, found.home), (33, 33, &b"/var/www"[..]));
        assert_eq!((found.groups, found.shell), (vec![33, 1, 105], &b"/usr/sbin/nologin"[..]));
        assert_eq!(identity(b"33", PASSWD, GROUP).expect("a name").uid, 1033);
        let games = identity(b"5", PASSWD, GROUP).expect("by its number");
        assert_eq!((games.name, games.gid, games.shell), (&b"games"[..], 60, &b"/bin/sh"[..]));
        assert_eq!(identity(ROOT, PASSWD, GROUP).expect("root").groups, [0, 1]);
    }

    #[test]
    fn a_group_that_is_named_is_the_only_one() {
        let found = identity(b"www-data:shadow", PASSWD, GROUP).expect("both are there");
        assert_eq!((found.uid, found.gid, found.groups), (33, 42, vec![42]));
        assert_eq!(identity(b"33:7", PASSWD, GROUP).expect("numbers do").gid, 7);
        assert_eq!(identity(b"games:", PASSWD, GROUP).expect("no group").gid, 60);
    }

    #[test]
    fn numbers_need_no_files_and_names_do() {
        let found = identity(b"1000", b"", b"").expect("a number");
        assert_eq!((found.uid, found.gid, found.name, found.home), (1000, 0, &b"1000"[..], &b"/"[..]));
        assert_eq!(identity(ROOT, b"", b"").expect("root").home, b"/root");
        for wanted in [&b"nobody"[..], b"broken", b"short", b"4294967295", b"-1", b"+5", b""] {
            assert_eq!(identity(wanted, PASSWD, GROUP), Err(Missing::User), "{}", wanted.escape_ascii());
        }
        assert_eq!(identity(b"root:none", PASSWD, GROUP), Err(Missing::Group));
        for at in 0..PASSWD.len() {
            let _ = identity(b"games:shadow", &PASSWD[at..], &PASSWD[..at]);
        }
    }
}
