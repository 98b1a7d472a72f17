//! Package URLs (the purl specification): the names by which scanners look packages up.

use crate::components::{Component, Kind};

/// Debian's part of a purl where a source is not said to be of another distribution.
const DEBIAN: &str = "debian";

/// The package URL of a component, if it has one.
pub(crate) fn of(component: &Component) -> Option<String> {
    let Component { kind, name, version, architecture, distribution, .. } = component;
    // `debian-13`: which system's packages these are.
    let family = |default: &str| {
        let id = distribution.as_deref().and_then(|distribution| distribution.split('-').next());
        escaped(id.filter(|id| !id.is_empty()).unwrap_or(default))
    };
    let mut qualifiers = Vec::new();
    let path = match kind {
        Kind::Deb | Kind::Source => format!("deb/{}/{}", family(DEBIAN), escaped(name)),
        Kind::Apk => format!("apk/{}/{}", family("alpine"), escaped(name)),
        Kind::Npm => format!("npm/{}", name.split('/').map(escaped).collect::<Vec<_>>().join("/")),
        Kind::Pypi => format!("pypi/{}", escaped(&name.to_lowercase().replace('_', "-"))),
        // CVEs are filed against the source.
        Kind::Emulator => {
            let (source, version) = (component.source.as_deref()?, component.source_version.as_deref()?);
            return of(&Component {
                distribution: distribution.clone(),
                ..Component::new(Kind::Source, source, version)
            });
        }
        Kind::Unibin => format!("cargo/{}", escaped(name)),
    };
    if *kind == Kind::Source {
        qualifiers.push("arch=source".to_owned());
    } else if let Some(architecture) = architecture {
        qualifiers.push(format!("arch={}", escaped(architecture)));
    }
    if let Some(distribution) = distribution {
        qualifiers.push(format!("distro={}", escaped(distribution)));
    }
    // Scanners look up the source too where its name or version is another one.
    if let (Kind::Deb | Kind::Apk, Some(source)) = (kind, &component.source) {
        match component.source_version.as_ref().filter(|source| *source != version) {
            Some(version) => qualifiers.push(format!("upstream={}", escaped(&format!("{source}@{version}")))),
            None if source != name => qualifiers.push(format!("upstream={}", escaped(source))),
            None => {}
        }
    }
    let qualifiers = if qualifiers.is_empty() { String::new() } else { format!("?{}", qualifiers.join("&")) };
    Some(format!("pkg:{path}@{}{qualifiers}", escaped(version)))
}

/// Percent-encoded, but for what the specification leaves as it is.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_url_of_its_specification() {
        let deb = Component {
            architecture: Some("arm64".to_owned()),
            distribution: Some("debian-13".to_owned()),
            ..Component::new(Kind::Deb, "libstdc++6", "1:14.2.0-19+b1")
        };
        let told = of(&deb);
        assert_eq!(
            told.as_deref(),
            Some("pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1?arch=arm64&distro=debian-13")
        );
        let from = |version: &str| Component {
            source: Some("gcc-14".to_owned()),
            source_version: Some(version.to_owned()),
            ..deb.clone()
        };
        assert!(of(&from("1:14.2.0-19+b1")).is_some_and(|url| url.ends_with("&upstream=gcc-14")));
        assert!(of(&from("14")).is_some_and(|url| url.ends_with("&upstream=gcc-14%4014")));
        let of_ubuntu = Component { distribution: Some("ubuntu-24.04".to_owned()), ..deb };
        assert!(of(&of_ubuntu).is_some_and(|url| url.starts_with("pkg:deb/ubuntu/")));
        let npm = Component::new(Kind::Npm, "@babel/core", "7.0.0");
        assert_eq!(of(&npm).as_deref(), Some("pkg:npm/%40babel/core@7.0.0"));
        let pypi = Component::new(Kind::Pypi, "Typing_Extensions", "4.1");
        assert_eq!(of(&pypi).as_deref(), Some("pkg:pypi/typing-extensions@4.1"));
        let mut emulator = Component::new(Kind::Emulator, "qemu-user", "10.0.13+unibin1");
        assert_eq!(of(&emulator), None, "given as a file: nothing is known");
        emulator.source = Some("qemu".to_owned());
        emulator.source_version = Some("1:10.0.13+ds-1".to_owned());
        assert_eq!(of(&emulator).as_deref(), Some("pkg:deb/debian/qemu@1:10.0.13%2Bds-1?arch=source"));
    }
}
