//! `bacalhau wasm run`

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use bacalhau_protocol::api::{InputSource, SpecConfig};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::app::Context;
use crate::flags::environment;
use crate::flags::input::{self, Input};
use crate::flags::job::source;
use crate::flags::run::RunFlags;

/// Runs a WebAssembly module.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// A file of this machine, a URI, or the target of an --input
    #[arg(value_name = "ENTRY-MODULE")]
    module: String,
    /// Arguments of the program; those that look like flags stand behind --
    arguments: Vec<String>,
    /// Exported function to call
    #[arg(long, default_value = "_start", value_name = "NAME")]
    entry_point: String,
    /// A module to import: a file or URI with the name it is imported by behind a colon, or the target of an --input
    #[arg(short = 'I', long, alias = "import-module-volumes", value_name = "SOURCE:TARGET")]
    import_modules: Vec<String>,
    /// A module to import from a URL
    #[arg(short = 'U', long, value_name = "URL")]
    import_module_urls: Vec<String>,
    #[command(flatten)]
    run: RunFlags,
}

const EXAMPLES: &str = "\
Examples:
  bacalhau wasm run ./main.wasm
  bacalhau wasm run --target all -i file:///var/log:/logs ./summary.wasm -- --top 3
  bacalhau wasm run -i https://example.org/lib.wasm:/lib.wasm -I /lib.wasm https://example.org/main.wasm";

/// The server puts a module without a target where modules stand by default.
const ENTRY_TARGET: &str = "";

impl Run {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let job = self.job()?;
        Box::pin(self.run.run(context, &job)).await
    }

    fn job(&self) -> anyhow::Result<Value> {
        let inputs = self.run.task.inputs().map_err(anyhow::Error::msg)?;
        let imports =
            environment::list("-I, --import-modules", &self.import_modules).map_err(anyhow::Error::msg)?;
        let imports: Vec<Value> =
            imports.iter().map(|text| import(text, &inputs)).collect::<anyhow::Result<_>>()?;
        let urls = self.import_module_urls.iter().map(|url| import_url(url));
        let imports: Vec<Value> = imports.into_iter().map(Ok).chain(urls).collect::<anyhow::Result<_>>()?;
        let mut params = Map::new();
        params.insert("EntryModule".into(), entry(&self.module, &inputs)?);
        params.insert("Entrypoint".into(), json!(self.entry_point));
        params.insert("Parameters".into(), json!(self.arguments));
        if !imports.is_empty() {
            params.insert("ImportModules".into(), json!(imports));
        }
        let engine = SpecConfig { kind: "wasm".into(), params: Some(params) };
        let task = self.run.task.task(engine, Vec::new()).map_err(anyhow::Error::msg)?;
        self.run.job(&task)
    }
}

/// A URI, a file of this machine, the target of an input, or content of IPFS, in this order.
fn entry(text: &str, inputs: &[Input]) -> anyhow::Result<Value> {
    if input::is_uri(text) {
        return Ok(json!(source(input::parse(text, ENTRY_TARGET).map_err(anyhow::Error::msg)?)));
    }
    if Path::new(text).is_file() {
        return Ok(json!(embedded(Path::new(text), ENTRY_TARGET)?));
    }
    if let Some((path, target)) = text.rsplit_once(':').filter(|(path, _)| Path::new(path).is_file()) {
        return Ok(json!(embedded(Path::new(path), target)?));
    }
    if is_cid(text) {
        return Ok(json!(source(
            input::parse(&format!("ipfs://{text}"), ENTRY_TARGET).map_err(anyhow::Error::msg)?
        )));
    }
    named(text, inputs)
}

/// Whether the text is a content identifier of IPFS, version 0 or 1.
fn is_cid(text: &str) -> bool {
    let alphanumeric = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    alphanumeric && (text.starts_with("Qm") && text.len() == 46 || text.starts_with("baf") && text.len() > 50)
}

fn import(text: &str, inputs: &[Input]) -> anyhow::Result<Value> {
    if inputs.iter().any(|input| input.target == text) {
        return Ok(json!(text));
    }
    let (place, target) = match text.rsplit_once(':') {
        Some((place, target)) if !place.is_empty() && !target.starts_with("//") => (place, target),
        _ => bail!("import module {text:?} must specify a target path using the format 'path:target'"),
    };
    if input::is_uri(place) {
        let uri = format!("src={place},dst={target}");
        return Ok(json!(source(input::parse(&uri, target).map_err(anyhow::Error::msg)?)));
    }
    if Path::new(place).is_file() {
        return Ok(json!(embedded(Path::new(place), target)?));
    }
    if is_cid(place) {
        return Ok(json!(source(
            input::parse(&format!("src=ipfs://{place},dst={target}"), target).map_err(anyhow::Error::msg)?
        )));
    }
    named(place, inputs)
}

/// A module that is imported by its URL.
fn import_url(url: &str) -> anyhow::Result<Value> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        bail!("--import-module-urls {url:?}: expected an http or https URL");
    }
    Ok(json!(source(input::parse(&format!("src={url}"), ENTRY_TARGET).map_err(anyhow::Error::msg)?)))
}

fn embedded(path: &Path, target: &str) -> anyhow::Result<InputSource> {
    Ok(source(input::embedded(path, target)?))
}

fn named(text: &str, inputs: &[Input]) -> anyhow::Result<Value> {
    if inputs.iter().any(|input| input.target == text || input.alias == text) {
        return Ok(json!(text));
    }
    if Path::new(text).is_dir() {
        bail!("{text:?} is a directory; expected a WebAssembly module");
    }
    bail!(
        "there is no file {text:?} on this machine, and no --input has this target; expected a file, a URI or a target"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parsed::parsed;

    fn job(arguments: &[&str]) -> anyhow::Result<Value> {
        parsed::<Run>(arguments).unwrap().job()
    }

    #[test]
    fn a_local_module_comes_along() {
        let directory = tempfile::tempdir().unwrap();
        let module = directory.path().join("m.wasm");
        std::fs::write(&module, b"\0asm").unwrap();
        let job =
            job(&[module.to_str().unwrap(), "-i", "file:///var/log:/logs", "--", "--top", "3"]).unwrap();
        let task = &job["Tasks"][0];
        let params = &task["Engine"]["Params"];
        assert_eq!(params["EntryModule"]["Source"]["Params"]["URL"], "data:application/wasm;base64,AGFzbQ==");
        assert_eq!(params["EntryModule"]["Alias"], "m.wasm");
        assert_eq!(params["Parameters"], json!(["--top", "3"]));
        assert_eq!(task["InputSources"][0]["Target"], "/logs");
        assert_eq!((&task["Publisher"]["Type"], &task["Network"]["Type"]), (&json!("local"), &json!("None")));
        assert_eq!(task["ResultPaths"], json!([{"Name": "outputs", "Path": "/outputs"}]));
        assert_eq!((&job["Type"], &job["Count"]), (&json!("batch"), &json!(1)));
    }

    #[test]
    fn modules_may_come_from_inputs_and_uris() {
        let module = "https://example.org/m.wasm";
        let job_ = job(&["-I", "https://example.org/lib.wasm:lib", "--target", "all", module]).unwrap();
        let params = &job_["Tasks"][0]["Engine"]["Params"];
        assert_eq!(params["EntryModule"]["Source"]["Params"]["URL"], module);
        assert_eq!(params["EntryModule"]["Target"], ENTRY_TARGET);
        assert_eq!(params["ImportModules"][0]["Target"], "lib");
        assert_eq!(job_["Type"], "ops");
        let job_ = job(&["/m.wasm", "-i", "https://example.org/m.wasm:/m.wasm"]).unwrap();
        assert_eq!(job_["Tasks"][0]["Engine"]["Params"]["EntryModule"], "/m.wasm");
    }

    #[test]
    fn a_missing_module_is_said_to_be_missing() {
        assert!(
            job(&["./missing.wasm"]).unwrap_err().to_string().contains("there is no file \"./missing.wasm\"")
        );
        assert!(job(&["https://h/m.wasm", "-I", "lib"]).unwrap_err().to_string().contains("'path:target'"));
    }

    #[test]
    fn mistakes_in_flags_are_told() {
        let module = "https://example.org/m.wasm";
        for (flags, part) in [
            (["-i", "file:///a", "-i", "file:///b"], "two inputs have the target /inputs"),
            (["-i", "file:///a:/x", "-i", "file:///a:/y"], "is given twice"),
            (["--domain", "example.com", "--network", "none"], "HTTP network mode"),
            (["--constraints", "a=(", "-p", "local"], "a=("),
        ] {
            let error = job(&[&flags[..], &[module]].concat()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
