//! The binary `keyraft`: configuration, TLS, wiring, signals, telemetry, command line.
//!
//! It wires the floors below together and decides nothing itself.

mod backup;
mod cli;
mod config;
mod dev;
mod server;

use std::process::ExitCode;

/// Every buffer of the process is zeroed when it is freed: message buffers, TLS plaintext, strings.
#[global_allocator]
static ALLOCATOR: crypto::ZeroOnFree = crypto::ZeroOnFree;

fn main() -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("nothing else installs a provider before main");
    cli::run()
}
