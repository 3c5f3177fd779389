//! Tells what keeps a module from running, without running any of it.

use std::collections::BTreeMap;

use wasmtime::{Engine, ExternType, FuncType, ImportType, Linker, Module, Store, ValType};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::binary;
use super::engine::{examining_engine, host_profile};
use super::error::Error;
use super::guest::{WASI_MODULE, check_entrypoint};

/// A module that another one imports from.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// Here it is.
    Module(&'a [u8]),
    /// It will be there when the task runs.
    Elsewhere,
    /// Nothing brings it.
    Nowhere,
}

/// Everything that would make a node refuse the module `entry`, called `name`, or fail to link it. `find` knows the
/// modules that come with it.
pub fn problems<'a>(
    name: &str,
    entry: &[u8],
    entrypoint: &str,
    find: impl Fn(&str) -> Found<'a>,
) -> Result<Vec<String>, Error> {
    let mut examiner = Examiner::new()?;
    let Some(module) = examiner.load(name, entry) else { return Ok(examiner.problems) };
    if let Err(error) = check_entrypoint(name, &module, entrypoint) {
        examiner.problems.push(error.to_string());
    }
    let mut waiting = vec![(name.to_owned(), module)];
    while let Some((name, module)) = waiting.pop() {
        for import in module.imports() {
            waiting.extend(examiner.import(&name, &import, &find));
        }
    }
    Ok(examiner.problems)
}

struct Examiner {
    engine: Engine,
    linker: Linker<WasiP1Ctx>,
    store: Store<WasiP1Ctx>,
    // By name; none where nothing more can be said.
    providers: BTreeMap<String, Option<Module>>,
    problems: Vec<String>,
}

impl Examiner {
    fn new() -> Result<Self, Error> {
        let profile = host_profile()
            .ok_or_else(|| Error::Engine("modules do not run on this kind of processor".to_owned()))?;
        let failed = |error: wasmtime::Error| Error::Engine(format!("{error:#}"));
        let engine = examining_engine(&profile).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p1::add_to_linker_async(&mut linker, |wasi: &mut WasiP1Ctx| wasi).map_err(failed)?;
        let store = Store::new(&engine, WasiCtxBuilder::new().build_p1());
        Ok(Self { engine, linker, store, providers: BTreeMap::new(), problems: Vec::new() })
    }

    fn load(&mut self, name: &str, wasm: &[u8]) -> Option<Module> {
        let loaded = binary::check(name, wasm).map_err(|error| error.to_string()).and_then(|()| {
            Module::new(&self.engine, wasm).map_err(|error| format!("module {name:?}: {error:#}"))
        });
        loaded.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// Looks at one import of `name`. Gives back the module behind it when it was not known before.
    fn import<'a>(
        &mut self,
        name: &str,
        import: &ImportType<'_>,
        find: &impl Fn(&str) -> Found<'a>,
    ) -> Option<(String, Module)> {
        let from = import.module();
        if from == WASI_MODULE {
            let found = self.linker.get_by_import(&mut self.store, import).map(|found| found.ty(&self.store));
            self.compare(name, import, found);
            return None;
        }
        let new = (!self.providers.contains_key(from)).then(|| self.provide(name, from, find)).flatten();
        if let Some(Some(provider)) = self.providers.get(from) {
            let found = provider.get_export(import.name());
            self.compare(name, import, found);
        }
        new.map(|module| (from.to_owned(), module))
    }

    fn provide<'a>(&mut self, name: &str, from: &str, find: &impl Fn(&str) -> Found<'a>) -> Option<Module> {
        let module = match find(from) {
            Found::Module(wasm) => self.load(from, wasm),
            Found::Elsewhere => None,
            Found::Nowhere => {
                self.problems.push(format!("module {from:?}, needed by {name}, does not come along"));
                None
            }
        };
        self.providers.insert(from.to_owned(), module.clone());
        module
    }

    fn compare(&mut self, name: &str, import: &ImportType<'_>, found: Option<ExternType>) {
        let wanted = format!("'{}::{}' required by {name}", import.module(), import.name());
        match (import.ty(), found) {
            (_, None) => self.problems.push(format!("no export found for {wanted}")),
            (ExternType::Func(ours), Some(ExternType::Func(theirs))) if !theirs.matches(&ours) => {
                let (ours, theirs) = (signature(&ours), signature(&theirs));
                self.problems.push(format!("{wanted} is wanted as {ours}, but it is {theirs}"));
            }
            (ours, Some(theirs)) if std::mem::discriminant(&ours) != std::mem::discriminant(&theirs) => {
                self.problems.push(format!("{wanted} is something else than what is imported"));
            }
            _ => {}
        }
    }
}

/// `(i32, i64) -> (i32)`.
fn signature(function: &FuncType) -> String {
    let list = |types: &mut dyn Iterator<Item = ValType>| {
        types.map(|kind| kind.to_string()).collect::<Vec<_>>().join(", ")
    };
    format!("({}) -> ({})", list(&mut function.params()), list(&mut function.results()))
}
