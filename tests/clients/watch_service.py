"""Watches a service by boto3 until standard input ends, and prints the least and the most that it saw."""

import json
import select
import sys

import boto3

ecs = boto3.client("ecs")
service = sys.argv[1]


def live():
    """Every task of the service that has not stopped: those that are to run, and those that are ending."""
    lists = ecs.get_paginator("list_tasks")
    arns = {
        arn
        for status in ("RUNNING", "STOPPED")
        for page in lists.paginate(serviceName=service, desiredStatus=status)
        for arn in page["taskArns"]
    }
    arns = sorted(arns)
    parts = (arns[at : at + 100] for at in range(0, len(arns), 100))
    tasks = [task for part in parts for task in ecs.describe_tasks(tasks=part)["tasks"]]
    return [task for task in tasks if task["lastStatus"] != "STOPPED"]


def is_healthy(task):
    statuses = (task["desiredStatus"], task["lastStatus"], task["healthStatus"])
    return statuses == ("RUNNING", "RUNNING", "HEALTHY")


healthy, present, counted = [], [], []
while not select.select([sys.stdin], [], [], 0.1)[0]:
    tasks = live()
    healthy.append(sum(map(is_healthy, tasks)))
    present.append(len(tasks))
    described = ecs.describe_services(services=[service])["services"][0]
    counted.append(described["runningCount"] + described["pendingCount"])
seen = {
    "looks": len(present),
    "healthyMin": min(healthy),
    "presentMax": max(present),
    "countedMax": max(counted),
}
print(json.dumps(seen))
