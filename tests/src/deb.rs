//! Packages of Debian's form, made by hand.

/// A package of two archives that are tar archives as they are, or compressed as the name of the second says.
pub fn raw_deb(control: &[u8], name_of_data: &str, data: &[u8]) -> Vec<u8> {
    let mut deb = b"!<arch>\n".to_vec();
    for (name, content) in [("debian-binary", &b"2.0\n"[..]), ("control.tar", control), (name_of_data, data)]
    {
        deb.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes(),
        );
        deb.extend(content);
        deb.resize(deb.len().next_multiple_of(2), b'\n');
    }
    deb
}
