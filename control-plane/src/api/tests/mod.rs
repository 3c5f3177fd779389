//! The API as clients meet it: HTTP on a loopback port, on a whole control plane over a store in memory.

mod archive;
mod auth;
mod door;
mod jobs;
mod logs;
mod nodes;
mod openapi;
mod recorded;
mod world;
