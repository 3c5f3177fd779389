//! Reads module files and tells modules from other things.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;

use crate::executor::HostPath;

use super::error::Error;

/// Largest module that is read, bytes.
pub(super) const MAX_MODULE_BYTES: u64 = 128 << 20;

/// Reads the module `name`, from memory if it came with the job.
pub(super) fn read(name: &str, host: &HostPath) -> Result<Bytes, Error> {
    let failed = |source| Error::ReadModule { path: host.name().to_owned(), source };
    let fits = |bytes| match bytes {
        0..=MAX_MODULE_BYTES => Ok(()),
        _ => Err(Error::ModuleTooLarge { name: name.to_owned(), bytes, limit: MAX_MODULE_BYTES }),
    };
    let wasm = match host {
        HostPath::Unmade { content, .. } => {
            fits(content.size().map_err(failed)?)?;
            content.bytes().map_err(failed)?
        }
        there => {
            let file = File::open(there.access()).map_err(failed)?;
            fits(file.metadata().map_err(failed)?.len())?;
            read_file(file).map_err(failed)?
        }
    };
    check(name, &wasm)?;
    Ok(wasm)
}

/// No more than a module may have, should the file grow meanwhile.
fn read_file(file: File) -> io::Result<Bytes> {
    let mut wasm = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or_default());
    file.take(MAX_MODULE_BYTES).read_to_end(&mut wasm)?;
    Ok(wasm.into())
}

/// Says what `bytes` are if they are no core module; everything behind the header is the compiler's business.
pub(super) fn check(name: &str, bytes: &[u8]) -> Result<(), Error> {
    match bytes.get(..8) {
        Some(b"\0asm\x01\0\0\0") => Ok(()),
        Some([b'\0', b'a', b's', b'm', _, _, 1, 0]) => Err(Error::Component(name.to_owned())),
        _ => Err(Error::NotWasm { name: name.to_owned(), begin: begin(bytes) }),
    }
}

fn begin(bytes: &[u8]) -> String {
    match bytes {
        [] => "nothing".to_owned(),
        _ => bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_modules_from_components_and_other_files() {
        assert!(check("m", b"\0asm\x01\0\0\0rest").is_ok());
        let refused = |bytes: &[u8]| check("m", bytes).unwrap_err().to_string();
        assert!(refused(b"\0asm\x0d\0\x01\0").contains("component"));
        assert!(refused(b"#!/bin/sh\n").contains("begins with 23 21 2f 62"));
        assert!(refused(b"\0asm").contains("begins with 00 61 73 6d,"));
        assert!(refused(b"").contains("begins with nothing"));
    }
}
