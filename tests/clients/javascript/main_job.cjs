// The main job by the JavaScript client: cluster, definition, three tasks, waiters, stop; every list by its paginator.
"use strict";

const assert = require("node:assert/strict");
const aws = require("@aws-sdk/client-ecs");

const ecs = new aws.ECSClient({});
const soon = { client: ecs, minDelay: 1, maxDelay: 2, maxWaitTime: 90 };

async function pages(paginate, member, input = {}) {
    const found = [];
    for await (const page of paginate({ client: ecs, pageSize: 1 }, input)) {
        assert.ok(page[member].length <= 1, JSON.stringify(page));
        found.push(...page[member]);
    }
    return found.sort();
}

async function refused(name, command) {
    await assert.rejects(ecs.send(command), (error) => {
        assert.ok(error instanceof aws.ECSServiceException, String(error));
        assert.equal(error.name, name);
        assert.equal(error.$fault, "client");
        assert.ok(error.$metadata.requestId);
        return true;
    });
}

async function main() {
    for (const clusterName of ["other", "third"]) {
        const { cluster } = await ecs.send(new aws.CreateClusterCommand({ clusterName }));
        assert.equal(cluster.status, "ACTIVE");
    }
    assert.equal((await pages(aws.paginateListClusters, "clusterArns")).length, 3);
    await refused("ClusterContainsContainerInstancesException", new aws.DeleteClusterCommand({ cluster: "default" }));

    const container = { name: "main", image: "quorate-test/busybox", command: ["sleep", "3600"], cpu: 16, memory: 16, stopTimeout: 2 };
    const registered = await ecs.send(new aws.RegisterTaskDefinitionCommand({ family: "javascript", containerDefinitions: [container], tags: [] }));
    assert.equal(registered.taskDefinition.revision, 1);
    assert.ok(registered.taskDefinition.registeredAt instanceof Date);

    const ran = await ecs.send(new aws.RunTaskCommand({ taskDefinition: "javascript", count: 3 }));
    assert.deepEqual(ran.failures, []);
    const tasks = ran.tasks.map((task) => task.taskArn).sort();
    assert.equal(tasks.length, 3);
    await aws.waitUntilTasksRunning(soon, { tasks });
    assert.deepEqual(await pages(aws.paginateListTasks, "taskArns"), tasks);
    assert.equal((await pages(aws.paginateListContainerInstances, "containerInstanceArns")).length, 2);

    await ecs.send(new aws.CreateServiceCommand({ serviceName: "web", taskDefinition: "javascript", desiredCount: 1 }));
    await aws.waitUntilServicesStable(soon, { services: ["web"] });
    await ecs.send(new aws.DeleteServiceCommand({ service: "web", force: true }));
    await aws.waitUntilServicesInactive(soon, { services: ["web"] });

    for (const task of tasks) {
        await ecs.send(new aws.StopTaskCommand({ task, reason: "enough" }));
    }
    await aws.waitUntilTasksStopped(soon, { tasks });
    const described = await ecs.send(new aws.DescribeTasksCommand({ tasks }));
    for (const task of described.tasks) {
        assert.equal(task.stopCode, "UserInitiated");
        assert.equal(task.stoppedReason, "enough");
        assert.ok(task.stoppedAt instanceof Date);
    }
    await refused("ClusterNotFoundException", new aws.ListTasksCommand({ cluster: "nowhere" }));
    console.log("main job done");
}

main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
