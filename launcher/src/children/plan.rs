//! What a call becomes, before it is known where in the caller's memory it will be: its lists and its new
//! strings, in pages of their own, so that a plan can wait for as long as its thread does.

use alloc::vec::Vec;

use crate::sys::{Errno, Pages};

/// More than the longest lists that the kernel takes (`_STK_LIM / 4 * 3` with two bytes for each string), in
/// our eight bytes for a word. Only what is written takes memory.
const SIZE: usize = 12 * 1024 * 1024;
/// Bytes of a number in a plan.
const NUMBER: usize = 8;
/// Numbers before the lists: path, arguments, environment, strings. The first three are one more than an
/// offset or a count, or 0 for what stays as it is.
const HEAD: usize = 4;
/// What is added to an offset in the strings; no program has memory there.
const NEW: u64 = 1 << 63;

/// Where a string of a list is: in the thread's memory already, or in what is going to be written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// At this address.
    At(u64),
    /// At this offset of the new strings.
    New(usize),
}

/// A call in the making.
pub struct Plan(Pages);

/// Addresses of a call's parts in the thread's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Of another program's path.
    pub path: Option<u64>,
    /// Of other arguments.
    pub argv: Option<u64>,
    /// Of another environment.
    pub envp: Option<u64>,
}

impl Plan {
    /// An empty one. `ENOMEM` if there is no memory for it.
    pub fn new() -> Result<Self, Errno> {
        Pages::shared(SIZE).map(Self)
    }

    /// Whether the copies of this process that will be made have it: those that plan other calls, with other
    /// rights, are not to.
    pub fn give_to_copies(&self, give: bool) {
        self.0.give_to_copies(give);
    }

    /// Says what the call becomes. `None` where that is longer than any call.
    pub fn set(
        &mut self,
        path: Option<usize>,
        argv: Option<&[Word]>,
        envp: Option<&[Word]>,
        strings: &[u8],
    ) -> Option<()> {
        let count = |list: Option<&[Word]>| list.map_or(0, |words| words.len().saturating_add(1));
        let numbers = [path.map_or(0, |at| at.saturating_add(1)), count(argv), count(envp), strings.len()];
        let mut at = HEAD;
        for word in argv.into_iter().chain(envp).flatten() {
            let number = match word {
                Word::At(address) => Some(*address).filter(|address| address & NEW == 0)?,
                Word::New(offset) => u64::try_from(*offset).ok()? | NEW,
            };
            self.put(at, number)?;
            at = at.checked_add(1)?;
        }
        let begin = at.checked_mul(NUMBER)?;
        let room = self.0.get_mut(begin..begin.checked_add(strings.len())?)?;
        room.copy_from_slice(strings);
        // Last, so that a copy that is killed halfway has said nothing.
        for (at, number) in numbers.into_iter().enumerate().rev() {
            self.put(at, u64::try_from(number).ok()?)?;
        }
        Some(())
    }

    /// Whether it says anything.
    pub fn changes(&self) -> bool {
        self.get(0) != 0 || self.get(1) != 0 || self.get(2) != 0
    }

    /// How many bytes it takes in the memory of a thread whose pointers have `word` bytes.
    pub fn length(&self, word: usize) -> usize {
        self.lists(word).saturating_add(self.number(3))
    }

    /// What is to be written at `base`, and where its parts are then. `None` if that cannot be.
    pub fn bytes(&self, base: u64, word: usize, into: &mut Vec<u8>) -> Option<Addresses> {
        into.clear();
        if self.number(1).max(self.number(2)) > SIZE / NUMBER {
            return None;
        }
        let strings = base.checked_add(u64::try_from(self.lists(word)).ok()?)?;
        let mut at = HEAD;
        let mut list = |index: usize| -> Option<Option<u64>> {
            let Some(count) = self.number(index).checked_sub(1) else { return Some(None) };
            let begin = base.checked_add(u64::try_from(into.len()).ok()?)?;
            for _ in 0..count {
                let number = self.get(at);
                at = at.checked_add(1)?;
                let new = number & NEW != 0;
                let address = if new { strings.checked_add(number & !NEW)? } else { number };
                push(into, address, word)?;
            }
            push(into, 0, word)?;
            Some(Some(begin))
        };
        let (argv, envp) = (list(1)?, list(2)?);
        let path = self.number(0).checked_sub(1).map(|offset| u64::try_from(offset).ok());
        let path = match path {
            Some(offset) => Some(strings.checked_add(offset?)?),
            None => None,
        };
        let begin = at.checked_mul(NUMBER)?;
        into.extend_from_slice(self.0.get(begin..begin.checked_add(self.number(3))?)?);
        Some(Addresses { path, argv, envp })
    }

    /// Bytes of both lists.
    fn lists(&self, word: usize) -> usize {
        self.number(1).saturating_add(self.number(2)).saturating_mul(word)
    }

    fn put(&mut self, at: usize, number: u64) -> Option<()> {
        let begin = at.checked_mul(NUMBER)?;
        self.0.get_mut(begin..begin.checked_add(NUMBER)?)?.copy_from_slice(&number.to_ne_bytes());
        Some(())
    }

    fn get(&self, at: usize) -> u64 {
        let begin = at.saturating_mul(NUMBER);
        let bytes = self.0.get(begin..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    fn number(&self, at: usize) -> usize {
        usize::try_from(self.get(at)).unwrap_or(0)
    }
}

/// Appends an address in the order and size of the thread's pointers.
fn push(bytes: &mut Vec<u8>, address: u64, word: usize) -> Option<()> {
    if word == 8 {
        bytes.extend_from_slice(&address.to_ne_bytes());
    } else {
        bytes.extend_from_slice(&u32::try_from(address).ok()?.to_ne_bytes());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_becomes_lists_and_strings_at_any_address() {
        let mut plan = Plan::new().expect("memory");
        assert!(!plan.changes());
        let argv = [Word::New(2), Word::At(0x500)];
        plan.set(Some(0), Some(&argv), None, b"p\0x\0").expect("short");
        assert!(plan.changes());
        let mut bytes = Vec::new();
        assert_eq!(plan.length(4), 16);
        let addresses = plan.bytes(0x1000, 4, &mut bytes).expect("short");
        assert_eq!(addresses, Addresses { path: Some(0x100c), argv: Some(0x1000), envp: None });
        let wanted = [0x100e_u32, 0x500, 0].map(u32::to_ne_bytes).concat();
        assert_eq!(bytes, [wanted, b"p\0x\0".to_vec()].concat());
        assert_eq!(plan.length(8), 28);

        plan.set(None, None, Some(&[]), b"").expect("short");
        assert!(plan.changes(), "an empty environment is another one");
        let addresses = plan.bytes(0x1000, 8, &mut bytes).expect("short");
        assert_eq!((addresses.envp, bytes.as_slice()), (Some(0x1000), &[0; 8][..]));
        // What no program can have is the kernel's to refuse.
        assert!(plan.set(None, Some(&[Word::At(u64::MAX)]), None, b"").is_none());
    }

    #[test]
    fn a_plan_with_more_words_than_it_has_room_for_is_none() {
        for list in [1, 2] {
            let mut plan = Plan::new().expect("memory");
            plan.put(list, (SIZE / NUMBER + 1) as u64).expect("room");
            assert_eq!(plan.bytes(0x1000, 8, &mut Vec::new()), None);
        }
    }
}
