//! IAM: what roles allow, by its policy simulator.

use super::client::{Aws, until_tag};

impl Aws {
    /// Which of the actions a role's policies allow on a resource, by IAM's policy simulator.
    pub async fn allowed(&self, role_arn: &str, resource_arn: &str, actions: &[&str]) -> Vec<String> {
        let mut form = vec![
            ("Action".to_owned(), "SimulatePrincipalPolicy"),
            ("Version".to_owned(), "2010-05-08"),
            ("PolicySourceArn".to_owned(), role_arn),
            ("ResourceArns.member.1".to_owned(), resource_arn),
        ];
        form.extend((1..).zip(actions).map(|(n, action)| (format!("ActionNames.member.{n}"), *action)));
        let form: Vec<String> = form
            .iter()
            .map(|(name, value)| {
                format!("{name}={}", value.replace(':', "%3A").replace('/', "%2F").replace('*', "%2A"))
            })
            .collect();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let (_, answer) = self.call("iam", "POST", "/", &headers, form.join("&")).await;
        let results: Vec<(&str, &str)> = answer
            .split("<EvalActionName>")
            .skip(1)
            .map(|result| (until_tag(result), until_tag(result.split_once("<EvalDecision>").unwrap().1)))
            .collect();
        assert_eq!(results.len(), actions.len(), "{answer}");
        results
            .into_iter()
            .filter(|(_, decision)| *decision == "allowed")
            .map(|(action, _)| action.to_owned())
            .collect()
    }
}
