//! Exit codes: 0 report printed, 1 the folder cannot be read, 2 wrong arguments.

use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use host_logs::{Options, Timestamp, scan};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|word| word == "--help" || word == "-h") {
        print!("{}", Options::USAGE);
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(&arguments, now()) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("host-logs: {error}\n\n{}", Options::USAGE);
            return ExitCode::from(2);
        }
    };
    match report(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("host-logs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let report = scan(options)?;
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &report)?;
    stdout.write_all(b"\n")?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock; `--since 2h` counts from it"
)]
fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
