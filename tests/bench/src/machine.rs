//! On what it was measured.

use std::fs;

/// Processor, cores, memory, kernel and what else the machine was doing.
pub fn shape() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches([' ', '\t', ':']).to_owned()
    };
    let processors = read("/proc/cpuinfo");
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let memory_kb: u64 = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    format!(
        "{cores} cores of {}, {} GB, Linux {}, load {} at the end",
        field(&processors, "model name"),
        memory_kb / 1_000_000,
        kernel.trim(),
        load.split(' ').next().unwrap_or_default()
    )
}
