//! `unibin replace`: a bundle with another build for one architecture.

use std::path::Path;

use crate::cli::compose::ReplaceArgs;
use crate::cli::values::Native;
use crate::compose::{parts, program, require_same_kind, written};
use crate::error::{ComposeError, Error, readable};
use crate::write::assemble::PackedVariant;
use crate::write::bundle_file::BundleFile;

/// Writes the bundle with the programs that `--native` names in place of those of their architectures.
pub(crate) fn replace(args: &ReplaceArgs) -> Result<String, Error> {
    let bundle = BundleFile::open(&args.file)?;
    let mut all = parts::of(&bundle)?;
    let view = parts::have_view(&all);
    for Native { target, level, file } in &args.native {
        let file = file.as_ref().ok_or(Error::NativeWithoutFile { target: *target })?;
        let place =
            all.variants.iter().position(|variant| (variant.target, variant.level) == (*target, *level));
        let Some(place) = place else {
            let inside = all.variants.iter().map(|variant| variant.target).collect();
            return Err(
                ComposeError::NoSuchVariant { path: args.file.clone(), target: *target, inside }.into()
            );
        };
        let old = &all.variants[place];
        let [entry] = &old.entries[..] else {
            let names = old.entries.iter().map(|entry| readable(&entry.name)).collect();
            return Err(
                ComposeError::SeveralEntries { path: args.file.clone(), target: *target, names }.into()
            );
        };
        let mut variant = match BundleFile::open(file) {
            Ok(bundle) => only(parts::of(&bundle)?.variants, &entry.name, file)?,
            Err(Error::NotABundle { .. }) => program::variant(file, &entry.name, view)?,
            Err(error) => return Err(error),
        };
        if variant.target != *target {
            let (path, found, wanted) = (file.clone(), variant.target, *target);
            return Err(Error::OtherCpu { path, found, wanted });
        }
        require_same_kind((&args.file, old), (file, &variant))?;
        if variant.entries.len() != 1 {
            let names = variant.entries.iter().map(|entry| readable(&entry.name)).collect();
            return Err(ComposeError::SeveralEntries { path: file.clone(), target: *target, names }.into());
        }
        variant.level = *level;
        all.variants[place] = variant;
    }
    written(&all, &args.output, args.list.json)
}

/// The one variant of a bundle, its default entry named as that which it replaces.
fn only(variants: Vec<PackedVariant>, name: &[u8], path: &Path) -> Result<PackedVariant, Error> {
    let [mut variant] =
        <[_; 1]>::try_from(variants).map_err(|_| ComposeError::SeveralVariants { path: path.to_owned() })?;
    if let [entry] = &mut variant.entries[..] {
        name.clone_into(&mut entry.name);
    }
    Ok(variant)
}
