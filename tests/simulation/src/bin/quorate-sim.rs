//! Runs seeds of the simulation; `tests/sim` builds and starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorate_simulation::command::main()
}
