//! One guest: its modules in the order they must be linked, then its world, then the call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::wasm::WasmSpec;
use wasmtime::{ExternType, Instance, Linker, Module, Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::executor::{Failure, FailureKind, HostPath, Mount, Outcome, TaskRun};

use super::error::Error;
use super::host::{Host, Stdio};
use super::limits::MemoryLimitExceeded;
use super::{KIND, Shared, binary, resolve};

/// What WASI programs import from; everything else is a module of the task.
pub(super) const WASI_MODULE: &str = "wasi_snapshot_preview1";
/// Most modules in one task.
const MAX_MODULES: usize = 32;

/// A guest that was checked as far as possible without running any of it.
pub(super) struct Guest<'a> {
    store: Store<Host>,
    /// Everybody's, or a copy to which the guest's own modules were added.
    linker: Cow<'a, Linker<Host>>,
    modules: Vec<LoadedModule>,
    entrypoint: String,
}

/// A module and the names under which later ones import it.
struct LoadedModule {
    module: Module,
    names: Vec<String>,
}

impl<'a> Guest<'a> {
    /// Loads the task's modules and builds its world. May wait for a compiler.
    pub(super) async fn prepare(shared: &'a Shared, run: &TaskRun, stdio: Stdio) -> Result<Self, Error> {
        let spec = WasmSpec::parse(&SpecConfig { kind: KIND.to_owned(), params: run.params.clone() })?;
        let runtime = shared.engine.get()?;
        let mut graph = ModuleGraph::new(shared, &run.inputs);
        for name in &spec.import_modules {
            graph.add(name).await?;
        }
        graph.add(&spec.entry_module).await?;
        let (modules, files) = graph.finish();
        if let Some(entry) = modules.last() {
            check_entrypoint(&spec.entry_module, &entry.module, &spec.entrypoint)?;
        }
        let host = Host::new(run, &spec.parameters, &files, stdio)?;
        let mut store = Store::new(&runtime.engine, host);
        store.limiter(|host| &mut host.budget);
        // Each new epoch makes a computing guest wait once, which is when a stop drops it.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let linker = Cow::Borrowed(&runtime.linker);
        Ok(Self { store, linker, modules, entrypoint: spec.entrypoint })
    }

    /// Runs it to its end. Dropping the future ends it at the next point where it waits or an epoch passes.
    pub(super) async fn run(mut self) -> Outcome {
        match self.link_and_call().await {
            Ok(()) => Outcome::Exited(0),
            Err(error) => outcome_of(&error),
        }
    }

    async fn link_and_call(&mut self) -> wasmtime::Result<()> {
        let mut last = None;
        let mut modules = std::mem::take(&mut self.modules).into_iter().peekable();
        while let Some(LoadedModule { module, names }) = modules.next() {
            let instance = self.linker.instantiate_async(&mut self.store, &module).await?;
            // Nobody imports the last one.
            for name in names.iter().filter(|_| modules.peek().is_some()) {
                self.linker.to_mut().instance(&mut self.store, name, instance)?;
            }
            self.initialize(instance).await?;
            last = Some(instance);
        }
        let instance = last.ok_or_else(|| wasmtime::Error::msg("a task without modules"))?;
        let entry = instance.get_typed_func::<(), ()>(&mut self.store, &self.entrypoint)?;
        entry.call_async(&mut self.store, ()).await
    }

    // Libraries ("reactors") set themselves up in this function, which WASI wants called before any other.
    async fn initialize(&mut self, instance: Instance) -> wasmtime::Result<()> {
        match instance.get_typed_func::<(), ()>(&mut self.store, "_initialize") {
            Ok(function) if self.entrypoint != "_initialize" => {
                function.call_async(&mut self.store, ()).await
            }
            _ => Ok(()),
        }
    }
}

/// Loads modules so that each comes after those it imports.
struct ModuleGraph<'a> {
    shared: &'a Shared,
    inputs: &'a [Mount],
    // By file; none while its imports are being loaded.
    index: BTreeMap<PathBuf, Option<usize>>,
    ordered: Vec<LoadedModule>,
}

enum Step {
    Enter { name: String, wanted_by: String },
    Leave { file: PathBuf, module: Module, names: Vec<String> },
}

impl<'a> ModuleGraph<'a> {
    fn new(shared: &'a Shared, inputs: &'a [Mount]) -> Self {
        Self { shared, inputs, index: BTreeMap::new(), ordered: Vec::new() }
    }

    /// Loads `name` and everything it imports that is not there yet.
    async fn add(&mut self, name: &str) -> Result<(), Error> {
        let mut steps = vec![Step::Enter { name: name.to_owned(), wanted_by: "the task".to_owned() }];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter { name, wanted_by } => self.enter(name, &wanted_by, &mut steps).await?,
                Step::Leave { file, module, names } => {
                    self.index.insert(file, Some(self.ordered.len()));
                    self.ordered.push(LoadedModule { module, names });
                }
            }
        }
        Ok(())
    }

    async fn enter(&mut self, name: String, wanted_by: &str, steps: &mut Vec<Step>) -> Result<(), Error> {
        let file = resolve::module_file(self.inputs, &name, wanted_by)?;
        match self.index.get(file.name()) {
            Some(Some(known)) => {
                let names = &mut self.ordered[*known].names;
                if !names.contains(&name) {
                    names.push(name);
                }
                return Ok(());
            }
            Some(None) => return Err(Error::ImportCycle(name)),
            None => {}
        }
        if self.index.len() == MAX_MODULES {
            return Err(Error::TooManyModules(MAX_MODULES));
        }
        let path = file.name().to_owned();
        self.index.insert(path.clone(), None);
        let module = self.load(&name, &file).await?;
        let wanted = imported_modules(&module);
        steps.push(Step::Leave { file: path, module, names: vec![name.clone()] });
        steps.extend(wanted.into_iter().map(|wanted| Step::Enter { name: wanted, wanted_by: name.clone() }));
        Ok(())
    }

    async fn load(&self, name: &str, file: &HostPath) -> Result<Module, Error> {
        let wasm = binary::read(name, file)?;
        self.shared.modules.module(&self.shared.engine.get()?.engine, name, &wasm).await
    }

    fn finish(self) -> (Vec<LoadedModule>, Vec<PathBuf>) {
        (self.ordered, self.index.into_keys().collect())
    }
}

fn imported_modules(module: &Module) -> Vec<String> {
    let mut names: Vec<String> = module
        .imports()
        .map(|import| import.module().to_owned())
        .filter(|name| name != WASI_MODULE)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Whether the function can be called from outside.
pub(super) fn check_entrypoint(name: &str, module: &Module, entrypoint: &str) -> Result<(), Error> {
    match module.get_export(entrypoint) {
        Some(ExternType::Func(function)) if function.params().len() == 0 && function.results().len() == 0 => {
            Ok(())
        }
        Some(ExternType::Func(_)) => Err(Error::EntrypointSignature(entrypoint.to_owned())),
        _ => Err(Error::NoEntrypoint {
            module: name.to_owned(),
            entrypoint: entrypoint.to_owned(),
            exports: exported_functions(module),
        }),
    }
}

fn exported_functions(module: &Module) -> String {
    const SHOWN: usize = 10;
    let functions = module.exports().filter(|export| matches!(export.ty(), ExternType::Func(_)));
    let names: Vec<String> = functions.take(SHOWN).map(|export| export.name().to_owned()).collect();
    if names.is_empty() { "no functions".to_owned() } else { names.join(", ") }
}

fn outcome_of(error: &wasmtime::Error) -> Outcome {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Outcome::Exited(*code);
    }
    let (kind, message) = if let Some(exceeded) = error.downcast_ref::<MemoryLimitExceeded>() {
        (FailureKind::OutOfMemory, exceeded.to_string())
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        (FailureKind::Program, format!("the module trapped: {trap}"))
    } else {
        (FailureKind::Program, format!("the module failed: {error:#}"))
    };
    Outcome::Failed(Failure { kind, message })
}
