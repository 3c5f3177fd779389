//! Gives the pages of the program itself back while nothing runs.
//!
//! Around every page of a program that runs, the kernel maps its neighbours that happen to be in its cache (Linux's
//! `fault_around_bytes`, 64 KiB), and mapped text is what it takes back last. So most of the program counts as the
//! agent's for ever because it started once. Given back, the pages stay in the cache as long as nobody needs their
//! place, and what is needed again is mapped again.

use std::ffi::{c_int, c_void};
use std::ops::Range;

/// Unmaps the program's pages that are never written; they come back from its file when they are used. A debugger's
/// breakpoints go with them.
pub fn give_back() {
    advise(libc::MADV_DONTNEED);
}

/// Bytes of a page of memory.
pub(crate) fn page_size() -> usize {
    // SAFETY: asks for nothing of its caller.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Advice is all it is: what the kernel makes of it is its business, so errors are of no interest.
fn advise(advice: c_int) {
    let mut text: Vec<Range<usize>> = Vec::new();
    // SAFETY: the function gets the vector, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(of_program), (&raw mut text).cast()) };
    for pages in text {
        let start = std::ptr::with_exposed_provenance_mut(pages.start);
        // SAFETY: these pages belong to segments that are never writable, so that their file has all that is in them.
        unsafe { libc::madvise(start, pages.len(), advice) };
    }
}

/// Notes the whole pages of segments that are not writable, of the first object, which is the program. What is relocated
/// lies in segments that are writable while that happens, and count as such.
unsafe extern "C" fn of_program(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    found: *mut c_void,
) -> c_int {
    // SAFETY: `dl_iterate_phdr` gives a valid object with so many headers; `found` is the vector of `advise`.
    let (base, headers, found) = unsafe {
        let object = &*object;
        let headers = std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum));
        (object.dlpi_addr, headers, &mut *found.cast::<Vec<Range<usize>>>())
    };
    let page = page_size();
    let constant =
        headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0);
    found.extend(constant.filter_map(|header| {
        let start = usize::try_from(base + header.p_vaddr).ok()?;
        let end = start + usize::try_from(header.p_memsz).ok()?;
        Some(start.next_multiple_of(page)..end / page * page)
    }));
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resident KiB of what is mapped from this program and cannot be written, as `/proc/self/smaps` has it.
    fn resident() -> u64 {
        let program = std::env::current_exe().unwrap();
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut constant = false;
        let mut sum = 0;
        for line in smaps.lines() {
            if line.contains(" r-xp ") || line.contains(" r--p ") {
                constant = line.ends_with(program.to_str().unwrap());
            } else if line.split(' ').nth(1).is_some_and(|flags| flags.len() == 4 && flags.ends_with('p')) {
                constant = false;
            } else if let Some(kib) = line.strip_prefix("Rss:").filter(|_| constant) {
                sum += kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
            }
        }
        sum
    }

    #[test]
    fn what_was_mapped_is_given_back_and_comes_again() {
        advise(libc::MADV_POPULATE_READ);
        let before = resident();
        give_back();
        let after = resident();
        assert!(after < before / 2, "{after} of {before} KiB are left");
        advise(libc::MADV_POPULATE_READ);
        assert!(resident() > before / 2, "the program is whole");
    }
}
