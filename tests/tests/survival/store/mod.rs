//! The control plane's embedded store.

mod kill;
mod power_cut;
mod workload;
