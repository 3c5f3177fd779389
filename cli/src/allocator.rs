//! Memory for the control plane and everything else in this program.
//!
//! A job's few hundred pieces of memory are taken on one thread and freed on another. The C library's allocator then needs a
//! sixth of the processor and its threads wait for each other; docs/benchmarks.md has what this one saves.

use std::ffi::c_char;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What jemalloc reads when it starts, see its manual: four arenas however many processors there are, and what nobody has
/// used for a second goes back to the system as soon as its arena is used again. So does its address space, of which the
/// process that compiles a module has little.
#[unsafe(export_name = "_rjem_malloc_conf")]
static SETTINGS: Settings = Settings(c"narenas:4,dirty_decay_ms:1000,muzzy_decay_ms:0,retain:false".as_ptr());

/// As C declares it.
#[repr(transparent)]
struct Settings(*const c_char);

// SAFETY: it leads to a constant.
unsafe impl Sync for Settings {}
