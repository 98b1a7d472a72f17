//! A machine whose power is cut: it boots twice with one disk. In the first boot it starts a bundle, and the
//! lab kills the machine as soon as the app has printed; what the kernel had not written by then is lost. In
//! the second boot the same start must give the files that were packed. Before that, the case shows that the
//! disk has entries that look whole and are not.

/// The case's name.
pub(crate) const CASE: &str = "power-cut";

/// Said to the kernel of the first life.
pub(crate) const FIRST_LIFE: &str = "lab.cut";

/// What that does.
pub(crate) const BEFORE: &str = include_str!("guest/cut");

/// What is looked at in the second life.
pub(crate) const AFTER: &str = r#"
bundle=/bundles/power/busybox
programs() { (cd "$1/@HOST@" && find . -type f '(' -path '*/tree/*' -o -name emulator -o -name 'launcher-*' ')' -exec sha256sum {} + | sort); }
holds() {
  programs "$1" | diff /run/right - >&2 && echo "what it holds is right" || echo "what it holds is wrong"
}
# What the entries hold, as this start has made them in memory.
with="HOME=/home/user UNIBIN_CACHE=/home/user/fresh"
told $bundle true
programs /home/user/fresh >/run/right
cd /home/user/fresh/@HOST@/*/tree/usr/share/power && sha256sum -c -s sums && echo "as it was packed"
cd /
holds /power/cache
# If the markers said that the entries are whole, they would be taken.
cp -a /power/cache /power/forged
for marker in /power/forged/@HOST@/*/written-*; do mv "$marker" "${marker%/*}/complete"; done
with="HOME=/home/user UNIBIN_CACHE=/power/forged"
user $bundle true 2>/dev/null
holds /power/forged
with="HOME=/home/user UNIBIN_CACHE=/power/cache"
told $bundle sh -c 'echo it runs again'
holds /power/cache
left /power/cache
"#;

/// What both print.
pub(crate) const EXPECTED: &str = "it runs\nexit 0\nan entry is not on the disk yet\n\
    exit 0\nas it was packed\nwhat it holds is wrong\nwhat it holds is wrong\n\
    it runs again\nexit 0\nwhat it holds is right\n";
