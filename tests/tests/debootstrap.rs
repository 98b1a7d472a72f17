//! `--debootstrap`: a Debian of another CPU out of an archive's packages, configured without root.

use std::path::Path;

use end_to_end::{MINBASE, Outcome, Sandbox, debootstrapped, lacking, needs, not_run, pack_by_hand, unibin};

fn inside(sandbox: &Sandbox, system: &Path, script: &str) -> Outcome {
    sandbox.run(system, &["sh", "-c", script])
}

#[test]
fn a_system_is_configured_as_by_dpkg_and_twice_the_same() {
    needs!("network", "x86_64", "namespaces", "minutes");
    let sandbox = Sandbox::new();
    let Some(system) = debootstrapped(&sandbox, "sys", &[]) else { return };

    let states =
        inside(&sandbox, &system, "dpkg-query -W -f '${db:Status-Abbrev}\\n' | sort -u; dpkg --audit");
    assert_eq!(states.must_succeed(), "ii \n");
    // Owners, set-id bits and modes of files that packages have, and of one that a script has made.
    let owners =
        "cd /; stat -c '%n %u:%g %a' usr/bin/passwd usr/bin/chage var/mail var/tmp etc/shadow var/log/wtmp";
    assert_eq!(
        inside(&sandbox, &system, owners).must_succeed(),
        "usr/bin/passwd 0:0 4755\nusr/bin/chage 0:42 2755\nvar/mail 0:8 2775\n\
         var/tmp 0:0 1777\netc/shadow 0:42 640\nvar/log/wtmp 0:43 664\n"
    );
    // Made by scripts: alternatives, diversions, the loader's cache, answers of debconf.
    let made = "readlink /etc/alternatives/awk; dpkg-divert --listpackage /lib64; ldconfig -p | grep -c libc.so.6; \
                grep -c ^Name: /var/cache/debconf/config.dat";
    let made = inside(&sandbox, &system, made).must_succeed();
    let [awk, diverts, libc, answers] = made.lines().collect::<Vec<_>>()[..] else { panic!("{made}") };
    assert_eq!((awk, diverts, libc), ("/usr/bin/mawk", "base-files", "1"));
    assert!(answers.parse::<u32>().is_ok_and(|answers| answers > 20), "{answers}");
    // Of the packer nothing is left, and apt's sources are the public ones.
    let left = "ls -a / | grep unibin; ls /usr/sbin/policy-rc.d /var/log/dpkg.log /etc/*.dpkg-new; \
                ls -d /var/lib/dpkg/tmp.ci; grep -h ^URIs /etc/apt/sources.list.d/*; cat /etc/hostname";
    let left = inside(&sandbox, &system, left);
    let sources = "URIs: http://deb.debian.org/debian\nURIs: http://deb.debian.org/debian-security\ndebian\n";
    assert_eq!(left.text(), sources, "{left}");

    let Some(again) = debootstrapped(&sandbox, "again", &[]) else { return };
    assert!(std::fs::read(system).expect("read") == std::fs::read(again).expect("read"), "other bytes");
}

#[test]
fn without_scripts_packages_are_unpacked_and_the_report_says_what_is_left() {
    needs!("network", "x86_64", "namespaces");
    let sandbox = Sandbox::new();
    let directory = tempfile::tempdir().expect("a directory");
    let bundle = directory.path().join("sys");
    let outcome = pack_by_hand(&[&MINBASE[..], &["--no-scripts"]].concat(), &bundle);
    if let Some(lacking) = lacking(&outcome.errors()) {
        return not_run("mirror-whole", lacking);
    }
    let report = outcome.must_succeed();
    assert!(report.contains("not configured") && report.contains("/.unibin-configure/run"), "{report}");
    let system = sandbox.copy(&bundle, "sys");
    let states = inside(&sandbox, &system, "dpkg-query -W -f '${db:Status-Abbrev}\\n' | sort -u");
    assert_eq!(states.must_succeed(), "iU \n");
    let none = inside(&sandbox, &system, "ls /etc/passwd /etc/shadow /etc/alternatives/awk");
    assert_eq!(none.text(), "", "a script has run: {none}");
}

#[test]
fn packages_that_are_not_there_or_have_no_place_are_refused() {
    needs!("network");
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("sys");
    let refused = |more: &[&str]| {
        let packed = unibin().arg("pack").args(MINBASE).args(more).arg("-o").arg(&output).output();
        let outcome = Outcome::from(packed.expect("unibin starts"));
        assert!(!output.exists(), "{outcome}");
        (outcome.status.code(), outcome.errors())
    };
    let (code, told) = refused(&["--include", "coreutls"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("`coreutls`") && told.contains("coreutils"), "{told}");
    // Two mail transport agents: each conflicts with every other.
    let (code, told) = refused(&["--include", "postfix,exim4-daemon-light"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("postfix") && told.contains("conflicts with"), "{told}");
    for usage in [&["--suite", "sid"][..], &["--deb", "jq"], &["--variant", "buildd"]] {
        let (code, told) = refused(usage);
        assert_eq!(code, Some(2), "{told}");
    }
}
