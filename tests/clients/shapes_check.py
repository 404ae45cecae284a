"""What the judge must find: each mistake that an answer can have, and nothing in an answer that has none."""

import json

from shapes import judge_json, judge_query

ARN = "arn:aws:ecs:us-east-1:000000000000:task/default/0"
GOOD = {"tasks": [{"taskArn": ARN, "lastStatus": "RUNNING", "launchType": "EC2", "createdAt": 1.5, "enableExecuteCommand": False}], "failures": []}


def found(operation, document, status=200):
    return list(judge_json(operation, status, json.dumps(document)))


def with_task(**members):
    return {"tasks": [GOOD["tasks"][0] | members], "failures": []}


assert found("DescribeTasks", GOOD) == []
mistakes = {
    "has no colour": found("DescribeTasks", with_task(colour="red")),
    "'MOON' is none of LaunchType": found("DescribeTasks", with_task(launchType="MOON")),
    "str where a timestamp is due": found("DescribeTasks", with_task(createdAt="yesterday")),
    "int where a boolean is due": found("DescribeTasks", with_task(enableExecuteCommand=1)),
    "bool where a long is due": found("DescribeTasks", with_task(version=True)),
    "dict where a list is due": found("DescribeTasks", {"tasks": {}}),
    "list where a Task is due": found("DescribeTasks", {"tasks": [[]]}),
    "list where a map is due": found("DescribeTaskDefinition", {"taskDefinition": {"containerDefinitions": [{"dockerLabels": []}]}}),
    "DescribeTasks.failures: null": found("DescribeTasks", {"failures": None}),
    "has no error Whatever": found("DescribeTasks", {"__type": "Whatever", "message": "no"}, 400),
    "ClusterNotFoundException has no colour": found("DescribeTasks", {"__type": "ClusterNotFoundException", "colour": "red"}, 400),
    "UnknownOperationException has ['colour']": found("DescribeTasks", {"__type": "UnknownOperationException", "colour": "red"}, 400),
    "lacks": found("ListAttributes", {"attributes": [{"value": "blue"}]}),
    "has no Colour": list(judge_query("GetCallerIdentity", 200, "<GetCallerIdentityResponse><GetCallerIdentityResult><Colour/></GetCallerIdentityResult></GetCallerIdentityResponse>")),
}
for said, lines in mistakes.items():
    assert len(lines) == 1 and said in lines[0], (said, lines)
assert found("DescribeTasks", {"__type": "ClusterNotFoundException", "message": "Cluster not found."}, 400) == []
print("shapes checked")
