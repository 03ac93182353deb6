//! The processes in which a local cloud runs functions.

use std::{collections::HashMap, path::Path, process::Command};

use super::{app::App, stack::Stack};

/// A process of a function.
pub struct Process {
    /// Its id.
    pub id: u32,
    /// The function's full name.
    pub function: String,
    /// What it was started with.
    pub environment: HashMap<String, String>,
}

impl Process {
    /// The processes of a stack's functions, where the cloud has `function-processes`.
    pub fn of(stack: &Stack) -> Vec<Self> {
        // The cloud's temporary files lie beside the issuer's key: infra/local/landslide_local/paths.py.
        let code = stack.issuer_key.with_file_name("tmp");
        let entries = std::fs::read_dir("/proc").unwrap();
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.filter_map(|id| Self::read(id, &code)).collect()
    }

    fn read(id: u32, code: &Path) -> Option<Self> {
        let command = std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        Path::new(command.split('\0').next()?).starts_with(code).then_some(())?;
        let environment = std::fs::read_to_string(format!("/proc/{id}/environ")).ok()?;
        let variables = environment.split('\0').filter_map(|variable| variable.split_once('='));
        let environment: HashMap<String, String> =
            variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Self { id, function: environment.get("AWS_LAMBDA_FUNCTION_NAME")?.clone(), environment })
    }

    /// Ends it at once (SIGKILL); false if it has ended already.
    pub fn kill(&self) -> bool {
        self.signal("KILL")
    }

    /// Stops it where it is (SIGSTOP), as Lambda freezes an environment; false if it has ended already.
    pub fn freeze(&self) -> bool {
        self.signal("STOP")
    }

    /// Lets it go on (SIGCONT), if it is still there.
    pub fn wake(&self) -> bool {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> bool {
        Command::new("kill").args([format!("-{name}"), self.id.to_string()]).output().unwrap().status.success()
    }
}

/// Fails if fewer than two processes of cast-vote run, where that can be seen.
pub fn assert_several_processes(app: &App) {
    if app.stack.has("function-processes") {
        let processes = Process::of(&app.stack);
        let casting = processes.iter().filter(|process| process.function == app.stack.function("cast-vote")).count();
        assert!(casting >= 2, "{casting} process of cast-vote: this shows nothing of processes that remember a poll");
    }
}
