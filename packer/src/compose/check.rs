//! `unibin check`: whether a bundle runs on the hosts that it must run on, for pipelines.

use bundle::Arch;

use crate::cli::compose::CheckArgs;
use crate::cli::values::Hosts;
use crate::compose::routes::{self, Route};
use crate::error::{ComposeError, Error, shown};
use crate::json;
use crate::write::bundle_file::BundleFile;

/// Tells by what the bundle runs on each host; an error where one is missing.
pub(crate) fn check(args: &CheckArgs) -> Result<String, Error> {
    let path = &args.file;
    let bundle = BundleFile::open(path)?;
    let mut rows = routes::of(&bundle.manifest()?);
    let native = listed(args.native.as_ref());
    let mut wanted = listed(args.hosts.as_ref());
    wanted.extend(&native);
    let runs = |host: &Arch| rows.iter().any(|row| row.host == *host && row.route != Route::None);
    let missing: Vec<_> = wanted.iter().copied().filter(|host| !runs(host)).collect();
    let served = rows.iter().filter(|row| row.route != Route::None).map(|row| row.host).collect();
    if !missing.is_empty() {
        return Err(ComposeError::NotServed { path: path.clone(), missing, served }.into());
    }
    let natively = |host: &Arch| rows.iter().any(|row| row.host == *host && row.route == Route::Native);
    let emulated: Vec<_> = native.iter().copied().filter(|host| !natively(host)).collect();
    if !emulated.is_empty() {
        return Err(ComposeError::NotNative { path: path.clone(), hosts: emulated }.into());
    }
    if !wanted.is_empty() {
        rows.retain(|row| wanted.contains(&row.host));
    }
    if args.list.json {
        return Ok(json::text(&rows));
    }
    let lines = rows.iter().fold(String::new(), |lines, row| format!("{lines}  {row}\n"));
    Ok(format!("{}:\n{lines}", shown(path)))
}

fn listed(hosts: Option<&Hosts>) -> Vec<Arch> {
    match hosts {
        Some(Hosts::Listed(hosts)) => hosts.clone(),
        Some(Hosts::All) => Arch::HOSTS.to_vec(),
        None => Vec::new(),
    }
}
