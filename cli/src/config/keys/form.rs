//! Texts that must look like something.

use bacalhau_protocol::quantity::{self, Share};

/// What a text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A path of this machine.
    Path,
    /// `http://` or `https://`.
    Url,
    /// Cores: `0.5`, `500m`.
    Cpu,
    /// Bytes: `512Mb`, `1Gi`.
    Memory,
    /// Bytes: `10Gb`.
    Disk,
    /// A whole number.
    Gpu,
    /// A percentage, or cores.
    CpuShare,
    /// A percentage, or bytes.
    MemoryShare,
    /// A percentage, or bytes.
    DiskShare,
    /// A percentage, or a whole number.
    GpuShare,
}

impl Form {
    /// Says why a text is not of this form.
    pub fn check(self, text: &str) -> Result<(), String> {
        let told = |result: Result<(), quantity::InvalidQuantity>| result.map_err(|error| error.to_string());
        let share = |result: Result<Share, quantity::InvalidShare>| {
            result.map(drop).map_err(|error| error.to_string())
        };
        match self {
            Self::Path if text.contains('\0') => Err("a path holds no NUL character".into()),
            Self::Path => Ok(()),
            Self::Url if text.starts_with("http://") || text.starts_with("https://") => Ok(()),
            Self::Url => Err(format!("expected a URL with http:// or https://, found {text:?}")),
            Self::Cpu => told(quantity::cpu_millis(text).map(drop)),
            Self::Memory => told(quantity::bytes("memory", text).map(drop)),
            Self::Disk => told(quantity::bytes("disk", text).map(drop)),
            Self::Gpu => told(quantity::gpus(text).map(drop)),
            Self::CpuShare => share(Share::cpu(text)),
            Self::MemoryShare => share(Share::memory(text)),
            Self::DiskShare => share(Share::disk(text)),
            Self::GpuShare => share(Share::gpu(text)),
        }
    }

    /// How people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Url => "URL",
            Self::Cpu => "cores",
            Self::Memory | Self::Disk => "bytes",
            Self::Gpu => "count",
            Self::CpuShare => "percentage or cores",
            Self::MemoryShare | Self::DiskShare => "percentage or bytes",
            Self::GpuShare => "percentage or count",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_wrong_form_are_refused() {
        for (form, good, bad) in [
            (Form::Url, "https://probe/x", "probe"),
            (Form::Cpu, "500m", "half"),
            (Form::Memory, "512Mb", "512 apples"),
            (Form::Disk, "1Ti", "-1"),
            (Form::Gpu, "2", "0.5"),
            (Form::CpuShare, "80%", "120%"),
            (Form::MemoryShare, "4Gi", "x%"),
            (Form::DiskShare, "12.5%", "%"),
            (Form::GpuShare, "1", "all"),
        ] {
            assert_eq!(form.check(good), Ok(()), "{form:?}");
            assert!(form.check(bad).is_err(), "{form:?}");
        }
    }
}
