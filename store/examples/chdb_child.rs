//! The hidden child command by itself, as the root binary has it, for this crate's tests.
#![allow(clippy::print_stderr)]

use std::process::ExitCode;

use stopline_store::embedded::{ServeArgs, serve};

fn main() -> ExitCode {
    let json = std::env::args().nth(1).unwrap_or_default();
    match ServeArgs::parse(&json).and_then(|args| serve(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
