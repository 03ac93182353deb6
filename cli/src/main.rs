//! `landslide`, the operator's program. Each subcommand has its own file. What one prints to stdout can be piped.

mod analytics;
mod audit;
mod audit_log;
mod bucket;
mod consent;
mod demo;
mod device_keys;
mod jobs;
mod preflight;
mod redrive;
mod relays;
mod replay;
mod signed;
mod tabulate;
mod tenant;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use landslide_cli::{issuer, token};

/// Exit code if a command could only do part of its work: a difference, or letters that stay.
const EXIT_LEFT_OVER: u8 = 3;

/// Works with a Landslide stack from the command line.
#[derive(Parser)]
#[command(name = "landslide", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Analytics(analytics::Arguments),
    Audit(audit::Arguments),
    AuditLog(audit_log::Arguments),
    Replay(replay::Arguments),
    Redrive(redrive::Arguments),
    Issuer(issuer::Arguments),
    Token(token::Arguments),
    Demo(demo::Arguments),
    Preflight(preflight::Arguments),
    DeviceKeys(device_keys::Arguments),
    Tenant(tenant::Arguments),
    Jobs(jobs::Arguments),
    Tabulate(tabulate::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Audit(arguments) => audit::run(&arguments),
        Command::AuditLog(arguments) => audit_log::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Redrive(arguments) => redrive::run(&arguments),
        Command::Preflight(arguments) => preflight::run(&arguments),
        Command::Analytics(arguments) => done(analytics::run(&arguments)),
        Command::Issuer(arguments) => done(issuer::run(&arguments)),
        Command::Token(arguments) => done(token::run(&arguments)),
        Command::Demo(arguments) => done(demo::run(&arguments)),
        Command::DeviceKeys(arguments) => done(device_keys::run(&arguments)),
        Command::Tenant(arguments) => done(tenant::run(&arguments)),
        Command::Jobs(arguments) => done(jobs::run(&arguments)),
        Command::Tabulate(arguments) => done(tabulate::run(&arguments)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("landslide: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn done(result: Result<()>) -> Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}
