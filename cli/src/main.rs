//! `landslide`, the operator's program. Each subcommand is a file of its own; what one prints on stdout can be piped.

mod demo;
mod issuer;
mod signing_key;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Works with a Landslide stack from the command line.
#[derive(Parser)]
#[command(name = "landslide", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Issuer(issuer::Arguments),
    Token(token::Arguments),
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Issuer(arguments) => issuer::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("landslide: {error:#}");
            ExitCode::FAILURE
        }
    }
}
