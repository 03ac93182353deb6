//! Reads an account's facts. One that can't be read is reported, and does not stop the others.

use anyhow::{Result, anyhow};
use roxmltree::{Document, Node};
use serde_json::{Value, json};

use super::facts::{Concurrency, Facts, Gateway, Reading, Stack, Unread, Warm};
use super::template::Parameters;
use crate::signed::{Api, Refused, text_of};

/// How many characters of an error are shown.
const SHOWN_MAX: usize = 100;
/// The functions whose concurrency the template can reserve.
const RESERVING: [&str; 2] = ["relay-votes", "tally-votes"];

/// All facts about a stack and its account.
pub async fn facts(api: &Api, name: &str) -> Facts {
    let stack = stack(api, name).await;
    let found = stack.as_ref().ok().and_then(Option::as_ref);
    Facts {
        concurrency: concurrency(api, found.map(|_| name)).await,
        gateway: gateway(api).await,
        write_quota: quota(api, "L-AB614373").await,
        read_quota: quota(api, "L-CF0CBE56").await,
        votes: warm(api, found, "VotesTable").await,
        tallies: warm(api, found, "TalliesTable").await,
        stack,
    }
}

async fn stack(api: &Api, name: &str) -> Reading<Option<Stack>> {
    let form = format!("Action=DescribeStacks&Version=2010-05-15&StackName={name}");
    match api.query("cloudformation", &form).await {
        Ok(text) => described(&text).map(Some).map_err(|error| unanswered("cloudformation:DescribeStacks", &error)),
        Err(refused) if refused.message.contains("does not exist") => Ok(None),
        Err(refused) => Err(unread(&refused, "cloudformation:DescribeStacks")),
    }
}

fn described(text: &str) -> Result<Stack> {
    let document = Document::parse(text)?;
    let status = text_of(&document, "StackStatus").ok_or_else(|| anyhow!("no StackStatus"))?;
    let parameters = pairs(&document, "ParameterKey", "ParameterValue");
    Ok(Stack { status, parameters, outputs: pairs(&document, "OutputKey", "OutputValue") })
}

/// Pairs of keys and values in a document.
fn pairs(document: &Document<'_>, key: &str, value: &str) -> Parameters {
    let keys = document.descendants().filter(|node| node.tag_name().name() == key);
    let entries = keys.filter_map(|node| {
        let beside = node.parent()?.children().find(|child| child.tag_name().name() == value)?;
        Some((text(node), text(beside)))
    });
    entries.collect()
}

fn text(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().to_owned()
}

async fn concurrency(api: &Api, stack: Option<&str>) -> Reading<Concurrency> {
    const PERMISSION: &str = "lambda:GetAccountSettings";
    let settings = api.get("lambda", "/2016-08-19/account-settings/").await;
    let settings = settings.map_err(|refused| unread(&refused, PERMISSION))?;
    let number = |name: &str| settings.pointer(&format!("/AccountLimit/{name}")).and_then(Value::as_u64);
    let limit = number("ConcurrentExecutions").ok_or_else(|| untold(PERMISSION))?;
    let unreserved = number("UnreservedConcurrentExecutions").ok_or_else(|| untold(PERMISSION))?;
    let mut reserved_by_stack = 0;
    if let Some(stack) = stack {
        for function in RESERVING {
            reserved_by_stack += reserved(api, &format!("{stack}-{function}")).await?;
        }
    }
    Ok(Concurrency { limit, unreserved, reserved_by_stack })
}

/// A function's reserved concurrency. 0 if it does not exist yet.
async fn reserved(api: &Api, function: &str) -> Reading<u64> {
    match api.get("lambda", &format!("/2019-09-30/functions/{function}/concurrency")).await {
        Ok(answer) => Ok(answer.get("ReservedConcurrentExecutions").and_then(Value::as_u64).unwrap_or(0)),
        Err(refused) if refused.code.contains("ResourceNotFound") => Ok(0),
        Err(refused) => Err(unread(&refused, "lambda:GetFunctionConcurrency")),
    }
}

async fn gateway(api: &Api) -> Reading<Gateway> {
    const PERMISSION: &str = "apigateway:GET of /account";
    let account = api.get("apigateway", "/account").await.map_err(|refused| unread(&refused, PERMISSION))?;
    let number = |name: &str| account.pointer(&format!("/throttleSettings/{name}")).and_then(whole);
    let rate = number("rateLimit").ok_or_else(|| untold(PERMISSION))?;
    let burst = number("burstLimit").ok_or_else(|| untold(PERMISSION))?;
    Ok(Gateway { rate, burst })
}

/// A quota as raised for this account, or else AWS's default.
async fn quota(api: &Api, code: &str) -> Reading<u64> {
    let body = json!({"ServiceCode": "dynamodb", "QuotaCode": code});
    let (mut permission, mut answer) = (
        "servicequotas:GetServiceQuota",
        api.call("servicequotas", "ServiceQuotasV20190624.GetServiceQuota", &body).await,
    );
    if answer.as_ref().is_err_and(|refused| refused.code.contains("NoSuchResource")) {
        permission = "servicequotas:GetAWSDefaultServiceQuota";
        answer = api.call("servicequotas", "ServiceQuotasV20190624.GetAWSDefaultServiceQuota", &body).await;
    }
    let answer = answer.map_err(|refused| unread(&refused, permission))?;
    answer.pointer("/Quota/Value").and_then(whole).ok_or_else(|| untold(permission))
}

async fn warm(api: &Api, stack: Option<&Stack>, output: &str) -> Reading<Option<Warm>> {
    const PERMISSION: &str = "dynamodb:DescribeTable";
    let Some(table) = stack.and_then(|stack| stack.outputs.get(output)) else { return Ok(None) };
    let answer = api.call("dynamodb", "DynamoDB_20120810.DescribeTable", &json!({"TableName": table})).await;
    let answer = answer.map_err(|refused| unread(&refused, PERMISSION))?;
    let number = |name: &str| answer.pointer(&format!("/Table/WarmThroughput/{name}")).and_then(Value::as_u64);
    let writes = number("WriteUnitsPerSecond").ok_or_else(|| untold(PERMISSION))?;
    let reads = number("ReadUnitsPerSecond").ok_or_else(|| untold(PERMISSION))?;
    Ok(Some(Warm { writes, reads }))
}

/// AWS writes quotas and rates as 40000.0.
fn whole(number: &Value) -> Option<u64> {
    // A quota has no fraction, and none is over 2^53.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    number.as_u64().or_else(|| number.as_f64().map(|number| number as u64))
}

/// An error as a row shows it, with the missing permission.
fn unread(refused: &Refused, permission: &str) -> Unread {
    if refused.code.contains("AccessDenied") || refused.code.contains("Unauthorized") {
        return Unread(format!("these credentials lack {permission}"));
    }
    let words: String = format!("{} {}", refused.code, refused.message).trim().chars().take(SHOWN_MAX).collect();
    Unread(format!("{permission} was not answered: {}", words.lines().next().unwrap_or_default()))
}

fn untold(permission: &str) -> Unread {
    Unread(format!("{permission} does not say"))
}

fn unanswered(permission: &str, error: &anyhow::Error) -> Unread {
    Unread(format!("{permission} was answered by something else: {error}"))
}
