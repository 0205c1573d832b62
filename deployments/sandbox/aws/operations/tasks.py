"""Tasks: run, stop, describe, list."""

from deployments.sandbox.aws import documents
from deployments.sandbox.aws.operations import lookup
from deployments.sandbox.aws.refusals import ApiError, invalid
from deployments.sandbox.aws.state import Document, Region, Task, TaskDefinition
from deployments.sandbox.aws.tasks import new_task

KEPT = {"launchType", "platformVersion"}
MOST = 10


def run(region: Region, request: Document) -> Document:
    """RunTask; the same `clientToken` with the same request returns the same tasks."""
    token = request.get("clientToken")
    if token in region.tokens:
        before, tasks = region.tokens[token]
        if before != request:
            message = "The provided clientToken is already in use with a different RunTask request."
            raise ApiError("ConflictException", message)
        return _answer(region, tasks)
    tasks = _run(region, request)
    if token:
        region.tokens[token] = dict(request), tasks
    return _answer(region, tasks)


def _run(region: Region, request: Document) -> list[Task]:
    cluster = lookup.cluster(region, request)
    definition = _runnable(region, request["taskDefinition"])
    count, overrides = request.get("count") or 1, request.get("overrides") or {}
    _check(request, definition)
    settings = {name: value for name, value in request.items() if name in KEPT}
    tasks = [
        new_task(
            region,
            cluster,
            definition,
            group=request.get("group") or f"family:{definition.family}",
            started_by=request.get("startedBy") or "",
            settings=settings,
            overrides=overrides,
        )
        for _ in range(count)
    ]
    for task in tasks:
        inherited = definition.tags if request.get("propagateTags") == "TASK_DEFINITION" else []
        task.tags = [*inherited, *(request.get("tags") or [])]
        region.start(region, task)
    return tasks


def _runnable(region: Region, name: str) -> TaskDefinition:
    """Return the definition; RunTask has a code of its own for one that is INACTIVE (github.com/DefangLabs/defang/pull/775)."""
    try:
        return lookup.usable(region, name)
    except ApiError as error:
        raise invalid(error.message) if "inactive" in error.message else error from None


def _check(request: Document, definition: TaskDefinition) -> None:
    if not 1 <= (request.get("count") or 1) <= MOST:
        raise invalid(f"count should be between 1 and {MOST}.")
    if request.get("launchType") and request.get("capacityProviderStrategy"):
        raise invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    names = {one["name"] for one in definition.document["containerDefinitions"]}
    for one in (request.get("overrides") or {}).get("containerOverrides") or ():
        if one.get("name") not in names:
            raise invalid(f"Override for container named {one.get('name')} is not a container in the TaskDefinition.")
    if definition.document.get("networkMode") == "awsvpc" and not request.get("networkConfiguration"):
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")


def stop(region: Region, request: Document) -> Document:
    """StopTask."""
    task = lookup.task(region, request)
    task.stop(request.get("reason") or "Task stopped by user", "UserInitiated")
    return {"task": documents.task(region, task)}


def describe(region: Region, request: Document) -> Document:
    """DescribeTasks."""
    cluster, found, failures = lookup.cluster(region, request), [], []
    for name in request["tasks"]:
        task = region.tasks.get(lookup.last(name))
        if task and task.cluster == cluster.name:
            found.append(documents.task(region, task, request.get("include") or ()))
        else:
            arn = name if name.startswith("arn:") else region.arn(f"task/{cluster.name}/{name}")
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"tasks": found, "failures": failures}


def list_arns(region: Region, request: Document) -> Document:
    """ListTasks: running ones, unless `desiredStatus` asks for the stopped."""
    cluster, desired = lookup.cluster(region, request), request.get("desiredStatus") or "RUNNING"
    arns = [
        task.arn
        for task in region.tasks.values()
        if task.cluster == cluster.name and task.desired == desired and _matches(task, request)
    ]
    return lookup.page(arns, request, "taskArns")


def _matches(task: Task, request: Document) -> bool:
    wanted = {
        "family": task.definition.family,
        "startedBy": task.started_by,
        "launchType": task.settings.get("launchType"),
    }
    if request.get("serviceName") and task.group != f"service:{lookup.last(request['serviceName'])}":
        return False
    return all(request.get(name) in {None, value} for name, value in wanted.items())


def _answer(region: Region, tasks: list[Task]) -> Document:
    return {"tasks": [documents.task(region, task, include=("TAGS",)) for task in tasks], "failures": []}
