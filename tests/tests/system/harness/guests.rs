//! Small programs as text, and what they are as modules.

/// Text to bytes.
pub(crate) fn assemble(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

/// A WASI command with helpers and `body` as its `_start`.
///
/// `$print(address, length)` writes to stdout. `$append(path, path length, address, length)` appends to a file in the
/// first mounted directory, or ends the program with the error. `$sleep(ms)`. Memory from 1000 on is the program's.
fn command(data: &str, body: &str) -> String {
    format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
          (import "wasi_snapshot_preview1" "path_open"
            (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 2)
          {data}
          (func $write (param $fd i32) (param $address i32) (param $length i32)
            (i32.store (i32.const 0) (local.get $address))
            (i32.store (i32.const 4) (local.get $length))
            (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
          (func $print (param $address i32) (param $length i32)
            (call $write (i32.const 1) (local.get $address) (local.get $length)))
          (func $append (param $path i32) (param $path_length i32) (param $address i32) (param $length i32)
            (local $error i32)
            ;; Create if missing (1), the right to write (64), append (1).
            (local.set $error (call $path_open (i32.const 3) (i32.const 1) (local.get $path) (local.get $path_length)
              (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 1) (i32.const 16)))
            (if (local.get $error) (then (call $exit (local.get $error))))
            (call $write (i32.load (i32.const 16)) (local.get $address) (local.get $length))
            (drop (call $fd_close (i32.load (i32.const 16)))))
          (func $sleep (param $ms i64)
            ;; One subscription at 200: the monotonic clock (1), relative.
            (i32.store (i32.const 216) (i32.const 1))
            (i64.store (i32.const 224) (i64.mul (local.get $ms) (i64.const 1000000)))
            (drop (call $poll (i32.const 200) (i32.const 304) (i32.const 1) (i32.const 8))))
          (func (export "_start") {body}))"#
    )
}

/// Prints `text` and ends.
pub(crate) fn hello(text: &str) -> String {
    hello_and_then(text, "")
}

fn hello_and_then(text: &str, rest: &str) -> String {
    let length = text.len();
    command(
        &format!(r#"(data (i32.const 1000) "{text}")"#),
        &format!("(call $print (i32.const 1000) (i32.const {length})) {rest}"),
    )
}

/// Prints `text` and ends with `code`.
pub(crate) fn exits(text: &str, code: i32) -> String {
    hello_and_then(text, &format!("(call $exit (i32.const {code}))"))
}

/// Prints `text` and traps.
pub(crate) fn traps(text: &str) -> String {
    hello_and_then(text, "unreachable")
}

/// Prints `text` and never ends.
pub(crate) fn spins(text: &str) -> String {
    hello_and_then(text, "(loop $again (br $again))")
}

/// Takes memory until there is none.
pub(crate) fn grows() -> String {
    command("", "(loop $again (drop (memory.grow (i32.const 16))) (br $again))")
}

/// Prints `text` and sleeps for an hour.
pub(crate) fn sleeps(text: &str) -> String {
    hello_and_then(text, "(call $sleep (i64.const 3600000))")
}

/// Prints `text` every 20 ms, `times` times.
pub(crate) fn counts(text: &str, times: u32) -> String {
    let body = format!(
        "(local $left i32)
         (local.set $left (i32.const {times}))
         (loop $again
           (call $print (i32.const 1000) (i32.const {length}))
           (call $sleep (i64.const 20))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $again (local.get $left)))",
        length = text.len()
    );
    command(&format!(r#"(data (i32.const 1000) "{text}")"#), &body)
}

/// Prints `kilobytes` kB that do not compress well.
pub(crate) fn noise(kilobytes: u32) -> String {
    let body = format!(
        "(local $left i32)
         (local.set $left (i32.const {kilobytes}))
         (loop $again
           (drop (call $random (i32.const 1000) (i32.const 1000)))
           (call $print (i32.const 1000) (i32.const 1000))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $again (local.get $left)))"
    );
    command("", &body)
}

/// Appends a line to the file `path` of the first mounted directory and ends.
pub(crate) fn writes(path: &str) -> String {
    let data = format!(r#"(data (i32.const 1000) "{path}") (data (i32.const 2000) "was here\0a")"#);
    let length = path.len();
    command(
        &data,
        &format!("(call $append (i32.const 1000) (i32.const {length}) (i32.const 2000) (i32.const 9))"),
    )
}

/// Shows from outside when it runs: appends eight letters, drawn at its start, to the file `path` of the first mounted
/// directory, `beats` times with pauses of 5 ms. Each line begins with a dot, the last one with `!`.
pub(crate) fn beats(path: &str, beats: u32) -> String {
    let data = format!(r#"(data (i32.const 1000) "{path}") (data (i32.const 2000) ".--------\0a")"#);
    let append = format!(
        "(call $append (i32.const 1000) (i32.const {}) (i32.const 2000) (i32.const {LINE}))",
        path.len()
    );
    let body = format!(
        "(local $left i32)
         (drop (call $random (i32.const 2001) (i32.const {LETTERS})))
         (local.set $left (i32.const {LETTERS}))
         (loop $letter
           (i32.store8 (i32.add (i32.const 2000) (local.get $left))
             (i32.add (i32.const 65)
               (i32.and (i32.const 15) (i32.load8_u (i32.add (i32.const 2000) (local.get $left))))))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $letter (local.get $left)))
         (local.set $left (i32.const {beats}))
         (loop $beat
           {append}
           (call $sleep (i64.const 5))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $beat (local.get $left)))
         (i32.store8 (i32.const 2000) (i32.const 33))
         {append}"
    );
    command(&data, &body)
}

/// Letters that name one run of [`beats`].
const LETTERS: usize = 8;
/// A line of [`beats`], with its end.
const LINE: usize = LETTERS + 2;
