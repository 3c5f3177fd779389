//! Golden plans ([`scenario`]) and properties ([`properties`]) over one small simulated world.

mod properties;
mod scenario;
pub(super) mod world;
