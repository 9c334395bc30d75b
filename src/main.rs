//! The `correlator` binary: hands the command line to the library and the exit code to the system.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    correlator::cli::main(std::env::args_os()).into()
}
