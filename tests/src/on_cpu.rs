//! A machine of another CPU, without booting one: a private `binfmt_misc` runs its programs, and the kernel
//! reports that CPU's name.

use std::fs;
use std::path::Path;

use bundle::Arch;

use crate::namespace::Namespace;
use crate::outcome::Outcome;
use crate::sandbox::Sandbox;
use crate::tell::emulator_of;

/// A line for `binfmt_misc`. `F` opens the emulator now.
fn binfmt(cpu: Arch, emulator: &Path) -> String {
    let hex = |bytes: &[u8]| -> String {
        let escaped: Vec<String> = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        escaped.concat()
    };
    let pattern = cpu.binfmt();
    format!(":{}:M::{}:{}:{}:F\n", cpu.name(), hex(pattern.magic()), hex(pattern.mask()), emulator.display())
}

/// Runs `script` on a machine whose CPU is `cpu`; `$1` is the bundle.
pub fn on_a(cpu: Arch, sandbox: &Sandbox, bundle: &Path, script: &str) -> Option<Outcome> {
    let namespace = Namespace::OwnUsers.available()?;
    let uname = cpu.uname_names()[0];
    fs::write(sandbox.at("arch"), format!("{uname}\n")).expect("written");
    fs::write(sandbox.at("binfmt"), binfmt(cpu, &emulator_of(cpu))).expect("written");
    let script = format!(
        "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc\n\
         cat binfmt >/proc/sys/fs/binfmt_misc/register\n\
         mount --bind arch /proc/sys/kernel/arch\n\
         {script}"
    );
    Some(namespace.run(sandbox, &script, &[bundle]))
}
