//! All readers of ELF files: the closure's, that of programs and the check of an emulator. They must agree
//! about a file.

use std::io::Cursor;

use bundle::Arch;

use crate::scratch;

pub(crate) fn elf(input: &[u8]) {
    let needed = closure::Object::read(&mut Cursor::new(input));
    let Ok(facts) = inputs::elf::read(&mut Cursor::new(input)) else { panic!("memory can be read") };
    if let (Ok(object), Ok(facts)) = (&needed, &facts) {
        assert_eq!(object.arch, facts.arch);
    }
    if input.starts_with(b"\x7fELF") {
        for host in [Arch::X86_64, Arch::Armv7, Arch::S390x] {
            if let Err(fault) = emulator::elf_check::check(&scratch::file(input), host) {
                let _ = (fault.to_string(), fault.hint());
            }
        }
    }
}
