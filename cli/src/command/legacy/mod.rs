//! Commands as they were called before they had groups: `bacalhau list` for `bacalhau job list`, and so on. Documents and
//! scripts still use them; each file holds what differs from its successor.

mod cancel;
mod create;
mod describe;
mod id;
mod list;
mod validate;

pub use cancel::Cancel;
pub use create::Create;
pub use describe::Describe;
pub use id::Id;
pub use list::List;
pub use validate::Validate;
