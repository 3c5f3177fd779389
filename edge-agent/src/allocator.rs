//! The C library's allocator of the static build, which Rust and C code share.
//!
//! The one that the cross compiler links writes into all memory that is asked for as zeroed, LMDB's two megabytes among
//! it, and keeps a slab of 64 KiB for each power of two and each thread. This one leaves fresh pages alone, joins what
//! is freed, and gives it back. Whoever replaces one of these functions must replace all.

use std::ffi::c_int;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dlmalloc::Dlmalloc;

use crate::program_text::page_size;

/// From this size on, memory is cleared by giving it back; below, a system call costs more than it saves.
const UNTOUCHED_BYTES: usize = 64 * 1024;

static HEAP: Mutex<Heap> = Mutex::new(Heap(Dlmalloc::new()));

struct Heap(Dlmalloc);

// SAFETY: its pointers lead into memory that belongs to no thread.
unsafe impl Send for Heap {}

/// Neither waiting nor the absence of waiting allocates.
fn heap() -> MutexGuard<'static, Heap> {
    HEAP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `malloc(3)`.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut u8 {
    // SAFETY: asks for nothing of its caller.
    or_errno(unsafe { heap().0.c_malloc(size) })
}

/// `calloc(3)`.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
    let Some(bytes) = count.checked_mul(size) else { return or_errno(null_mut()) };
    // SAFETY: asks for nothing of its caller; what it gives is ours to write.
    unsafe {
        let pointer = heap().0.c_malloc(bytes);
        if !pointer.is_null() {
            clear(pointer, bytes);
        }
        or_errno(pointer)
    }
}

/// Makes memory zero, without touching it where it is large: the kernel takes its pages back and gives empty ones when
/// they are used, if ever.
///
/// # Safety
///
/// The memory lies in the heap, which is private and anonymous, and belongs to the caller.
unsafe fn clear(pointer: *mut u8, bytes: usize) {
    let head = pointer.align_offset(page_size()).min(bytes);
    let whole = (bytes - head) / page_size() * page_size();
    // SAFETY: both parts and the pages in between lie within the caller's memory.
    unsafe {
        let pages = pointer.add(head);
        if whole < UNTOUCHED_BYTES || libc::madvise(pages.cast(), whole, libc::MADV_DONTNEED) != 0 {
            return pointer.write_bytes(0, bytes);
        }
        pointer.write_bytes(0, head);
        pages.add(whole).write_bytes(0, bytes - head - whole);
    }
}

/// `realloc(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(pointer: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise; all functions that make such pointers are here.
    or_errno(unsafe { heap().0.c_realloc(pointer, size) })
}

/// `reallocarray(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn reallocarray(pointer: *mut u8, count: usize, size: usize) -> *mut u8 {
    match count.checked_mul(size) {
        // SAFETY: as for `realloc`.
        Some(bytes) => unsafe { realloc(pointer, bytes) },
        None => or_errno(null_mut()),
    }
}

/// `free(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(pointer: *mut u8) {
    // SAFETY: as for `realloc`.
    unsafe { heap().0.c_free(pointer) }
}

/// `aligned_alloc(3)`.
#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut u8 {
    or_errno(aligned(alignment, size))
}

/// `memalign(3)`.
#[unsafe(no_mangle)]
extern "C" fn memalign(alignment: usize, size: usize) -> *mut u8 {
    or_errno(aligned(alignment, size))
}

/// `posix_memalign(3)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(pointer: *mut *mut u8, alignment: usize, size: usize) -> c_int {
    if !alignment.is_power_of_two() || alignment < size_of::<usize>() {
        return libc::EINVAL;
    }
    let memory = aligned(alignment, size);
    if memory.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: the caller's promise.
    unsafe { pointer.write(memory) };
    0
}

fn aligned(alignment: usize, size: usize) -> *mut u8 {
    if !alignment.is_power_of_two() {
        return null_mut();
    }
    // SAFETY: the alignment is a power of two.
    unsafe { heap().0.c_memalign(alignment, size) }
}

fn or_errno(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        // SAFETY: the thread's own variable.
        unsafe { *libc::__errno_location() = libc::ENOMEM };
    }
    pointer
}
