//! The template that this program was built with: its parameters, and each function's environment.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use saphyr::{LoadableYamlNode, Yaml};

const TEXT: &str = include_str!("../../../template.yaml");

/// The most characters that CloudFormation and AWS add to a logical id and a stack's name in a name, ARN or URL. Before
/// them, `https://sqs.REGION.amazonaws.com.cn/ACCOUNT/` or `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:` (67 in
/// the longest region); after them, a random part of 13, and `.fifo` or a secret's six characters.
const AROUND_A_NAME_MAX: usize = 100;

/// Parameter values by name.
pub type Parameters = BTreeMap<String, String>;

/// The parsed template.
pub struct Template(Yaml<'static>);

impl Template {
    /// Parses the template.
    pub fn read() -> Result<Self> {
        let documents = Yaml::load_from_str(TEXT).context("template.yaml can't be read")?;
        documents.into_iter().next().map(Self).context("template.yaml is empty")
    }

    /// All parameters, with their default values.
    pub fn defaults(&self) -> Parameters {
        let declared = entries(&self.0, "Parameters");
        declared
            .map(|(name, about)| (name.to_owned(), field(about, "Default").map_or_else(String::new, text)))
            .collect()
    }

    /// Parameters with a value that CloudFormation would refuse at once, and what the template accepts instead.
    /// Patterns are left to CloudFormation, as they are Java's.
    pub fn refused(&self, parameters: &Parameters) -> Vec<(String, String)> {
        let declared = entries(&self.0, "Parameters");
        let refused = declared.filter_map(|(name, about)| {
            Some((name.to_owned(), limits(about)?.refusal(parameters.get(name).map_or("", String::as_str))?))
        });
        refused.collect()
    }

    /// The length of each function's environment as Lambda measures it, in bytes, by logical id.
    ///
    /// Lambda writes the variables as one JSON object and measures that, so a quote in a value counts twice. Its error
    /// shows the object (`String measured: {"A1":"…`). Names that AWS generates count at their longest.
    pub fn environments(&self, stack: &str, parameters: &Parameters) -> BTreeMap<String, usize> {
        let functions = entries(&self.0, "Resources").filter_map(|(name, resource)| {
            let variables = field(field(field(resource, "Properties")?, "Environment")?, "Variables")?;
            let variables: BTreeMap<&str, String> =
                pairs(variables).map(|(variable, value)| (variable, filled_in(value, stack, parameters))).collect();
            Some((name.to_owned(), serde_json::to_string(&variables).map_or(0, |object| object.len())))
        });
        functions.collect()
    }
}

/// A variable's value: a parameter, a literal, or a generated name at its longest.
fn filled_in(value: &Yaml<'_>, stack: &str, parameters: &Parameters) -> String {
    let Yaml::Tagged(_, named) = value else { return text(value) };
    let target = text(named);
    parameters.get(&target).cloned().unwrap_or_else(|| {
        let logical_id = target.split('.').next().unwrap_or_default();
        "x".repeat(stack.len() + logical_id.len() + AROUND_A_NAME_MAX)
    })
}

/// What a parameter accepts, if the template limits it.
enum Limits {
    OneOf(Vec<String>),
    Number { least: Option<i64>, most: Option<i64> },
    Characters(i64),
}

fn limits(about: &Yaml<'_>) -> Option<Limits> {
    let number = |name| about.as_mapping_get(name).and_then(Yaml::as_integer);
    if let Some(values) = about.as_mapping_get("AllowedValues").and_then(Yaml::as_sequence) {
        return Some(Limits::OneOf(values.iter().map(text).collect()));
    }
    match (number("MinValue"), number("MaxValue"), number("MaxLength")) {
        (None, None, None) => None,
        (None, None, Some(most)) => Some(Limits::Characters(most)),
        (least, most, _) => Some(Limits::Number { least, most }),
    }
}

impl Limits {
    /// What is accepted, if this value is not.
    fn refusal(&self, value: &str) -> Option<String> {
        let (is_taken, takes) = match self {
            Limits::OneOf(values) => {
                (values.iter().any(|taken| taken == value), format!("one of {}", values.join(", ")))
            }
            Limits::Characters(most) => {
                let length = i64::try_from(value.chars().count()).unwrap_or(i64::MAX);
                (length <= *most, format!("{most} characters at most"))
            }
            Limits::Number { least, most } => {
                let number = value.parse::<i64>().ok();
                let fits =
                    |number: i64| least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most);
                (number.is_some_and(fits), number_text(*least, *most))
            }
        };
        (!is_taken).then_some(takes)
    }
}

fn number_text(least: Option<i64>, most: Option<i64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("a number of {least} to {most}"),
        (Some(least), None) => format!("a number of {least} or more"),
        (None, Some(most)) => format!("a number of {most} at most"),
        (None, None) => "a number".to_owned(),
    }
}

fn entries<'a>(node: &'a Yaml<'static>, section: &str) -> impl Iterator<Item = (&'a str, &'a Yaml<'static>)> {
    field(node, section).into_iter().flat_map(pairs)
}

fn pairs<'a>(node: &'a Yaml<'static>) -> impl Iterator<Item = (&'a str, &'a Yaml<'static>)> {
    node.as_mapping().into_iter().flatten().filter_map(|(name, value)| Some((name.as_str()?, value)))
}

fn field<'a>(node: &'a Yaml<'static>, name: &str) -> Option<&'a Yaml<'static>> {
    node.as_mapping_get(name)
}

/// A scalar in CloudFormation's form, where all parameters are text.
fn text(node: &Yaml<'_>) -> String {
    match (node.as_str(), node.as_integer()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(number)) => number.to_string(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_its_default() {
        let defaults = Template::read().unwrap().defaults();
        assert_eq!(defaults["ThrottleRate"], "5000");
        assert_eq!(defaults["Issuers"], "[]");
        assert_eq!(defaults["AlarmEmail"], "");
        assert_eq!(defaults["DeletionProtection"], "true");
    }

    #[test]
    fn an_environment_grows_by_its_parameter_and_twice_by_its_quotes() {
        let template = Template::read().unwrap();
        let mut parameters = template.defaults();
        let before = template.environments("landslide", &parameters);
        assert!(before.len() >= 12, "{before:?}");
        parameters.insert("Issuers".to_owned(), r#"["a"]"#.to_owned());
        let after = template.environments("landslide", &parameters);
        assert_eq!(after["Authorizer"], before["Authorizer"] + 5);
        assert_eq!(after["CastVote"], before["CastVote"]);
    }

    #[test]
    fn generated_names_are_taken_at_their_longest() {
        let template = Template::read().unwrap();
        let environments = template.environments(&"s".repeat(45), &template.defaults());
        let names =
            "https://sqs.ap-southeast-10.amazonaws.com.cn/123456789012/-TallyQueue-0123456789ABC.fifo".len() + 45;
        assert!(environments["RelayVotes"] > 2 * names, "{environments:?}");
    }
}
