//! The operator's preflight over the stack that is up: it passes, and what a cloud does not answer is said.

use crate::support::{App, operator_environment, run_operator};

#[tokio::test]
async fn a_preflight_of_the_running_stack_passes_and_says_what_it_could_not_read() {
    let app = App::new();
    let output = run_operator(&operator_environment(&app), &["preflight", "--stack", &app.stack.name]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with(&format!("preflight of stack {}, account ", app.stack.name)), "{said}");
    let row = |what: &str| said.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{what}: {said}"));
    assert!(row("stack's state").contains("_COMPLETE"), "{said}");
    assert!(row("stack's state").ends_with(" ok"), "{said}");
    assert!(row("environment of").ends_with(" ok"), "{said}");
    // Local clouds know no quotas of tables; where one is not read, the right that reads it is named.
    for what in ["DynamoDB write units", "DynamoDB read units"] {
        let row = row(what);
        assert!(
            row.contains("40,000") || row.contains("could not be read") && row.contains("servicequotas:"),
            "{said}"
        );
    }
}
