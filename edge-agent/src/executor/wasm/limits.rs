//! The memory a guest may have, over all its memories and tables together.

use wasmtime::ResourceLimiter;

/// Most bytes a guest gets when the task names no limit: what 32-bit addresses can reach.
pub(super) const UNLIMITED_BYTES: u64 = 4 << 30;

const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();
const MAX_INSTANCES: usize = 64;
const WASM_PAGE_BYTES: u64 = 64 << 10;

/// A guest asked for more than it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "memory limit exceeded: the module wanted {wanted_bytes} bytes, the task may use {limit_bytes}; \
     ask for more in Resources.Memory"
)]
pub(super) struct MemoryLimitExceeded {
    wanted_bytes: u64,
    limit_bytes: u64,
}

/// Counts what a guest was given. Going over the limit ends the guest: programs in C ignore a failed allocation and
/// go on at address zero, which WebAssembly does not forbid.
pub(super) struct MemoryBudget {
    limit_bytes: u64,
    used_bytes: u64,
    // What the growth under way would add, to be taken back if the system refuses it.
    pending_bytes: u64,
}

impl MemoryBudget {
    /// A budget of `limit_bytes`, rounded up to whole WebAssembly pages.
    pub(super) fn new(limit_bytes: Option<u64>) -> Self {
        let limit = limit_bytes.filter(|&limit| limit > 0).unwrap_or(UNLIMITED_BYTES);
        Self {
            limit_bytes: limit.div_ceil(WASM_PAGE_BYTES) * WASM_PAGE_BYTES,
            used_bytes: 0,
            pending_bytes: 0,
        }
    }

    fn grow(
        &mut self,
        from: usize,
        to: usize,
        maximum: Option<usize>,
        unit: usize,
    ) -> wasmtime::Result<bool> {
        self.pending_bytes = 0;
        if maximum.is_some_and(|maximum| to > maximum) {
            return Ok(false);
        }
        self.take(to.saturating_sub(from).saturating_mul(unit))?;
        Ok(true)
    }

    fn take(&mut self, bytes: usize) -> Result<(), MemoryLimitExceeded> {
        let wanted_bytes = self.used_bytes.saturating_add(bytes as u64);
        if wanted_bytes > self.limit_bytes {
            return Err(MemoryLimitExceeded { wanted_bytes, limit_bytes: self.limit_bytes });
        }
        self.used_bytes = wanted_bytes;
        self.pending_bytes = bytes as u64;
        Ok(())
    }

    fn give_back(&mut self) {
        self.used_bytes = self.used_bytes.saturating_sub(std::mem::take(&mut self.pending_bytes));
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired, maximum, 1)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired, maximum, TABLE_ELEMENT_BYTES)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_INSTANCES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 << 10;

    #[test]
    fn all_memories_and_tables_share_one_limit() {
        let mut budget = MemoryBudget::new(Some(3 * PAGE as u64));
        assert!(budget.memory_growing(0, PAGE, None).unwrap());
        assert!(budget.memory_growing(0, PAGE, None).unwrap());
        assert!(budget.table_growing(0, PAGE / TABLE_ELEMENT_BYTES, None).unwrap());
        let error = budget.memory_growing(PAGE, 2 * PAGE, None).unwrap_err();
        assert_eq!(error.downcast_ref::<MemoryLimitExceeded>().unwrap().wanted_bytes, 4 * PAGE as u64);
    }

    #[test]
    fn a_limit_is_rounded_up_to_pages_and_zero_means_none() {
        assert_eq!(MemoryBudget::new(Some(1)).limit_bytes, PAGE as u64);
        assert_eq!(MemoryBudget::new(Some(0)).limit_bytes, UNLIMITED_BYTES);
        assert_eq!(MemoryBudget::new(None).limit_bytes, UNLIMITED_BYTES);
    }

    #[test]
    fn what_the_system_refused_is_not_counted() {
        let mut budget = MemoryBudget::new(Some(PAGE as u64));
        assert!(budget.memory_growing(0, PAGE, None).unwrap());
        budget.memory_grow_failed(wasmtime::Error::msg("no memory")).unwrap();
        assert!(budget.memory_growing(0, PAGE, None).unwrap());
    }

    #[test]
    fn a_module_may_run_into_its_own_maximum() {
        let mut budget = MemoryBudget::new(None);
        assert!(!budget.memory_growing(0, 2 * PAGE, Some(PAGE)).unwrap());
        assert_eq!(budget.used_bytes, 0);
    }
}
