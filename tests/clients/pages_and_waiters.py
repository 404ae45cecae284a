"""Every paginator and every waiter that boto3 has for ECS: over more than one page, to its end; what belongs to an operation
that Quorate has not, refused by name."""

import boto3
from botocore.exceptions import ClientError, WaiterError

ecs = boto3.client("ecs")
SOON = {"Delay": 1, "MaxAttempts": 60}


def pages(operation, member, **arguments):
    """All items, one a page; there must be more than one page."""
    paginator = ecs.get_paginator(operation)
    found = [page[member] for page in paginator.paginate(PaginationConfig={"PageSize": 1}, **arguments)]
    assert len(found) > 1, (operation, found)
    assert all(len(page) <= 1 for page in found), (operation, found)
    items = [item for page in found for item in page]
    whole = [item for page in paginator.paginate(**arguments) for item in page[member]]
    assert items == whole, (operation, items, whole)
    return items


def refused(code, operation, **arguments):
    try:
        list(ecs.get_paginator(operation).paginate(**arguments))
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return
    raise AssertionError(f"{operation} was not refused")


container = {"name": "main", "image": "quorate-test/busybox", "command": ["sleep", "3600"], "cpu": 16, "memory": 16, "stopTimeout": 2}
for family in ("first", "first", "second"):
    ecs.register_task_definition(family=family, containerDefinitions=[container])
for cluster in ("default", "other", "third"):
    ecs.create_cluster(clusterName=cluster)
for service in ("one", "two", "three"):
    ecs.create_service(serviceName=service, taskDefinition="first", desiredCount=1)
instances = ecs.list_container_instances()["containerInstanceArns"]
for instance in instances:
    ecs.put_attributes(attributes=[{"name": "stack", "value": "blue", "targetId": instance}])

# Waiters: services come to rest, tasks run and stop, services end.
ecs.get_waiter("services_stable").wait(services=["one", "two", "three"], WaiterConfig=SOON)
tasks = [task["taskArn"] for task in ecs.run_task(taskDefinition="second", count=2)["tasks"]]
ecs.get_waiter("tasks_running").wait(tasks=tasks, WaiterConfig=SOON)

# Paginators.
reached = {
    "list_clusters": len(pages("list_clusters", "clusterArns")) == 3,
    "list_container_instances": pages("list_container_instances", "containerInstanceArns") == sorted(instances),
    "list_task_definitions": len(pages("list_task_definitions", "taskDefinitionArns")) == 3,
    "list_task_definition_families": pages("list_task_definition_families", "families") == ["first", "second"],
    "list_tasks": len(pages("list_tasks", "taskArns")) == 5,
    "list_services": len(pages("list_services", "serviceArns")) == 3,
    "list_account_settings": len(pages("list_account_settings", "settings", effectiveSettings=True)) > 2,
    "list_attributes": len(pages("list_attributes", "attributes", targetType="container-instance", attributeName="stack")) == 2,
}
assert all(reached.values()), reached

# Nothing is in a namespace, as there are none; the gateways are no part of Quorate.
elsewhere = {
    "list_services_by_namespace": "NamespaceNotFoundException",
    "list_gateways": "UnsupportedFeatureException",
    "list_gateway_routes": "UnsupportedFeatureException",
    "list_gateway_cluster_associations": "UnsupportedFeatureException",
}
for operation, code in elsewhere.items():
    model = ecs.meta.service_model.operation_model(ecs.meta.method_to_api_mapping[operation])
    refused(code, operation, **{name: "nowhere" for name in model.input_shape.required_members})
known = {name for name in ecs.meta.method_to_api_mapping if ecs.can_paginate(name)}
assert known == set(reached) | set(elsewhere), known ^ (set(reached) | set(elsewhere))

for task in tasks:
    ecs.stop_task(task=task)
ecs.get_waiter("tasks_stopped").wait(tasks=tasks, WaiterConfig=SOON)
try:
    ecs.get_waiter("tasks_running").wait(tasks=tasks, WaiterConfig=SOON)
    raise AssertionError("tasks that stopped are not waited for")
except WaiterError as error:
    assert "STOPPED" in str(error), error
for service in ("one", "two", "three"):
    ecs.delete_service(service=service, force=True)
ecs.get_waiter("services_inactive").wait(services=["one", "two", "three"], WaiterConfig=SOON)

# Daemons are no part of Quorate: their waiters end at once.
daemons = {name for name in ecs.waiter_names if name.startswith("daemon_")}
assert set(ecs.waiter_names) - daemons == {"services_stable", "services_inactive", "tasks_running", "tasks_stopped"}, ecs.waiter_names
arguments = {
    "daemon_active": {"daemonArn": "nothing"},
    "daemon_deployment_stopped": {"daemonDeploymentArns": ["nothing"]},
    "daemon_deployment_successful": {"daemonDeploymentArns": ["nothing"]},
    "daemon_task_definition_active": {"daemonTaskDefinition": "nothing"},
    "daemon_task_definition_deleted": {"daemonTaskDefinition": "nothing"},
}
assert set(arguments) == daemons, daemons
for name in sorted(daemons):
    try:
        ecs.get_waiter(name).wait(**arguments[name], WaiterConfig=SOON)
        raise AssertionError(f"{name} was not refused")
    except WaiterError as error:
        assert error.last_response["Error"]["Code"] == "UnsupportedFeatureException", error
print("pages and waiters done")
