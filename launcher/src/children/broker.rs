//! The broker: a process that traces the app and all its descendants. Each of them stops at execve until the
//! broker has looked at the call. The broker ends with the last of them. If it is killed they go on, but
//! every later execve fails with `ENOSYS`.
//!
//! A call that has to be changed needs strings and lists in the caller's memory. That memory may be shared
//! with a parent and with other threads, and stacks may lie anywhere in it: nothing is written but into
//! pages that the caller is let map for this. It gives them back when the call fails. After one that
//! succeeds they are gone with the memory, unless a parent has lent that: then the parent gives them back.

use alloc::vec::Vec;
use core::ffi::CStr;

use super::exec::Attendant;
use super::opaque;
use super::place::memory_of;
use super::plan::Plan;
use crate::sys::registers::{Call, ExecCall, KEEPS_ARGUMENTS, Registers, To};
use crate::sys::trace::{self, Event, Resume, Thread};
use crate::sys::{self, Errno, Fd};

/// What the broker's process is called.
pub const NAME: &CStr = c"unibin-broker";

/// What the broker says once it traces the app; anything else is the number of an error.
const READY: u8 = 0;

/// Lets a broker attend to this process from now on.
pub fn start(attendant: Attendant<'_>) -> Result<(), Errno> {
    let app = sys::getpid();
    let (answer, to_us) = sys::pipe()?;
    trace::allow_tracers(true);
    let begun = sys::beside(to_us, false, |to_app| run(app, to_app, attendant));
    let mut word = [0];
    let read = begun.and_then(|()| answer.read(&mut word));
    trace::allow_tracers(false);
    match (read?, word) {
        (1, [READY]) => {}
        (1, [code]) => return Err(Errno::from_number(code)),
        _ => return Err(Errno::ESRCH),
    }
    match sys::stop_at_exec() {
        // Who may not, has to give something up for it.
        Err(Errno::EACCES) => sys::no_new_privileges().and_then(|()| sys::stop_at_exec()),
        done => done,
    }
}

/// The broker's whole life.
fn run(app: u32, to_app: Fd, attendant: Attendant<'_>) -> i32 {
    sys::set_name(NAME);
    let seized = Thread::seize(app);
    let word = seized.err().map_or(READY, |errno| u8::try_from(errno.code()).unwrap_or(u8::MAX));
    let told = to_app.write_all(&[word]);
    drop(to_app);
    if word != READY || told.is_err() {
        return 1;
    }
    let (attended, lent, left, bytes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut broker = Broker { attendant, attended, lent, left, bytes, unused: None, said: false };
    while let Ok((thread, event)) = trace::wait() {
        thread.resume(broker.event(thread, event));
    }
    0
}

/// Memory that a thread was let map.
#[derive(Clone, Copy)]
struct Memory {
    address: u64,
    length: u64,
    /// The first bytes that have been written there.
    begin: [u8; 8],
}

/// How far a thread is that makes calls for us.
enum Stage {
    /// A copy of the broker with this number plans its call.
    Planning(Plan, u32),
    /// It maps memory for its plan.
    Mapping(Plan),
    /// It is about to make the changed execve.
    Again,
    /// It has begun that.
    Executing,
    /// It returns from a call in which it has lent its memory, and will give some of it back.
    Leaving,
    /// It is about to give memory back.
    Unmapping,
    /// It has begun that.
    Unmapped,
    /// It makes an execve that cannot be looked at.
    Unseen,
}

/// A thread that makes calls for us.
struct Attended {
    thread: Thread,
    stage: Stage,
    /// For an execve, the registers at its start; otherwise those with which the thread will continue.
    registers: Registers,
    call: Option<ExecCall>,
    memory: Option<Memory>,
    /// Where the changed execve has to be made anew at its beginning: what it has.
    changed: Option<To>,
    /// The thread's own signal mask, while all signals wait.
    mask: Option<u64>,
}

impl Attended {
    fn new(thread: Thread, stage: Stage, registers: Registers, call: Option<ExecCall>) -> Self {
        Self { thread, stage, registers, call, memory: None, changed: None, mask: None }
    }

    /// How it goes on to the changed execve that it is about to make.
    fn again(&self, signal: u32) -> Resume {
        if self.changed.is_some() { Resume::ToCall(signal) } else { Resume::Run(signal) }
    }

    /// No signal is to come between two of our calls.
    fn block_signals(&mut self) {
        if self.mask.is_none() {
            self.mask = self.thread.block_signals().ok();
        }
    }

    fn unblock_signals(&mut self) {
        if let Some(mask) = self.mask.take() {
            let _ = self.thread.set_signal_mask(mask);
        }
    }
}

/// A parent that waits while a child has its memory, and what the child has left there.
struct Lent {
    parent: Thread,
    child: Thread,
    memory: Option<Memory>,
}

struct Broker<'a> {
    attendant: Attendant<'a>,
    attended: Vec<Attended>,
    lent: Vec<Lent>,
    /// What the processes that live now have mapped for the first program that they executed, where no parent
    /// is known to have lent its memory for that: a parent's event may come after those of its child.
    left: Vec<(Thread, Memory)>,
    bytes: Vec<u8>,
    /// A plan that nothing was written to, since its call stays as it is: the next call's.
    unused: Option<Plan>,
    /// Whether it was said that programs cannot be looked at.
    said: bool,
}

impl Broker<'_> {
    /// What an event leads to, and how the thread goes on.
    fn event(&mut self, thread: Thread, event: Event) -> Resume {
        match event {
            Event::Ended => {
                if let Some(planned) = self.planned_by(thread.number()) {
                    let thread = planned.thread;
                    thread.resume(self.planned(planned));
                }
                self.gone(thread);
                self.take_left(thread);
                self.lent.retain(|lent| lent.parent != thread);
                Resume::Not
            }
            Event::Call => match self.take(thread) {
                Some(attended) if matches!(attended.stage, Stage::Again) => self.executes(attended),
                // On s390x before Linux 5.8 a filter sees the number that the instruction says, not that of
                // the call that we have made of it.
                Some(attended) => {
                    self.attended.push(attended);
                    Resume::ToCall(0)
                }
                None => self.begin(thread).unwrap_or(Resume::Run(0)),
            },
            Event::CallStop => match self.take(thread) {
                Some(attended) => self.called(attended),
                None => Resume::Run(0),
            },
            Event::Executed => {
                // A thread that was not its process's first has that one's number now.
                let before = thread.message().unwrap_or(thread);
                self.gone(before);
                if before != thread {
                    self.take_left(before);
                    self.gone(thread);
                }
                self.lent.retain(|lent| lent.parent != thread && lent.parent != before);
                Resume::Run(0)
            }
            Event::Lent => {
                if let Ok(child) = thread.message() {
                    let memory = self.take_left(child);
                    self.lent.push(Lent { parent: thread, child, memory });
                }
                Resume::Run(0)
            }
            Event::HasBack => self.has_back(thread).unwrap_or(Resume::Run(0)),
            // Who was stopped in the middle of our calls goes on with them.
            Event::GroupStop => Resume::StayStopped,
            Event::Signal(signal) => self.onward(thread, signal),
            Event::Other => self.onward(thread, 0),
        }
    }

    fn onward(&self, thread: Thread, signal: u32) -> Resume {
        let found = self.attended.iter().find(|attended| attended.thread == thread);
        let Some(attended) = found else { return Resume::Run(signal) };
        match attended.stage {
            // Stopped before its call: only its end, or that of its process, comes before the plan.
            Stage::Planning(..) => Resume::Not,
            Stage::Again => attended.again(signal),
            _ => Resume::ToCall(signal),
        }
    }

    fn take(&mut self, thread: Thread) -> Option<Attended> {
        let at = self.attended.iter().position(|attended| attended.thread == thread)?;
        Some(self.attended.swap_remove(at))
    }

    /// A thread is no more, or runs another program: what it has left in memory that was lent to it, the
    /// parent has to give back.
    fn gone(&mut self, thread: Thread) {
        let Some(attended) = self.take(thread) else { return };
        if let Stage::Planning(_, copy) = attended.stage {
            sys::end(copy);
        }
        let Some(memory) = attended.memory else { return };
        if let Some(lent) = self.lent.iter_mut().find(|lent| lent.child == thread) {
            lent.memory = Some(memory);
        } else if !self.left.iter().any(|(child, _)| *child == thread) {
            self.left.push((thread, memory));
        }
    }

    fn take_left(&mut self, child: Thread) -> Option<Memory> {
        let at = self.left.iter().position(|(left, _)| *left == child)?;
        Some(self.left.swap_remove(at).1)
    }

    /// A thread begins an execve.
    fn begin(&mut self, thread: Thread) -> Option<Resume> {
        let registers = thread.registers().ok()?;
        let call = thread.exec_call(&registers)?;
        let attended = |stage| Attended::new(thread, stage, registers, Some(call));
        let memory = match memory_of(thread.number()) {
            Ok(memory) => memory,
            Err(Errno::EACCES | Errno::EPERM) if !self.said => {
                self.attended.push(attended(Stage::Unseen));
                return Some(Resume::ToCall(0));
            }
            Err(_) => return None,
        };
        let mut plan = match self.unused.take() {
            Some(plan) => plan,
            None => Plan::new().ok()?,
        };
        for others in &self.attended {
            if let Stage::Planning(plan, _) | Stage::Mapping(plan) = &others.stage {
                plan.give_to_copies(false);
            }
        }
        plan.give_to_copies(true);
        let attendant = &mut self.attendant;
        let mut look = |apart| {
            let _ = attendant.plan(thread.number(), &call, &memory, &mut plan, apart);
        };
        // Any file may be one that is never answered for, or only by a process that waits for us.
        let copy = sys::aside(|| look(true)).ok();
        if copy.is_none() {
            // As many processes as the user may have: an execve is no further one.
            look(false);
        }
        match copy {
            Some(copy) => {
                self.attended.push(attended(Stage::Planning(plan, copy)));
                Some(Resume::Not)
            }
            None => Some(self.planned(attended(Stage::Planning(plan, 0)))),
        }
    }

    /// The thread whose call was planned by a copy that has ended.
    fn planned_by(&mut self, copy: u32) -> Option<Attended> {
        let by = |attended: &Attended| matches!(attended.stage, Stage::Planning(_, by) if by == copy);
        let at = self.attended.iter().position(by)?;
        Some(self.attended.swap_remove(at))
    }

    /// A plan is ready: its thread gets the memory that it takes.
    fn planned(&mut self, mut attended: Attended) -> Resume {
        let Stage::Planning(plan, _) = core::mem::replace(&mut attended.stage, Stage::Again) else {
            return Resume::Run(0);
        };
        let thread = attended.thread;
        // Another thread of the process may have this number by now: that it runs another program, or the end
        // of this one, is still to be reported.
        if !thread.registers().is_ok_and(|registers| registers == attended.registers) {
            return Resume::Not;
        }
        if !plan.changes() {
            self.unused = Some(plan);
            return Resume::Run(0);
        }
        let begun = attended.call.and_then(|call| {
            let memory = memory_of(thread.number()).ok()?;
            let words = super::words::of_map(thread.number(), &memory, call.word)?;
            let length = super::words::length(plan.length(call.word))?;
            thread.make(&attended.registers, Call::Map(length, words)).ok()
        });
        if begun.is_none() {
            return Resume::Run(0);
        }
        attended.stage = Stage::Mapping(plan);
        self.attended.push(attended);
        Resume::ToCall(0)
    }

    /// A thread makes the changed execve.
    fn executes(&mut self, mut attended: Attended) -> Resume {
        attended.unblock_signals();
        attended.stage = Stage::Executing;
        self.attended.push(attended);
        Resume::ToCall(0)
    }

    /// A call that a thread makes for us begins or has ended.
    fn called(&mut self, mut attended: Attended) -> Resume {
        let thread = attended.thread;
        let Ok(registers) = thread.registers() else { return Resume::Run(0) };
        match core::mem::replace(&mut attended.stage, Stage::Again) {
            Stage::Mapping(plan) => {
                let Some(changed) = self.mapped(&mut attended, &plan, &registers) else {
                    if attended.memory.is_none() {
                        // It ends as a call that finds no memory does.
                        let _ = thread.set_registers(&attended.registers.ended_as(&registers));
                        return Resume::Run(0);
                    }
                    // The call as it was would be planned again, and again.
                    let failed = attended.registers.failed(Errno::ENOMEM);
                    return self.give_back(attended, Some(failed));
                };
                attended.block_signals();
                if thread.set_registers(&changed).is_err() {
                    return Resume::Run(0);
                }
                let onward = attended.again(0);
                self.attended.push(attended);
                onward
            }
            Stage::Again if attended.changed.is_some() => {
                if let (Some(to), Some(call)) = (attended.changed.take(), attended.call)
                    && let Some(begun) = attended.registers.exec_begun(&call, to, registers)
                    && thread.set_registers(&begun).is_ok()
                {
                    self.attended.push(attended);
                }
                Resume::ToCall(0)
            }
            Stage::Planning(..) | Stage::Again | Stage::Executing => {
                let after = attended.registers.ended_as(&registers);
                self.give_back(attended, Some(after))
            }
            Stage::Leaving => self.give_back(attended, Some(registers)),
            Stage::Unmapping => {
                if let Some(Memory { address, length, .. }) = attended.memory {
                    let _ = thread.make_now(Call::Unmap(address, length));
                }
                attended.stage = Stage::Unmapped;
                self.attended.push(attended);
                Resume::ToCall(0)
            }
            Stage::Unmapped => {
                let _ = thread.set_registers(&attended.registers);
                attended.unblock_signals();
                Resume::Run(0)
            }
            Stage::Unseen => {
                if registers.say_failed(Errno::ENOEXEC) && !self.said {
                    self.said = opaque::say_of(thread.number());
                }
                Resume::Run(0)
            }
        }
    }

    /// Writes a plan into the memory that its thread has mapped; the registers with which it makes its call.
    fn mapped(&mut self, attended: &mut Attended, plan: &Plan, registers: &Registers) -> Option<Registers> {
        let call = attended.call?;
        let base = registers.mapped()?;
        let length = super::words::length(plan.length(call.word))?;
        let memory = attended.memory.insert(Memory { address: base, length, begin: [0; 8] });
        let addresses = plan.bytes(base, call.word, &mut self.bytes)?;
        memory.begin.iter_mut().zip(&self.bytes).for_each(|(to, from)| *to = *from);
        memory_of(attended.thread.number()).ok()?.write(&self.bytes, base).ok()?;
        let (argv, envp) = (addresses.argv.unwrap_or(call.argv), addresses.envp.unwrap_or(call.envp));
        let to = (addresses.path, argv, envp);
        attended.changed = (!KEEPS_ARGUMENTS).then_some(to);
        attended.registers.exec_again(&call, to)
    }

    /// Lets a thread give its memory back, at a stop behind a call, and go on with `registers`.
    fn give_back(&mut self, mut attended: Attended, registers: Option<Registers>) -> Resume {
        if let Some(registers) = registers {
            attended.registers = registers;
        }
        let thread = attended.thread;
        attended.block_signals();
        let begun = attended.memory.ok_or(Errno::ESRCH).and_then(|Memory { address, length, .. }| {
            thread.make_next(&attended.registers, Call::Unmap(address, length))
        });
        if begun.is_err() {
            let _ = thread.set_registers(&attended.registers);
            attended.unblock_signals();
            return Resume::Run(0);
        }
        attended.stage = Stage::Unmapping;
        self.attended.push(attended);
        Resume::ToCall(0)
    }

    /// A parent has its memory back: the child runs another program, or none. That its execve has succeeded
    /// may be reported only later.
    fn has_back(&mut self, parent: Thread) -> Option<Resume> {
        let at = self.lent.iter().position(|lent| lent.parent == parent)?;
        let Lent { child, memory, .. } = self.lent.swap_remove(at);
        let executing = self.attended.iter_mut().find(|attended| attended.thread == child);
        let memory = memory.or_else(|| executing.and_then(|attended| attended.memory.take()))?;
        // A child may make its parent wait and yet have memory of its own (`CLONE_VFORK` without `CLONE_VM`).
        let mut begin = [0; 8];
        let read = memory_of(parent.number()).ok()?.read(&mut begin, memory.address).ok()?;
        if read != begin.len() || begin != memory.begin {
            return None;
        }
        let registers = parent.registers().ok()?;
        let mut attended = Attended::new(parent, Stage::Leaving, registers, None);
        attended.memory = Some(memory);
        self.attended.push(attended);
        Some(Resume::ToCall(0))
    }
}
