"""The main job by boto3: cluster, definition, three tasks, waiters, stop; every list by its paginator."""

import boto3
from botocore.exceptions import ClientError

ecs = boto3.client("ecs")


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        assert error.response["ResponseMetadata"]["RequestId"], error.response
        return
    raise AssertionError(f"{call.__name__} was not refused")


def pages(operation, member, **arguments):
    paginator = ecs.get_paginator(operation)
    pages = paginator.paginate(PaginationConfig={"PageSize": 1}, **arguments)
    return sorted(item for page in pages for item in page[member])


ecs.create_cluster(clusterName="default", tags=[])
container = {
    "name": "main",
    "image": "quorate-test/busybox",
    "command": ["sleep", "3600"],
    "cpu": 16,
    "memoryReservation": 16,
    "essential": True,
    "stopTimeout": 2,
    "environment": [],
    "mountPoints": [],
}
registered = ecs.register_task_definition(family="boto", containerDefinitions=[container], tags=[{"key": "team", "value": "a"}])
definition = registered["taskDefinition"]
assert registered["tags"] == [{"key": "team", "value": "a"}], registered

# What is described can be registered again, but for the members that only answers have.
described = ecs.describe_task_definition(taskDefinition="boto", include=["TAGS"])
answers_only = {"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy"}
again = {key: value for key, value in described["taskDefinition"].items() if key not in answers_only}
assert ecs.register_task_definition(**again)["taskDefinition"]["revision"] == 2
ecs.deregister_task_definition(taskDefinition="boto:2")
assert pages("list_task_definitions", "taskDefinitionArns", familyPrefix="boto") == [definition["taskDefinitionArn"]]

call = {"cluster": "default", "taskDefinition": "boto:1", "count": 3, "clientToken": "the-only-one", "startedBy": "boto"}
ran = ecs.run_task(**call)
assert ran["failures"] == [], ran
tasks = sorted(task["taskArn"] for task in ran["tasks"])
assert len(tasks) == 3
repeated = ecs.run_task(**call)
assert sorted(task["taskArn"] for task in repeated["tasks"]) == tasks, "the token makes it one call"
refused("ConflictException", ecs.run_task, **{**call, "count": 2})
refused("ClusterNotFoundException", ecs.run_task, **{**call, "cluster": "nowhere"})

ecs.get_waiter("tasks_running").wait(tasks=tasks, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
assert pages("list_tasks", "taskArns") == tasks
assert pages("list_tasks", "taskArns", family="boto") == tasks
assert len(pages("list_container_instances", "containerInstanceArns")) == 2
instance = ran["tasks"][0]["containerInstanceArn"]
there = pages("list_tasks", "taskArns", containerInstance=instance)
assert there and set(there) < set(tasks), there

started = ecs.start_task(taskDefinition="boto:1", containerInstances=[instance])
assert started["failures"] == [], started
tasks.append(started["tasks"][0]["taskArn"])
ecs.get_waiter("tasks_running").wait(tasks=tasks[3:], WaiterConfig={"Delay": 1, "MaxAttempts": 60})

for task in tasks:
    ecs.stop_task(task=task, reason="enough")
ecs.get_waiter("tasks_stopped").wait(tasks=tasks, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
for task in ecs.describe_tasks(tasks=tasks)["tasks"]:
    assert task["stoppedReason"] == "enough", task
    assert task["stopCode"] == "UserInitiated", task
    assert "exitCode" in task["containers"][0], task
refused("InvalidParameterException", ecs.stop_task, task="0" * 32)
print("main job done")
