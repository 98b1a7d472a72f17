//! The patterns of ssh_config(5): comma-separated, `*` and `?`, and `!` in front of one that excludes.

/// Whether `name` matches a list: at least one pattern, and none of those that exclude.
pub(crate) fn matches_list(name: &str, list: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(excluded) if matches(name.as_bytes(), excluded.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(name.as_bytes(), pattern.as_bytes()),
        }
    }
    found
}

/// Whether `name` matches one pattern; in time that grows with the product of their lengths at most.
fn matches(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    // The last star, and where what it stands for ends.
    let mut star = None;
    while at < name.len() {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[at] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((star_at, end)) = star else { return false };
                star = Some((star_at, end + 1));
                at = end + 1;
                of = star_at + 1;
            }
        }
    }
    pattern[of..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_question_marks_and_exclusions_are_those_of_openssh() {
        assert!(matches_list("ann@example.org", "ann@example.org"));
        assert!(matches_list("ann@example.org", "bob@*,*@example.org"));
        assert!(matches_list("ann", "a?n") && !matches_list("an", "a?n") && matches_list("", "*"));
        assert!(!matches_list("ann@example.org", "*@example.org,!ann@*"));
        assert!(!matches_list("ann", "!bob"), "an exclusion alone lets nobody in");
        assert!(!matches_list("Ann", "ann"), "letters count");
        assert!(matches_list("aaaaaaaaaaaaaaaaab", "*a*a*a*a*a*a*b"));
        assert!(!matches_list(&"a".repeat(2000), &format!("{}b", "*a".repeat(200))));
    }
}
