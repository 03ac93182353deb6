"""After a deploy onto MiniStack: adds what its CloudFormation and its import of the API leave out.

    complete.py STACK TEMPLATE

Everything is derived from the template, the documents that it includes and the stack's own parameters, so template.yaml
stays AWS's. A second run changes nothing. Needs the SAM CLI's environment (boto3, samtranslator) and AWS_ENDPOINT_URL.
"""

import sys
from pathlib import Path

import boto3
from samtranslator.yaml_helper import yaml_parse

import gateway
import tables
from intrinsics import Resolver


def main(stack_name: str, template_file: str) -> None:
    template = yaml_parse(Path(template_file).read_text())

    cloudformation = boto3.client("cloudformation")
    stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    resources = cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]
    physical_ids = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])}
    resolver = Resolver(template, parameters)

    changes = 0
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Api":
            properties = resource["Properties"]
            include = properties["DefinitionBody"]["Fn::Transform"]["Parameters"]["Location"]
            document = resolver.resolve(yaml_parse((Path(template_file).parent / include).read_text()))
            settings = resolver.resolve(properties.get("MethodSettings", []))
            api = boto3.client("apigateway")
            changes += gateway.complete(api, physical_ids[name], properties["StageName"], document, settings)
    of_tables = [
        (physical_ids[name], resolver.resolve(resource["Properties"]))
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    ]
    changes += tables.complete(boto3.client("dynamodb"), of_tables)
    print(f"    {changes} settings added to what MiniStack deployed", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
