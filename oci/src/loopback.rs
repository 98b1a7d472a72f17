//! Which host names mean this machine: only with these, connections without TLS are made.

/// Whether `authority` (`host`, `host:port`, `[v6]:port`) is this machine.
pub(crate) fn is(authority: &str) -> bool {
    let host = host(authority);
    let v4 = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let v6 = host.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    v4 || v6 || host == "localhost"
}

/// The host without its port.
pub(crate) fn host(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_look_like_this_machine_are_others() {
        for here in ["localhost", "localhost:5000", "127.0.0.1:80", "127.9.9.9", "[::1]:5000"] {
            assert!(is(here), "{here}");
        }
        for other in
            ["localhost.example.org", "127.0.0.1.example.org:80", "example.org", "128.0.0.1", "[::2]:1", ""]
        {
            assert!(!is(other), "{other}");
        }
    }
}
