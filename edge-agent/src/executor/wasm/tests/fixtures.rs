//! Small modules as text.

/// Text to bytes.
pub(super) fn assemble(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

/// A command with the WASI functions the tests use, helpers, and `body` as its `_start`.
///
/// `$print(address, length)` writes to stdout. `$open(descriptor, path, length, create, rights)` opens below a mounted
/// directory (3 is the first) and ends the program with the error code if that fails.
pub(super) fn command(data: &str, body: &str) -> String {
    format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "path_open"
            (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 2)
          {data}
          (func $write (param $fd i32) (param $address i32) (param $length i32)
            (i32.store (i32.const 0) (local.get $address))
            (i32.store (i32.const 4) (local.get $length))
            (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
          (func $print (param $address i32) (param $length i32)
            (call $write (i32.const 1) (local.get $address) (local.get $length)))
          (func $open (param $dir i32) (param $path i32) (param $length i32) (param $create i32) (param $rights i64)
              (result i32)
            (local $error i32)
            (local.set $error (call $path_open (local.get $dir) (i32.const 1) (local.get $path) (local.get $length)
              (local.get $create) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 16)))
            (if (local.get $error) (then (call $exit (local.get $error))))
            (i32.load (i32.const 16)))
          (func (export "_start") {body}))"#
    )
}

/// Prints `text` and ends.
pub(super) fn hello(text: &str) -> String {
    command(
        &format!(r#"(data (i32.const 100) "{text}")"#),
        &format!("(call $print (i32.const 100) (i32.const {}))", text.len()),
    )
}

/// Ends with `code`.
pub(super) fn exits(code: i32) -> String {
    command("", &format!("(call $exit (i32.const {code}))"))
}

/// Copies the file `path` below mounted directory `descriptor` to stdout, up to 1000 bytes.
pub(super) fn cat(descriptor: i32, path: &str) -> String {
    const FD_READ: u8 = 1 << 1;
    command(
        &format!(r#"(data (i32.const 100) "{path}")"#),
        &format!(
            "(local $fd i32)
             (local.set $fd (call $open (i32.const {descriptor}) (i32.const 100) (i32.const {length})
               (i32.const 0) (i64.const {FD_READ})))
             (i32.store (i32.const 0) (i32.const 2000))
             (i32.store (i32.const 4) (i32.const 1000))
             (drop (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
             (call $print (i32.const 2000) (i32.load (i32.const 8)))",
            length = path.len()
        ),
    )
}

/// Creates the file `path` below mounted directory `descriptor` and writes `text` into it.
pub(super) fn create(descriptor: i32, path: &str, text: &str) -> String {
    const FD_WRITE: u8 = 1 << 6;
    command(
        &format!(r#"(data (i32.const 100) "{path}") (data (i32.const 1000) "{text}")"#),
        &format!(
            "(call $write (call $open (i32.const {descriptor}) (i32.const 100) (i32.const {length})
               (i32.const 1) (i64.const {FD_WRITE})) (i32.const 1000) (i32.const {text_length}))",
            length = path.len(),
            text_length = text.len()
        ),
    )
}

/// Prints a dot, so that a test knows it runs, and then does `body`.
pub(super) fn after_a_dot(body: &str) -> String {
    let body = format!("(call $print (i32.const 100) (i32.const 1)) {body}");
    command(r#"(data (i32.const 100) ".")"#, &body)
}
