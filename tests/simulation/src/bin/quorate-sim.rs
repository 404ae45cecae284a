//! Runs seeds of the simulation; `tests/sim` builds and starts it.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quorate_simulation::command::main()
}
