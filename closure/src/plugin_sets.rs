//! Plug-ins and data that no ELF header names, since libraries search for them at run time: a table of
//! plug-in sets. A row says how a set is recognised, which files it has, and which Debian packages have them
//! if no dependency does.

use bundle::join;

use crate::glob::{expand, matches};
use crate::loader::Loader;
use crate::tree::{Fault, Tree};
use crate::walk::Closure;

/// A set of plug-ins and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginSet {
    /// Its name.
    pub name: &'static str,
    /// Libraries that need it: patterns over sonames.
    pub libraries: &'static [&'static str],
    /// Functions that need it, if the program or one of its libraries imports them; the C library itself does
    /// not count.
    pub functions: &'static [&'static str],
    /// Programs that need it: patterns over paths of the tree.
    pub programs: &'static [&'static str],
    /// Its files: patterns over paths of the tree; `LIB/` stands for each of the loader's built-in
    /// directories.
    pub files: &'static [&'static str],
    /// Debian packages whose files it needs, without their dependencies.
    pub packages: &'static [&'static str],
    /// Arguments that make its programs search the tree instead of absolute paths: the text before the path,
    /// and a pattern over directories and files as in [`Self::files`]. For programs whose paths no emulator
    /// redirects: those that run natively, and those that use calls which their emulator does not redirect.
    pub arguments: &'static [(&'static str, &'static str)],
    /// Whether its programs find the files relative to their own path.
    pub found_by_path: bool,
}

/// An empty row.
const NONE: PluginSet = PluginSet {
    name: "",
    libraries: &[],
    functions: &[],
    programs: &[],
    files: &[],
    packages: &[],
    arguments: &[],
    found_by_path: false,
};

/// The table. Every path is where the upstream project or Debian puts it.
pub const PLUGIN_SETS: &[PluginSet] = &[
    PluginSet {
        name: "NSS",
        functions: &[
            "getpwnam*",
            "getpwuid*",
            "getpwent*",
            "getgrnam*",
            "getgrgid*",
            "getgrouplist",
            "getaddrinfo",
            "gethostbyname*",
            "gethostbyaddr*",
            "getservby*",
            "getprotobyname*",
            "initgroups",
        ],
        files: &["LIB/libnss_files.so.2", "LIB/libnss_dns.so.2", "LIB/libnss_compat.so.2"],
        ..NONE
    },
    PluginSet { name: "gconv", functions: &["iconv_open"], files: &["LIB/gconv/**"], ..NONE },
    PluginSet {
        name: "locales",
        functions: &["setlocale", "newlocale"],
        files: &["usr/lib/locale/C.utf8/**"],
        packages: &["libc-bin"],
        ..NONE
    },
    PluginSet {
        name: "OpenSSL modules",
        libraries: &["libcrypto.so.*"],
        files: &[
            "LIB/ossl-modules/*.so",
            "LIB/engines-3/*.so",
            "LIB/engines-1.1/*.so",
            "etc/ssl/openssl.cnf",
            "usr/lib/ssl/openssl.cnf",
        ],
        ..NONE
    },
    PluginSet {
        name: "CA certificates",
        libraries: &["libssl.so.*", "libgnutls.so.*"],
        files: &[
            "etc/ssl/certs/ca-certificates.crt",
            "etc/pki/tls/certs/ca-bundle.crt",
            "etc/ssl/cert.pem",
            "usr/share/ca-certificates/**",
        ],
        packages: &["ca-certificates"],
        ..NONE
    },
    PluginSet {
        name: "terminfo",
        libraries: &["libtinfo.so.*", "libtinfow.so.*", "libncurses.so.*", "libncursesw.so.*"],
        files: &["usr/lib/terminfo/**", "lib/terminfo/**", "etc/terminfo/**", "usr/share/terminfo/**"],
        packages: &["ncurses-base"],
        ..NONE
    },
    PluginSet {
        name: "Python",
        libraries: &["libpython3*.so.*"],
        programs: &["usr/bin/python3*", "usr/local/bin/python3*"],
        files: &["usr/lib/python3*/**", "usr/local/lib/python3*/**", "etc/python3*/**"],
        // `getpath.py` of CPython starts from `argv[0]`.
        found_by_path: true,
        ..NONE
    },
    PluginSet {
        name: "Perl",
        libraries: &["libperl.so.*"],
        programs: &["usr/bin/perl*"],
        files: &[
            "LIB/perl/**",
            "LIB/perl-base/**",
            "LIB/perl5/**",
            "usr/share/perl/**",
            "usr/share/perl5/**",
            "etc/perl/**",
        ],
        // `@INC` of Debian's perl, in its order.
        arguments: &[
            ("-I", "etc/perl"),
            ("-I", "LIB/perl5/*"),
            ("-I", "usr/share/perl5"),
            ("-I", "LIB/perl-base"),
            ("-I", "LIB/perl/*"),
            ("-I", "usr/share/perl/*"),
        ],
        ..NONE
    },
    PluginSet {
        name: "magic numbers",
        libraries: &["libmagic.so.*"],
        programs: &["usr/bin/file"],
        files: &["usr/lib/file/magic.mgc", "usr/share/misc/magic.mgc", "usr/share/misc/magic"],
        packages: &["libmagic-mgc"],
        arguments: &[("-m", "usr/lib/file/magic.mgc")],
        ..NONE
    },
    PluginSet {
        name: "gawk extensions",
        programs: &["usr/bin/gawk"],
        files: &["LIB/gawk/*.so", "usr/share/awk/*"],
        ..NONE
    },
    PluginSet {
        name: "Tcl",
        libraries: &["libtcl*.so*"],
        files: &[
            "usr/share/tcltk/**",
            "usr/lib/tcltk/**",
            "LIB/tcltk/**",
            "usr/share/tcl*/**",
            "usr/lib/tcl*/**",
        ],
        ..NONE
    },
    PluginSet {
        name: "Qt",
        libraries: &["libQt5Core.so.*", "libQt6Core.so.*"],
        files: &["LIB/qt5/plugins/**", "LIB/qt6/plugins/**", "LIB/qt6/qml/**"],
        ..NONE
    },
    PluginSet {
        name: "GTK",
        libraries: &["libgtk-3.so.*", "libgtk-4.so.*", "libgdk_pixbuf-2.0.so.*"],
        files: &[
            "LIB/gtk-3.0/**",
            "LIB/gtk-4.0/**",
            "LIB/gdk-pixbuf-2.0/**",
            "usr/share/glib-2.0/schemas/gschemas.compiled",
            "usr/share/themes/Default/**",
            "usr/share/icons/hicolor/index.theme",
        ],
        ..NONE
    },
    PluginSet { name: "GIO", libraries: &["libgio-2.0.so.*"], files: &["LIB/gio/modules/*"], ..NONE },
    PluginSet {
        name: "GStreamer",
        libraries: &["libgstreamer-1.0.so.*"],
        files: &["LIB/gstreamer-1.0/*.so", "LIB/gstreamer1.0/**"],
        ..NONE
    },
    PluginSet {
        name: "OpenGL, EGL and Vulkan in software (Mesa)",
        libraries: &["libGL.so.*", "libEGL.so.*", "libGLX.so.*", "libvulkan.so.*", "libgbm.so.*"],
        files: &[
            "usr/share/glvnd/egl_vendor.d/50_mesa.json",
            "LIB/libEGL_mesa.so.0",
            "LIB/libGLX_mesa.so.0",
            "LIB/dri/swrast_dri.so",
            "LIB/dri/kms_swrast_dri.so",
            "LIB/dri/zink_dri.so",
            "LIB/dri/libdril_dri.so",
            "LIB/gbm/dri_gbm.so",
            "usr/share/vulkan/icd.d/lvp_icd*.json",
            "LIB/libvulkan_lvp.so",
            "usr/share/drirc.d/**",
        ],
        ..NONE
    },
];

/// Libraries that import the functions of [`PluginSet::functions`] for themselves: they do not count.
const C_LIBRARIES: [&str; 4] = ["libc.so.*", "ld-linux*", "ld64.so.*", "ld-musl-*"];

impl PluginSet {
    /// Whether a program with this closure, at this path of the tree, needs the set.
    pub fn belongs_to(&self, closure: &Closure, program: &[u8]) -> bool {
        let fits =
            |patterns: &[&str], text: &[u8]| patterns.iter().any(|pattern| matches(pattern.as_bytes(), text));
        let soname = |library: &crate::walk::Library| {
            library.object.soname.clone().unwrap_or_else(|| bundle::file_name_of(&library.path).to_vec())
        };
        let own = closure.libraries.iter().filter(|library| !fits(&C_LIBRARIES, &soname(library)));
        let objects = own.map(|library| &library.object).chain([&closure.program]);
        fits(self.programs, program)
            || closure.libraries.iter().any(|library| fits(self.libraries, &soname(library)))
            || (!self.functions.is_empty()
                && objects.flat_map(|object| &object.imports).any(|name| fits(self.functions, name)))
    }

    /// The patterns of [`Self::arguments`] for a tree with this loader, if `program` is one of the set's own.
    pub fn arguments_of(&self, loader: &Loader, program: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        if !self.programs.iter().any(|pattern| matches(pattern.as_bytes(), program)) {
            return Vec::new();
        }
        let each = self.arguments.iter().map(|(before, pattern)| match pattern.strip_prefix("LIB/") {
            None => vec![(*before, pattern.as_bytes().to_vec())],
            Some(rest) => {
                let directories = loader.directories.iter();
                directories.map(|directory| (*before, join(directory, rest.as_bytes()))).collect()
            }
        });
        each.flatten().collect()
    }

    /// The set's files in the tree, sorted.
    pub fn files_in(&self, tree: &Tree<'_>, closure: &Closure) -> Result<Vec<Vec<u8>>, Fault> {
        let mut found = Vec::new();
        for pattern in self.files {
            match pattern.strip_prefix("LIB/") {
                None => found.extend(expand(tree, pattern.as_bytes())?),
                Some(rest) => {
                    for directory in &closure.loader.directories {
                        found.extend(expand(tree, &join(directory, rest.as_bytes()))?);
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// The rows that a program needs.
pub fn plugin_sets(closure: &Closure, program: &[u8]) -> impl Iterator<Item = &'static PluginSet> {
    PLUGIN_SETS.iter().filter(move |set| set.belongs_to(closure, program))
}
