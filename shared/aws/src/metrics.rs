//! Writes an invocation's metrics as one log line in CloudWatch's embedded metric format. CloudWatch reads the figures
//! from there, so that no API call is needed.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::{self, Write};

use landslide_domain::time::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};

const NAMESPACE: &str = "Landslide";
/// The only dimension. Each value in each dimension is a metric that costs money.
const DIMENSION: &str = "FunctionName";

/// One figure of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metric {
    name: &'static str,
    unit: Unit,
    #[serde(skip)]
    value: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Unit {
    Count,
    Milliseconds,
}

impl Metric {
    /// A count.
    pub fn count(name: &'static str, value: usize) -> Self {
        Self { name, unit: Unit::Count, value: value as u64 }
    }

    /// A duration, in milliseconds.
    pub fn millis(name: &'static str, value: u64) -> Self {
        Self { name, unit: Unit::Milliseconds, value }
    }
}

/// An invocation's metrics: its counts, and the age of its oldest vote if it has one.
pub fn with_vote_age<const N: usize>(counts: [Metric; N], oldest: Option<Timestamp>, now: Timestamp) -> Vec<Metric> {
    let age = oldest.map(|oldest| Metric::millis("VoteAge", now.millis_since(oldest)));
    counts.into_iter().chain(age).collect()
}

/// Writes an invocation's metrics as one line. If that fails, the invocation goes on.
pub fn write(function: &str, now: Timestamp, metrics: &[Metric]) {
    let written = line(function, now, metrics).and_then(|line| io::stdout().lock().write_all(&line));
    if let Err(error) = written {
        tracing::warn!(function, %error, "metrics of {function} were not written: {error}");
    }
}

fn line(function: &str, now: Timestamp, metrics: &[Metric]) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Document { function, now, metrics })?;
    line.push(b'\n');
    Ok(line)
}

struct Document<'a> {
    function: &'a str,
    now: Timestamp,
    metrics: &'a [Metric],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: &'a [Metric],
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let directive = Directive { namespace: NAMESPACE, dimensions: [[DIMENSION]], metrics: self.metrics };
        let metadata = Metadata { timestamp: self.now.as_millis(), cloud_watch_metrics: [directive] };
        let mut document = serializer.serialize_map(None)?;
        document.serialize_entry("_aws", &metadata)?;
        document.serialize_entry(DIMENSION, self.function)?;
        for metric in self.metrics {
            document.serialize_entry(metric.name, &metric.value)?;
        }
        document.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn written(metrics: &[Metric]) -> String {
        let now = Timestamp::from_millis(1_790_000_000_000).unwrap();
        String::from_utf8(line("landslide-relay-votes", now, metrics).unwrap()).unwrap()
    }

    #[test]
    fn metrics_are_one_line_of_the_embedded_format() {
        let line = written(&[Metric::count("Votes", 3), Metric::millis("VoteAge", 1_200)]);
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        let document: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            document,
            json!({
                "_aws": {"Timestamp": 1_790_000_000_000u64, "CloudWatchMetrics": [{
                    "Namespace": "Landslide", "Dimensions": [["FunctionName"]],
                    "Metrics": [{"Name": "Votes", "Unit": "Count"}, {"Name": "VoteAge", "Unit": "Milliseconds"}],
                }]},
                "FunctionName": "landslide-relay-votes", "Votes": 3, "VoteAge": 1_200,
            })
        );
    }
}
