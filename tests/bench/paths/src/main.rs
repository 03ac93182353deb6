//! Holds the hot paths against their budgets: how many instructions each takes, counted by callgrind.
//!
//! Instructions do not depend on how busy the machine is, nor on its processor: to a program under valgrind every
//! processor with AVX2 looks the same, so that libraries which choose their code by what the processor can do (aws-lc,
//! memcpy, SHA-2) choose the same everywhere. It is code that few processors would run in earnest, but it costs the same.

// A measurement that goes wrong fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    env, fs,
    process::{Command, ExitCode},
    sync::Mutex,
    thread,
};

use landslide_paths::{Path, measured};

/// Instructions by path.
const BUDGETS: &str = include_str!("../../budgets.toml");
/// By how many percent a path may be dearer; cheaper by more, its budget can be lowered.
const TOLERANCE_PERCENT: f64 = 10.0;
/// How often a path is run before it is measured, so that all that it keeps is there.
const WARM_UPS: usize = 3;
/// How many requests, records or votes are measured at least: keys of hash maps differ from run to run.
const UNITS_MIN: u64 = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => check_all(),
        ["--path", name] => {
            run(Path::find(name).unwrap_or_else(|| panic!("no path {name}")));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: landslide-budgets [--path NAME]");
            ExitCode::FAILURE
        }
    }
}

/// Runs a path as callgrind is to see it.
fn run(path: &Path) {
    let mut work = (path.prepare)();
    (0..WARM_UPS).for_each(|_| work());
    measured(&mut || (0..runs(path)).for_each(|_| work()));
}

fn runs(path: &Path) -> u64 {
    UNITS_MIN.div_ceil(path.units)
}

fn check_all() -> ExitCode {
    let budgets: BTreeMap<String, u64> = toml::from_str(BUDGETS).expect("budgets.toml has a number a path");
    if let Some(reason) = reason_to_skip() {
        println!("{} budgets skipped: {reason}", budgets.len());
        return ExitCode::SUCCESS;
    }
    let verdicts = count_all(&budgets).into_iter().map(|(name, counted)| show(&name, counted, budgets[&name]));
    let dearer = verdicts.filter(|is_within| !is_within).count();
    if dearer == 0 {
        println!("{} paths within their budgets", budgets.len());
        return ExitCode::SUCCESS;
    }
    println!("{dearer} of {} paths over their budgets, which are in tests/bench/budgets.toml", budgets.len());
    ExitCode::FAILURE
}

/// Why instructions counted here can't be compared with those of the budgets.
fn reason_to_skip() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some(format!("they are of x86_64 Linux, and this is {} {}", env::consts::ARCH, env::consts::OS));
    }
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap();
    let has_avx2 = processor.split_whitespace().any(|flag| flag == "avx2");
    (!has_avx2).then(|| "they are of a processor with AVX2, and this one has none".to_owned())
}

/// Instructions a unit of each path, counted on all cores.
fn count_all(budgets: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let waiting = Mutex::new(budgets.keys().rev().collect::<Vec<_>>());
    let counted = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let Some(name) = waiting.lock().unwrap().pop() else { return };
            let instructions = count_within(name, budgets[name]);
            counted.lock().unwrap().insert(name.clone(), instructions);
        }
    };
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    counted.into_inner().unwrap()
}

/// Instructions a unit of a path; of one that seems too dear the fewer of two counts: what it keeps for a second may have
/// been too old for some runs, on a busy machine.
fn count_within(name: &str, budget: u64) -> u64 {
    let counted = count(name);
    if is_within(counted, budget) { counted } else { counted.min(count(name)) }
}

/// Instructions a unit of a path.
fn count(name: &str) -> u64 {
    let path = Path::find(name).unwrap_or_else(|| panic!("budgets.toml names {name}, which is no path"));
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=landslide_paths::measured*")
        .arg(env::current_exe().unwrap())
        .args(["--path", name])
        .output()
        .unwrap_or_else(|error| panic!("valgrind, which counts instructions, can't be run: {error}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{name}: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let collected: u64 = collected.and_then(|(_, number)| number.trim().parse().ok()).unwrap_or_default();
    assert!(collected > 0, "{name}: nothing was counted: {said}");
    collected / (path.units * runs(path))
}

/// Prints the instructions of one path beside its budget. Returns whether they are within it.
fn show(name: &str, counted: u64, budget: u64) -> bool {
    let is_within = is_within(counted, budget);
    let percent = percent_dearer(counted, budget);
    let verdict = match percent {
        _ if !is_within => "over its budget",
        _ if percent < -TOLERANCE_PERCENT => "its budget can be lowered",
        _ => "",
    };
    println!("{name:<24} {counted:>10} instructions, budget {budget:>10} ({percent:+.1} %) {verdict}");
    is_within
}

fn is_within(counted: u64, budget: u64) -> bool {
    percent_dearer(counted, budget) <= TOLERANCE_PERCENT
}

fn percent_dearer(counted: u64, budget: u64) -> f64 {
    (counted as f64 / budget as f64 - 1.0) * 100.0
}
