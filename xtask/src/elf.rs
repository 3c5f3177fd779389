//! Just enough of the ELF format to know whether a binary starts on a device that has none of our libraries.

use anyhow::{Context, Result, bail, ensure};

/// What the headers of an executable say about where it runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) machine: Machine,
    pub(crate) bits: u8,
    /// No dynamic loader is asked for, so nothing has to be installed beside the binary.
    pub(crate) is_static: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    Aarch64,
    Arm,
    Riscv64,
    X86_64,
}

impl Machine {
    /// The names used in `cross/targets.txt`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::Arm => "arm",
            Self::Riscv64 => "riscv64",
            Self::X86_64 => "x86-64",
        }
    }

    fn from_number(number: u64) -> Result<Self> {
        match number {
            40 => Ok(Self::Arm),
            62 => Ok(Self::X86_64),
            183 => Ok(Self::Aarch64),
            243 => Ok(Self::Riscv64),
            other => bail!("ELF machine {other} is none we build for"),
        }
    }
}

/// Reads the headers of a little-endian executable.
pub(crate) fn summarise(file: &[u8]) -> Result<Summary> {
    ensure!(file.starts_with(b"\x7fELF"), "not an ELF file");
    ensure!(file.get(5) == Some(&LITTLE_ENDIAN), "not a little-endian ELF file");
    let layout = Layout::of_class(*file.get(4).context("the file ends in its first header")?)?;
    let mut is_static = true;
    for index in 0..number(file, layout.header_count, 2)? {
        let start = number(file, layout.headers_offset, layout.word)? + index * layout.header_size;
        is_static &= number(file, start, 4)? != PT_INTERP;
    }
    Ok(Summary { machine: Machine::from_number(number(file, 18, 2)?)?, bits: layout.bits, is_static })
}

/// Offsets and sizes that differ between the 32-bit and 64-bit forms.
struct Layout {
    bits: u8,
    word: usize,
    headers_offset: u64,
    header_count: u64,
    header_size: u64,
}

impl Layout {
    fn of_class(class: u8) -> Result<Self> {
        match class {
            1 => Ok(Self { bits: 32, word: 4, headers_offset: 28, header_count: 44, header_size: 32 }),
            2 => Ok(Self { bits: 64, word: 8, headers_offset: 32, header_count: 56, header_size: 56 }),
            other => bail!("ELF class {other} is unknown"),
        }
    }
}

/// The little-endian number of `width` bytes at `offset`.
fn number(file: &[u8], offset: u64, width: usize) -> Result<u64> {
    let start = usize::try_from(offset)?;
    let bytes = start
        .checked_add(width)
        .and_then(|end| file.get(start..end))
        .context("the file ends in its headers")?;
    Ok(bytes.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}

const LITTLE_ENDIAN: u8 = 1;
const PT_INTERP: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-bit executable with one program header of the given kind.
    fn executable(machine: u8, header_kind: u8) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18] = machine;
        file[32] = 64;
        file[56] = 1;
        file[64] = header_kind;
        file
    }

    #[test]
    fn without_an_interpreter_a_binary_is_static() {
        let summary = summarise(&executable(183, 1)).unwrap();
        assert_eq!(summary, Summary { machine: Machine::Aarch64, bits: 64, is_static: true });
    }

    #[test]
    fn with_an_interpreter_it_is_not() {
        assert!(!summarise(&executable(62, 3)).unwrap().is_static);
    }

    #[test]
    fn foreign_and_cut_files_are_errors() {
        assert!(summarise(b"#!/bin/sh").is_err());
        assert!(summarise(&executable(8, 1)).is_err());
        assert!(summarise(&executable(62, 1)[..60]).is_err());
    }
}
