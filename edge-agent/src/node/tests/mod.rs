//! The whole node but its transport: real files, the real engine, the real journal, and a control plane that is the
//! other half of the link.

#![cfg(feature = "compiler")]

mod end_to_end;
mod membership;
mod restart;
mod world;

use world::{Module, World};
