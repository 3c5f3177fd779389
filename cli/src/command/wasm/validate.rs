//! `bacalhau wasm validate`

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bacalhau_agent::executor::wasm::{self, Found};
use bacalhau_protocol::api::decode::{self, Decoded};
use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::data_url::InlineUrl;
use bacalhau_protocol::spec::inline::InlineSource;
use bacalhau_protocol::spec::wasm::{DEFAULT_ENTRYPOINT, WasmSpec};
use clap::Args;

use crate::flags::environment;
use crate::job_file::source::Source;
use crate::{job_file, output};

/// Tells what would keep a module from running on a node, without a server and without running it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Validate {
    /// A module, or a job file with the modules it takes along
    #[arg(value_name = "MODULE|JOB")]
    file: PathBuf,
    /// Exported function that is to be called [default: what the job says, or _start]
    #[arg(long, value_name = "NAME")]
    entry_point: Option<String>,
    /// A module to import, and the name it is imported by; may be repeated
    #[arg(short = 'I', long, value_name = "FILE:NAME")]
    import_modules: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  bacalhau wasm validate ./main.wasm
  bacalhau wasm validate -I ./lib.wasm:lib --entry-point run ./main.wasm
  bacalhau wasm validate job.yaml";

/// Largest module that a node reads, bytes.
const MAX_MODULE_BYTES: u64 = 128 << 20;

/// A module by the names others import it by.
#[derive(Debug)]
struct Brought {
    names: [String; 2],
    /// None when it is fetched where the task runs.
    wasm: Option<Vec<u8>>,
}

impl Validate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let problems = if is_module(&self.file)? { self.module()? } else { self.jobs()? };
        if !problems.is_empty() {
            bail!("{} is not valid:\n  {}", self.file.display(), problems.join("\n  "));
        }
        output::print("OK\n")?;
        Ok(ExitCode::SUCCESS)
    }

    fn module(&self) -> anyhow::Result<Vec<String>> {
        let module = read(&self.file)?;
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let entrypoint = self.entry_point.as_deref().unwrap_or(DEFAULT_ENTRYPOINT);
        let brought = self.brought()?;
        Ok(wasm::problems(&name, &module, entrypoint, |wanted| find(&brought, wanted))?)
    }

    fn jobs(&self) -> anyhow::Result<Vec<String>> {
        let source = Source::read(Some(&self.file))?;
        let mut problems = Vec::new();
        for file in job_file::read_all(&source.text, &source.base)? {
            file.warnings.iter().for_each(|warning| output::warn(warning));
            let job = decode::decode(&file.job, &decode::Defaults::default())?;
            problems.extend(self.job(&job)?);
        }
        Ok(problems)
    }

    fn job(&self, job: &Decoded) -> anyhow::Result<Vec<String>> {
        let task = &job.spec.task;
        if !task.engine.is(wasm::KIND) {
            bail!(
                "the task {:?} runs on {}, not on wasm; try bacalhau job validate",
                task.name,
                task.engine.kind
            );
        }
        let spec = WasmSpec::parse(&task.engine)?;
        let mut brought = self.brought()?;
        brought.extend(task.inputs.iter().map(|input| Brought {
            names: [input.alias.clone(), input.target.clone()],
            wasm: content(&input.source, job),
        }));
        let entrypoint = self.entry_point.as_deref().unwrap_or(&spec.entrypoint);
        match find(&brought, &spec.entry_module) {
            Found::Module(entry) => {
                Ok(wasm::problems(&spec.entry_module, entry, entrypoint, |wanted| find(&brought, wanted))?)
            }
            _ => bail!(
                "the module {:?} is fetched where the task runs; give its file to validate it",
                spec.entry_module
            ),
        }
    }

    fn brought(&self) -> anyhow::Result<Vec<Brought>> {
        let texts =
            environment::list("-I, --import-modules", &self.import_modules).map_err(anyhow::Error::msg)?;
        let bring = |text: &String| {
            let (path, name) = text.rsplit_once(':').with_context(|| {
                format!("import module {text:?}: expected FILE:NAME, as in ./lib.wasm:lib")
            })?;
            Ok(Brought { names: [name.to_owned(), String::new()], wasm: Some(read(Path::new(path))?) })
        };
        texts.iter().map(bring).collect()
    }
}

/// A module says so in its first bytes; a job file is text.
fn is_module(path: &Path) -> anyhow::Result<bool> {
    let mut magic = Vec::new();
    open(path)?.take(4).read_to_end(&mut magic).with_context(|| format!("reading {}", path.display()))?;
    Ok(magic == b"\0asm" || path.extension().is_some_and(|extension| extension == "wasm"))
}

fn open(path: &Path) -> anyhow::Result<File> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    if file.metadata()?.is_dir() {
        bail!("{} is a directory; name a module or a job file in it", path.display());
    }
    Ok(file)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read: io::Result<usize> = open(path)?.take(MAX_MODULE_BYTES + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("reading {}", path.display()))?;
    if bytes.len() as u64 > MAX_MODULE_BYTES {
        bail!("{} has more than {MAX_MODULE_BYTES} bytes; no node takes it", path.display());
    }
    Ok(bytes)
}

/// What an inline input holds, wherever the job keeps it.
fn content(source: &SpecConfig, job: &Decoded) -> Option<Vec<u8>> {
    let inline = source.is("inline").then(|| InlineSource::parse(source).ok()).flatten()?;
    if inline.is_archive() {
        return None;
    }
    match inline.url {
        InlineUrl::Data(data) => Some(data.bytes),
        InlineUrl::Blob(blob) => job.blobs.get(&blob.hash).cloned(),
    }
}

/// By its name, or by a path inside an input that is only there when the task runs.
fn find<'a>(brought: &'a [Brought], wanted: &str) -> Found<'a> {
    let path = |text: &str| text.trim_matches('/').to_owned();
    let is_called = |brought: &&Brought| {
        let [alias, target] = &brought.names;
        alias == wanted || !target.is_empty() && path(target) == path(wanted)
    };
    let is_inside = |brought: &&Brought| {
        brought.wasm.is_none() && path(wanted).starts_with(&format!("{}/", path(&brought.names[1])))
    };
    match brought.iter().find(is_called).or_else(|| brought.iter().find(is_inside)) {
        Some(Brought { wasm: Some(wasm), .. }) => Found::Module(wasm),
        Some(_) => Found::Elsewhere,
        None => Found::Nowhere,
    }
}
