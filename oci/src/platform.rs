//! Platforms: what an image says that it was built for, in Go's words (the OCI image specification,
//! "Image Index"), and which of them a wish means.

use std::fmt;

use bundle::Arch;

/// An architecture and its variant; the system is always Linux.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// `GOARCH`, such as `arm64`.
    pub architecture: String,
    /// Such as `v7`; empty for none.
    pub variant: String,
}

/// Architectures whose names in Go differ from ours (`GOARCH` in
/// <https://go.dev/doc/install/source#environment>).
const GO: [(&str, Arch); 6] = [
    ("386", Arch::I686),
    ("arm", Arch::Armv7),
    ("loong64", Arch::Loongarch64),
    ("mipsle", Arch::Mipsel),
    ("mips64le", Arch::Mips64el),
    ("ppc", Arch::Ppc),
];

impl Platform {
    /// `[linux/]ARCH[/VARIANT]`; other systems are refused.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("linux/").unwrap_or(text);
        let (architecture, variant) = name.split_once('/').unwrap_or((name, ""));
        let platform = Self::new(architecture, variant);
        let is_known = platform.target().is_some() && platform.level().is_some() && !variant.contains('/');
        is_known.then_some(platform)
    }

    /// A platform as an image names it, in its shortest form: `arm64/v8` becomes `arm64`. `arm` means version
    /// 7.
    pub fn new(architecture: &str, variant: &str) -> Self {
        let architecture = match architecture {
            "aarch64" => "arm64",
            "x86_64" | "x86-64" => "amd64",
            "i386" => "386",
            other => other,
        };
        let variant = match (architecture, variant) {
            ("arm64", "v8" | "8") | ("amd64", "v1") => "",
            ("arm", "" | "7") => "v7",
            ("arm", "6") => "v6",
            ("arm", "5") => "v5",
            (_, other) => other,
        };
        Self { architecture: architecture.to_owned(), variant: variant.to_owned() }
    }

    /// This machine's platform; `None` if its architecture is not among the hosts.
    pub fn of_this_machine() -> Option<Self> {
        Arch::HOST.map(|host| Self::of(host, 0))
    }

    /// The platform of machines of architecture `host`, of at least this level.
    pub fn of(host: Arch, level: u16) -> Self {
        let go = GO.iter().find(|(_, arch)| *arch == host).map(|(name, _)| *name);
        let variant = if level == 0 { String::new() } else { format!("v{level}") };
        Self::new(go.or(host.debian_name()).unwrap_or(host.name()), &variant)
    }

    /// The architecture that runs its programs.
    pub fn target(&self) -> Option<Arch> {
        let go = GO.iter().find(|(name, _)| *name == self.architecture).map(|(_, arch)| *arch);
        go.or_else(|| Arch::from_name(&self.architecture))
    }

    /// The level of `x86_64`, 0 for the baseline and for every other architecture; `None` for an unknown
    /// level.
    pub fn level(&self) -> Option<u16> {
        match (self.architecture.as_str(), self.variant.as_str()) {
            ("amd64", "v2") => Some(2),
            ("amd64", "v3") => Some(3),
            ("amd64", "v4") => Some(4),
            ("amd64", variant) if !variant.is_empty() => None,
            _ => Some(0),
        }
    }

    /// How well an image for `self` serves who wants `wanted`: 0 not at all, else more is better. Programs
    /// for older versions of 32-bit Arm run on newer ones.
    pub(crate) fn serves(&self, wanted: &Self) -> u32 {
        if self == wanted {
            return u32::MAX;
        }
        let version = |platform: &Self| match (platform.architecture.as_str(), platform.variant.as_str()) {
            ("arm", variant) => variant.strip_prefix('v').and_then(|digits| digits.parse::<u32>().ok()),
            _ => None,
        };
        match (version(self), version(wanted)) {
            (Some(own), Some(wanted)) if own < wanted => own,
            _ => 0,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linux/{}", self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_read_and_means_an_architecture() {
        for (text, shown, target, level) in [
            ("linux/arm64", "linux/arm64", Arch::Aarch64, 0),
            ("arm64/v8", "linux/arm64", Arch::Aarch64, 0),
            ("linux/amd64", "linux/amd64", Arch::X86_64, 0),
            ("linux/amd64/v3", "linux/amd64/v3", Arch::X86_64, 3),
            ("linux/arm", "linux/arm/v7", Arch::Armv7, 0),
            ("linux/arm/v6", "linux/arm/v6", Arch::Armv7, 0),
            ("linux/386", "linux/386", Arch::I686, 0),
            ("linux/ppc64le", "linux/ppc64le", Arch::Ppc64le, 0),
            ("linux/loong64", "linux/loong64", Arch::Loongarch64, 0),
            ("linux/mips64le", "linux/mips64le", Arch::Mips64el, 0),
        ] {
            let platform = Platform::parse(text).expect(text);
            assert_eq!(
                (platform.to_string().as_str(), platform.target(), platform.level()),
                (shown, Some(target), Some(level))
            );
        }
        for refused in ["windows/amd64", "linux/vax", "linux/amd64/v9", "", "linux/arm/v7/x"] {
            assert_eq!(Platform::parse(refused), None, "{refused}");
        }
    }

    #[test]
    fn older_versions_of_arm_serve_and_newer_ones_do_not() {
        let of = |text: &str| Platform::parse(text).expect("known");
        let serves = |own: &str, wanted: &str| of(own).serves(&of(wanted));
        assert!(serves("linux/arm/v7", "linux/arm") > serves("linux/arm/v6", "linux/arm"));
        assert!(serves("linux/arm/v6", "linux/arm") > serves("linux/arm/v5", "linux/arm"));
        assert_ne!(serves("linux/arm/v5", "linux/arm"), 0);
        assert_eq!(serves("linux/arm/v7", "linux/arm/v6"), 0);
        assert_eq!(serves("linux/arm64", "linux/arm"), 0);
        assert_eq!(serves("linux/amd64/v3", "linux/amd64"), 0);
    }
}
