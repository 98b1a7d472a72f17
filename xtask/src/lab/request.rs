//! What the lab was asked for: the words after `cargo xtask lab`.

use anyhow::{Context, Result, bail, ensure};
use bundle::Arch;

use super::cases::{CASES, Case};
use super::machines::{self, MACHINES, Machine};
use crate::turn::turn;

/// How the cases are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Way {
    /// On a booted kernel.
    #[default]
    Booted,
    /// Under user-mode emulation.
    Fast,
    /// Not at all: what consoles said last time is judged once more.
    Logs,
}

/// What was asked for.
#[derive(Default)]
pub(crate) struct Request {
    /// Where.
    pub(crate) machines: Vec<Machine>,
    /// What.
    pub(crate) cases: Vec<&'static Case>,
    /// How.
    pub(crate) way: Way,
    /// The lab's own test instead.
    pub(crate) self_test: bool,
    /// The table into the docs.
    pub(crate) write_docs: bool,
}

impl Request {
    /// Reads the words.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut request = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--fast" => request.way = Way::Fast,
                "--from-logs" => request.way = Way::Logs,
                "--self-test" => request.self_test = true,
                "--write-docs" => request.write_docs = true,
                "--case" => {
                    let name = words.next().context("`--case` needs a name")?;
                    let case = CASES.iter().find(|case| case.name == name);
                    let names = || CASES.iter().map(|case| case.name).collect::<Vec<_>>().join(" ");
                    request
                        .cases
                        .push(case.with_context(|| format!("no case `{name}`; there are: {}", names()))?);
                }
                "all" => request.machines.extend(MACHINES),
                "each" => request.machines.extend(machines::each(turn()?)),
                "rotating" => request.machines.extend(machines::rotating(turn()?)),
                word => {
                    let named = |machine: &&Machine| machine.name == word || machine.host.name() == word;
                    let before = request.machines.len();
                    request.machines.extend(MACHINES.iter().filter(named));
                    if request.machines.len() == before {
                        let names: Vec<&str> = MACHINES.iter().map(|machine| machine.name).collect();
                        bail!(
                            "no machine or host `{word}`; there are: all each rotating {}",
                            names.join(" ")
                        );
                    }
                }
            }
        }
        ensure!(
            !request.write_docs
                || (request.machines.len() == MACHINES.len()
                    && request.cases.is_empty()
                    && request.way != Way::Fast),
            "the docs have the table of a whole run: `cargo xtask lab all --write-docs`"
        );
        if request.machines.is_empty() {
            request.machines.extend(MACHINES);
        }
        if request.cases.is_empty() {
            request.cases.extend(CASES);
        }
        if request.way == Way::Fast {
            // Kernels do not differ there.
            request.machines = Arch::HOSTS
                .iter()
                .filter_map(|host| request.machines.iter().find(|machine| machine.host == *host).copied())
                .collect();
        }
        Ok(request)
    }
}
