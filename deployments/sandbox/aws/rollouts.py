"""Carries a service from one deployment to the next: begin, fail, roll back, complete, each told as ECS tells it."""

import secrets

from deployments.sandbox.aws import deployments, events
from deployments.sandbox.aws.state import Deployment, Document, Service, ServiceDeployment, deployment_number, now

BREAKER = "ECS deployment circuit breaker"
SETTLED = {
    "loadBalancers",
    "networkConfiguration",
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "platformFamily",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
}
"""Settings of a service that are fixed with each deployment: a service revision."""


def begin(service: Service, task_definition: str) -> Deployment:
    """Make a new primary deployment; one that was still on its way is superseded."""
    number = deployment_number()
    settings = {name: value for name, value in service.settings.items() if name in SETTLED}
    deployment = Deployment(number, task_definition, settings, service.desired)
    deployment.reason = f"ECS deployment {deployment.id} in progress."
    source = service.primary if service.deployments else None
    _supersede(service)
    _put_first(service, deployment)
    service.history.insert(0, deployment)
    service.service_deployments.insert(0, _story(service, deployment, source))
    service.task_definition, service.launch_at = task_definition, 0.0
    events.deployment_changed(service, deployment, "SERVICE_DEPLOYMENT_IN_PROGRESS", deployment.reason)
    return deployment


def fail(service: Service) -> None:
    """End the primary deployment as the circuit breaker does, and roll back if that is wanted and possible."""
    story, failed = service.service_deployments[0], service.primary
    why = f"{BREAKER}: tasks failed to start."
    _end(service, failed, why)
    story.tripped = True
    service.say(f"(deployment {failed.id}) deployment failed: tasks failed to start.")
    wanted = (service.configuration.get("deploymentCircuitBreaker") or {}).get("rollback", False)
    reason = "Service deployment rolled back because the circuit breaker threshold was exceeded."
    if not (wanted and roll_back(service, BREAKER, reason)):
        finish(story, "STOPPED", "The circuit breaker threshold was exceeded.")


def stop(service: Service, *, rollback: bool) -> None:
    """End the primary deployment as a person asks for it."""
    why = "Service deployment was stopped by user"
    story = service.service_deployments[0]
    _end(service, service.primary, f"{why}.")
    if rollback and roll_back(service, why, "Service deployment rolled back because it was stopped by user."):
        return
    story.stopped = now()
    finish(story, "STOPPED", f"{why}.")


def roll_back(service: Service, who: str, reason: str) -> bool:
    """Bring the last completed deployment back, under its own id; return False where there is none."""
    failed, story = service.primary, service.service_deployments[0]
    good = deployments.rollback_target(service.history, failed)
    if good is None:
        return False
    failed.desired = 0
    good.desired, good.failures, good.returning = service.desired, 0, True
    good.rollout_state, good.updated = "IN_PROGRESS", now()
    good.reason = f"{who}: rolling back to deploymentId {good.id}."
    _put_first(service, good)
    service.task_definition, service.launch_at = good.task_definition, 0.0
    story.status, story.reason = "ROLLBACK_IN_PROGRESS", reason
    story.rollback = {"reason": reason, "startedAt": now(), "serviceRevisionArn": revision_arn(service, good)}
    service.say(f"rolling back to deployment {good.id}.")
    events.deployment_changed(service, good, "SERVICE_DEPLOYMENT_IN_PROGRESS", good.reason)
    return True


def complete(service: Service) -> None:
    """Note that the primary deployment has arrived; it alone is left."""
    primary, story = service.primary, service.service_deployments[0]
    primary.rollout_state, primary.reason = "COMPLETED", f"ECS deployment {primary.id} completed."
    primary.completed = primary.updated = now()
    service.deployments = [primary]
    if primary is story.target:
        finish(story, "SUCCESSFUL", None)
    elif story.status == "ROLLBACK_IN_PROGRESS":
        finish(story, "ROLLBACK_SUCCESSFUL", story.reason)
    service.say(f"(deployment {primary.id}) deployment completed.")
    events.deployment_changed(service, primary, "SERVICE_DEPLOYMENT_COMPLETED", primary.reason)


def finish(story: ServiceDeployment, status: str, reason: str | None) -> None:
    """Close the story of a service deployment."""
    story.status, story.reason, story.finished = status, reason, now()


def revision_arn(service: Service, deployment: Deployment) -> str:
    """Return the ARN of the service revision that `deployment` brings."""
    return f"{service.arn.replace(':service/', ':service-revision/')}/{deployment.number}"


def _story(service: Service, deployment: Deployment, source: Deployment | None) -> ServiceDeployment:
    arn = f"{service.arn.replace(':service/', ':service-deployment/')}/{secrets.token_urlsafe(16)[:21]}"
    configuration: Document = dict(service.configuration)
    return ServiceDeployment(arn, deployment, source, configuration)


def _supersede(service: Service) -> None:
    for story in service.service_deployments[:1]:
        if story.finished is None:
            story.stopped = now()
            finish(story, "STOPPED", "Service deployment was stopped because a new service deployment was started.")


def _put_first(service: Service, deployment: Deployment) -> None:
    for other in service.deployments:
        other.status = "ACTIVE"
    deployment.status = "PRIMARY"
    service.deployments = [deployment, *(other for other in service.deployments if other is not deployment)]
    service.steady = service.stuck = False


def _end(service: Service, deployment: Deployment, why: str) -> None:
    deployment.rollout_state, deployment.reason, deployment.updated = "FAILED", why, now()
    events.deployment_changed(service, deployment, "SERVICE_DEPLOYMENT_FAILED", why)
