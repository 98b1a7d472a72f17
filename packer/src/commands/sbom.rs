//! `unibin sbom`: a bill of materials, from the bundle alone. The same bundle gives the same bytes: no clock,
//! no random number, no path of this machine goes in.

mod bill;
mod cyclonedx;
mod spdx;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::atomic_file::NewFile;
use crate::cli::sbom::{BillFormat, SbomArgs};
use crate::commands::sbom::bill::Bill;
use crate::error::{Error, shown};
use crate::json;
use crate::say;
use crate::source_date;
use crate::write::bundle_file::BundleFile;

/// Writes the bill, or returns it.
pub(crate) fn sbom(args: &SbomArgs) -> Result<String, Error> {
    let created = source_date::given()?;
    let mut bill = Bill::of(&BundleFile::open(&args.file)?)?;
    bill.created = created;
    if let Some(name) = &args.name {
        bill.name.clone_from(name);
    }
    bill.version.clone_from(&args.app_version);
    if !bill.is_complete {
        say::warning(&format!(
            "`{}` does not say what its parts are made of: the sources that its notices name are listed",
            shown(&args.file)
        ));
    }
    for part in bill.parts.iter().filter(|part| part.is_system_without_packages()) {
        say::warning(&format!(
            "`{}`: {} has no database of packages that can be read: its files are in the bill, its packages are not",
            shown(&args.file),
            part.id
        ));
    }
    let text = match args.format {
        BillFormat::CycloneDx => json::text(&cyclonedx::document(&bill)),
        BillFormat::Spdx => json::text(&spdx::document(&bill)),
    };
    match &args.output {
        None => Ok(text),
        Some(path) => {
            write(path, &text).map(|()| String::new()).map_err(|source| Error::io("write", path, source))
        }
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut new = NewFile::beside(path)?;
    // A new file is made for programs.
    let mut mode = new.file.metadata()?.permissions();
    mode.set_mode(mode.mode() & 0o666);
    new.file.set_permissions(mode)?;
    new.file.write_all(text.as_bytes())?;
    new.settle()
}
