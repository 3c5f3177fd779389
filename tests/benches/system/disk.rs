//! What one durable commit costs at least: a block written again and synced.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::now;

const BLOCK_BYTES: usize = 4096;
const BLOCKS: u64 = 256;

/// A file of the disk that is measured.
pub(crate) struct Disk {
    file: File,
    turn: u64,
}

impl Disk {
    pub(crate) fn of(directory: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(directory).context("making a file to sync")?;
        (0..BLOCKS).try_for_each(|block| write(&file, block))?;
        file.sync_all()?;
        Ok(Self { file, turn: 0 })
    }

    /// Rewrites a block and waits for it. Blocks the thread.
    pub(crate) fn sync(&mut self) -> Result<Duration> {
        let began = now();
        write(&self.file, self.turn % BLOCKS)?;
        self.file.sync_data()?;
        self.turn += 1;
        Ok(began.elapsed())
    }
}

fn write(file: &File, block: u64) -> std::io::Result<()> {
    file.write_all_at(&[1; BLOCK_BYTES], block * BLOCK_BYTES as u64)
}
