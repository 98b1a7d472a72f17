//! One execve of a traced thread: which file it would execute, and how the call is changed so that an
//! emulator runs it. Calls that the host's kernel handles by itself are left alone; where something cannot be
//! found out, the kernel gets the call as it is and refuses it.

use alloc::vec::Vec;

use bundle::{PATH_MAX, Rule, TranslatorArguments};

use super::emulators::Emulator;
use super::place::Place;
use super::plan::{Plan, Word};
use super::program::{Head, Program};
use super::rights::Own;
use super::scratch::Scratch;
use super::variables::{Fate, Variables, World};
use crate::named;
use crate::route::{HOST, base_name};
use crate::sys::registers::ExecCall;
use crate::sys::trace::Memory;
use crate::sys::{self, At, Follow};

/// What a program that runs already is to itself, and by which our emulators start the app's programs: the
/// kernel has run it once, and will again.
const RUNNING: &[u8] = b"/proc/self/exe";
/// Scripts whose interpreters are scripts, that many deep (fs/exec.c, `exec_binprm`).
const DEPTH: u32 = 5;
/// More than execve(2) takes as one string (`MAX_ARG_STRLEN`).
const STRING_MAX: usize = 128 * 1024 + 1;
/// The kernel refuses longer lists by their size (`_STK_LIM / 4 * 3` at most, with two bytes for each
/// string).
const LIST_MAX: usize = 6 * 1024 * 1024;
/// Strings are read in pieces that do not cross a page of the smallest size.
const PIECE: u64 = 4096;

/// What attends to the calls of all threads, one after the other.
pub struct Attendant<'a> {
    emulators: Vec<Emulator<'a>>,
    tree: &'a [u8],
    overlay: &'a [u8],
    options: Vec<&'a [u8]>,
    variables: Variables<'a>,
    own: Own,
    place: Place,
    head: Head,
    memory: Scratch,
    path: Vec<u8>,
    name: Vec<u8>,
    variable: Vec<u8>,
    list: Lists,
}

/// The new call in the making.
#[derive(Default)]
struct Lists {
    /// New strings, each with its NUL.
    strings: Vec<u8>,
    /// What a script's interpreters put in place of `argv[0]`.
    front: Vec<Word>,
    argv: Vec<Word>,
    envp: Vec<Word>,
    given: Vec<u64>,
    bytes: Vec<u8>,
}

impl Lists {
    fn string(&mut self, bytes: &[u8]) -> Word {
        self.joined(&[bytes])
    }

    /// Where in the new strings this one is.
    fn place(&mut self, bytes: &[u8]) -> usize {
        let at = self.strings.len();
        self.string(bytes);
        at
    }

    fn joined(&mut self, parts: &[&[u8]]) -> Word {
        let at = self.strings.len();
        for part in parts {
            self.strings.extend_from_slice(part);
        }
        self.strings.push(0);
        Word::New(at)
    }
}

/// An emulator's arguments in the making, for the call that the lists are of.
struct EmulatorCall<'l> {
    list: &'l mut Lists,
    argv0: Word,
    program: Word,
    /// Whether the emulator is the bundle's, whose options these are.
    own: bool,
}

impl TranslatorArguments for EmulatorCall<'_> {
    fn argument(&mut self, parts: [&[u8]; 3]) {
        let word = self.list.joined(&parts);
        self.list.argv.push(word);
    }

    fn argv0(&mut self) {
        self.list.argv.push(self.argv0);
    }

    fn program(&mut self) {
        self.list.argv.push(self.program);
    }

    fn rest(&mut self) {
        let Lists { front, given, argv, .. } = &mut *self.list;
        argv.extend(front.iter().skip(1));
        argv.extend(given.iter().skip(1).map(|address| Word::At(*address)));
    }

    fn children(&mut self, argument: &[u8]) {
        if self.own {
            self.argument([b"", b"", argument]);
        }
    }

    fn view(&mut self, option: &[u8], tree: &[u8]) {
        // Mounts have laid the tree over the root already.
        let is_laid = tree == b"/";
        self.argument([b"", b"", if self.own && !is_laid { option } else { b"-L" }]);
        self.argument([b"", b"", tree]);
    }
}

/// What has been found out about a call.
enum Choice {
    /// An emulator by its number.
    Emulator(usize),
    /// The kernel runs it, at another path than was asked for.
    Path,
    /// The kernel runs an interpreter of the tree.
    Interpreter,
    /// The kernel runs what was asked for.
    Same,
}

impl<'a> Attendant<'a> {
    /// For an app whose tree lies at `tree`, and over the host's files at `overlay`: at the same place, or
    /// not at all.
    pub fn new(
        emulators: Vec<Emulator<'a>>,
        tree: &'a [u8],
        overlay: &'a [u8],
        options: Vec<&'a [u8]>,
        variables: Variables<'a>,
    ) -> Self {
        Self {
            emulators,
            tree,
            overlay,
            options,
            variables,
            own: Own::of_now(),
            place: Place::default(),
            head: Head::new(),
            memory: Scratch::default(),
            path: Vec::with_capacity(PATH_MAX),
            name: Vec::with_capacity(PATH_MAX),
            variable: Vec::with_capacity(PATH_MAX),
            list: Lists::default(),
        }
    }

    /// Plans what becomes of a call of the thread with this number, whose memory is `memory`. Nothing in the
    /// plan, or `None`: the call stays as it is.
    ///
    /// Files are looked at with the thread's rights. Where those are fewer than ours, this process has no
    /// others afterwards: it must be one `apart`.
    pub fn plan(
        &mut self,
        thread: u32,
        call: &ExecCall,
        memory: &Memory,
        plan: &mut Plan,
        apart: bool,
    ) -> Option<()> {
        read_string(memory, call.path, PATH_MAX, &mut self.path)?;
        if self.path == RUNNING {
            return None;
        }
        self.place.of_thread(thread);
        self.list.strings.clear();
        self.list.front.clear();
        let from = self.world_of_caller();
        if let Some(rights) = self.own.others(self.place.process()) {
            if !apart {
                return None;
            }
            self.place.as_thread(call.dir)?;
            self.own.give_up_for(&rights).ok()?;
            self.place.of_self();
        }
        let choice = self.choose(call)?;

        let to = match choice {
            Choice::Emulator(number) => World::Emulator(number),
            Choice::Path | Choice::Interpreter | Choice::Same => World::Host,
        };
        let envp = from != to && self.environment(memory, call, from, to)?;
        let path = match choice {
            Choice::Same if !envp => return None,
            Choice::Same => None,
            Choice::Path => Some(self.list.place(self.place.name.bytes())),
            Choice::Interpreter => {
                self.arguments(memory, call)?;
                let (list, place) = (&mut self.list, &self.place);
                list.argv.clear();
                list.argv.extend_from_slice(&list.front);
                list.argv.extend(list.given.iter().skip(1).map(|address| Word::At(*address)));
                Some(list.place(place.name.bytes()))
            }
            Choice::Emulator(number) => {
                self.arguments(memory, call)?;
                Some(self.call_emulator(number)?)
            }
        };
        let argv = matches!(choice, Choice::Interpreter | Choice::Emulator(_));
        let Lists { argv: arguments, envp: environment, strings, .. } = &self.list;
        plan.set(path, argv.then_some(arguments), envp.then_some(environment), strings)
    }

    /// Finds the file that will run, through scripts to their interpreters. `None` when the call is one of
    /// our own.
    fn choose(&mut self, call: &ExecCall) -> Option<Choice> {
        let Self { place, head, list, .. } = self;
        place.find(self.overlay, call.dir, &self.path, call.flags)?;
        let asked = if self.path.is_empty() { place.name.bytes() } else { &self.path };
        self.name.clear();
        self.name.extend_from_slice(base_name(asked));
        let script_mapped = place.mapped;
        let mut mapped = false;
        for depth in 0..=DEPTH {
            match head.read(&place.view) {
                Program::Elf(arch) => {
                    if arch != HOST
                        && let Some(number) = self.emulators.iter().position(|known| known.target == arch)
                    {
                        // Better refused than begun by an emulator that finds nothing.
                        return (!place.closes).then_some(Choice::Emulator(number));
                    }
                    let file = sys::statat(At::CWD, place.view.c_str(), Follow::Yes).ok()?;
                    if self.emulators.iter().any(|emulator| emulator.is(&file)) {
                        return None;
                    }
                    break;
                }
                Program::Script(..) if place.closes => return None,
                Program::Script(interpreter, argument) if depth < DEPTH => {
                    let script = list.string(place.name.bytes());
                    let path = head.get(interpreter);
                    let name = list.string(path);
                    // The script's path takes the place of what was argv[0].
                    match list.front.first_mut() {
                        Some(first) => *first = script,
                        None => list.front.push(script),
                    }
                    if let Some(argument) = argument {
                        let argument = list.string(head.get(argument));
                        list.front.insert(0, argument);
                    }
                    list.front.insert(0, name);
                    self.variable.clear();
                    self.variable.extend_from_slice(path);
                    place.find(self.overlay, sys::CURRENT_DIRECTORY, &self.variable, 0)?;
                    mapped |= place.mapped;
                }
                // Along a `PATH`, most names are of this kind.
                Program::Missing if depth == 0 && !script_mapped => return None,
                Program::Script(..) | Program::Kernels | Program::Missing => break,
            }
        }
        if mapped {
            return Some(Choice::Interpreter);
        }
        if script_mapped {
            // Behind a script `place` is where its interpreter lies.
            if !list.front.is_empty() {
                place.find(self.overlay, call.dir, &self.path, call.flags)?;
            }
            return Some(Choice::Path);
        }
        Some(Choice::Same)
    }

    /// By which of our emulators the calling thread is run, if by one.
    fn world_of_caller(&mut self) -> World {
        self.memory.join(&[self.place.process(), b"/exe"]);
        let file = sys::statat(At::CWD, self.memory.c_str(), Follow::Yes);
        let number = file.ok().and_then(|file| self.emulators.iter().position(|emulator| emulator.is(&file)));
        number.map_or(World::Host, World::Emulator)
    }

    fn arguments(&mut self, memory: &Memory, call: &ExecCall) -> Option<()> {
        read_list(memory, call, call.argv, &mut self.list.bytes, &mut self.list.given)
    }

    /// The list for an emulator, whose path it returns.
    fn call_emulator(&mut self, number: usize) -> Option<usize> {
        let Self { list, place, tree, emulators, .. } = self;
        let emulator = emulators.get_mut(number)?;
        let path =
            if named::is_file_name(&self.name) { emulator.path_called(&self.name) } else { emulator.path };
        let path = list.place(path.to_bytes());
        // An emulator of the user's may know neither.
        let own = emulator.is_of_the_bundle();
        let mut name = place.name.bytes();
        if own && emulator.rules.iter().any(Rule::is_view) {
            // The program sees itself where it would be on a system of its own.
            name = name.strip_prefix(*tree).filter(|rest| rest.starts_with(b"/")).unwrap_or(name);
        }
        let program = list.string(name);
        let argv0 = match (list.front.first(), list.given.first()) {
            (Some(first), _) => *first,
            (None, Some(address)) => Word::At(*address),
            (None, None) => list.string(b""),
        };
        list.argv.clear();
        list.argv.push(argv0);
        for word in &self.options {
            let word = list.string(word);
            list.argv.push(word);
        }
        let mut call = EmulatorCall { list, argv0, program, own };
        for rule in &emulator.rules {
            rule.call_translator(tree, &mut call);
        }
        Some(path)
    }

    /// Builds the environment for the other world; whether there is anything to change.
    fn environment(&mut self, memory: &Memory, call: &ExecCall, from: World, to: World) -> Option<bool> {
        let list = &mut self.list;
        read_list(memory, call, call.envp, &mut list.bytes, &mut list.given)?;
        list.envp.clear();
        let mut changed = false;
        // Which of the missing ones are there under another value; a bit for each, as far as bits go.
        let mut names = 0u128;
        for at in 0..list.given.len() {
            let address = *list.given.get(at)?;
            read_string(memory, address, STRING_MAX, &mut self.variable)?;
            for (bit, variable) in self.variables.missing(from, to, |_| false).enumerate().take(128) {
                let name = bundle::cut(variable, b'=').0;
                if self.variable.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b'=')) {
                    names |= 1 << bit;
                }
            }
            match self.variables.fate(&self.variable, from, to) {
                Fate::Same => list.envp.push(Word::At(address)),
                Fate::Gone => changed = true,
                Fate::Without(range) => {
                    changed = true;
                    self.variable.drain(range);
                    let word = list.string(&self.variable);
                    list.envp.push(word);
                }
                Fate::Other(variable) => {
                    changed = true;
                    let word = list.string(variable);
                    list.envp.push(word);
                }
            }
        }
        for (bit, variable) in self.variables.missing(from, to, |_| false).enumerate().take(128) {
            if names >> bit & 1 == 0 {
                changed = true;
                let word = list.string(variable);
                list.envp.push(word);
            }
        }
        Some(changed)
    }
}

/// Reads a string of a thread's, without its NUL. `None` when it is not there or longer than `most`.
fn read_string(memory: &Memory, mut address: u64, most: usize, into: &mut Vec<u8>) -> Option<()> {
    into.clear();
    loop {
        let piece = PIECE.saturating_sub(address % PIECE).min(256);
        let old = into.len();
        into.resize(old.saturating_add(usize::try_from(piece).ok()?), 0);
        let read = memory.read(into.get_mut(old..)?, address).ok().filter(|read| *read != 0)?;
        into.truncate(old.saturating_add(read));
        if let Some(end) = into.get(old..)?.iter().position(|byte| *byte == 0) {
            into.truncate(old.saturating_add(end));
            return Some(());
        }
        if into.len() >= most {
            return None;
        }
        address = address.checked_add(u64::try_from(read).ok()?)?;
    }
}

/// Reads a list of addresses up to its null; a list that is not there is empty, as to the kernel.
fn read_list(
    memory: &Memory,
    call: &ExecCall,
    mut address: u64,
    bytes: &mut Vec<u8>,
    into: &mut Vec<u64>,
) -> Option<()> {
    into.clear();
    if address == 0 {
        return Some(());
    }
    let word = call.word;
    loop {
        let piece = PIECE.saturating_sub(address % PIECE).min(512);
        bytes.clear();
        // A list that is not aligned may have a word across two pages.
        bytes.resize(usize::try_from(piece).ok()?.max(word), 0);
        let read = memory.read(bytes, address).ok()?;
        let whole = read.checked_sub(read % word).filter(|whole| *whole != 0)?;
        for chunk in bytes.get(..whole)?.chunks_exact(word) {
            let value = call.pointer(chunk)?;
            if value == 0 {
                return Some(());
            }
            into.push(value);
        }
        if into.len().saturating_mul(word) > LIST_MAX {
            return None;
        }
        address = address.checked_add(u64::try_from(whole).ok()?)?;
    }
}
