"""Which permissions the roles of an environment lack: every call that only looks is made, as the role that makes it in a promotion.

What changes something is not tried. ECS has no dry run, and AWS promises nowhere that it authorises a call before it looks at its parameters.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from prefect_aws import AwsCredentials

from deployments.doctor.examination import Check, NotNeededError
from promoter.config import Environment, Service
from promoter.ecs import autopsy, task_definitions
from promoter.errors import ConfigurationError, PromoterError
from promoter.identities import CALLS, IMPLIED, Purpose
from tasks import clients

ROLES: Mapping[Purpose, str] = MappingProxyType({"deploy": "deployer", "migrate": "migrator", "verify": "verifier"})
"""The role for each purpose, as its template and the service's file call it."""
LOOK = re.compile(r"\w+:(Describe|Get|List)")
REFUSED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
DENIAL = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)(?: on resource: (?P<resource>\S+))?")
"""What AWS says in a refusal (AWS IAM user guide, "Troubleshoot access denied error messages")."""
BOUNDARY = re.compile(r"boundary")
NOBODY = "0" * 32
"""A task that there is not."""
Parameters = Mapping[str, Any]


def checks(service: Service) -> Iterator[Check]:
    """Yield what has to be so for each role of each environment."""
    for name, environment in service.environments.items():
        for purpose, kind in ROLES.items():
            yield Check(f"{service.name}/{name}: {kind}", partial(_look, environment, name, purpose))
        yield Check(f"{service.name}/{name}: deployer's changes", partial(_skip, service))


def looks(environment: Environment, log: autopsy.LogStream | None) -> dict[str, Parameters]:
    """Return the parameters of every call that only looks; `log` is that of a task that runs, or could have."""
    service = {"cluster": environment.cluster, "service": environment.service}
    found: dict[str, Parameters] = {
        "ecs:DescribeServices": {"cluster": environment.cluster, "services": [environment.service]},
        "ecs:DescribeTaskDefinition": {"taskDefinition": environment.family, "include": ["TAGS"]},
        "ecs:DescribeTasks": {"cluster": environment.cluster, "tasks": [NOBODY]},
        "ecs:ListServiceDeployments": service,
        "ecs:ListTaskDefinitions": {"familyPrefix": environment.family, "maxResults": 1},
        "ecs:ListTasks": {"cluster": environment.cluster, "serviceName": environment.service},
        "secretsmanager:GetSecretValue": {"SecretId": environment.secret},
    }
    return found if log is None else {**found, "logs:GetLogEvents": {**_of(log), "limit": 1}}


def _of(log: autopsy.LogStream) -> Parameters:
    return {"logGroupName": log.group, "logStreamName": log.stream}


def _look(environment: Environment, name: str, purpose: Purpose) -> str:
    """Become who does `purpose`, make its calls that look, and return how many were let; raise with all those that were not."""
    credentials = clients.aws(environment, purpose)
    who = _who(environment, name, purpose, credentials)
    log = _log(credentials, environment) if "logs:GetLogEvents" in CALLS[purpose] else None
    wanted = {action: how for action, how in looks(environment, log).items() if action in CALLS[purpose]}
    denials = [denial for action, how in wanted.items() if (denial := _denial(credentials, action, how))]
    if denials:
        missing = ", ".join(_missing(one) for one in denials)
        raise PromoterError(f"{who} lacks {missing}", hint=_remedy(environment, purpose, denials))
    return f"{who} may make all {len(wanted)} calls that look"


def _who(environment: Environment, name: str, purpose: Purpose, credentials: AwsCredentials) -> str:
    """Return who that is, for people; raise where the worker may not become it."""
    kind = _kind(environment, purpose)
    try:
        arn = str(credentials.get_client("sts").get_caller_identity()["Arn"])
    except ClientError as error:
        raise PromoterError(
            f"the worker may not become the {kind} of {name}: {error.response['Error'].get('Message', error)}",
            hint=f"Name the role in `Roles` of deployments/aws/worker.yaml, and the worker in `Worker` of {_template(kind)}.",
        ) from error
    except BotoCoreError as error:
        raise ConfigurationError(
            f"the worker is nobody on AWS: {error}",
            hint="Give it a role, a profile, or `credentials` of the environment.",
        ) from error
    return f"the {kind} of {name} ({arn.rpartition(':')[2]})"


def _log(credentials: AwsCredentials, environment: Environment) -> autopsy.LogStream | None:
    """Return the log of a task of the newest definition; None where it logs elsewhere, or may not be read."""
    try:
        answer = credentials.get_client("ecs").describe_task_definition(taskDefinition=environment.family)
        return autopsy.log_stream(task_definitions.find(answer, environment.container), NOBODY)
    except (ClientError, BotoCoreError, PromoterError):
        return None


def _denial(credentials: AwsCredentials, action: str, parameters: Parameters) -> str:
    """Make a call, and return what AWS says if it is refused; any other error is the answer to somebody who was let."""
    service, operation = action.split(":")
    try:
        getattr(credentials.get_client(service), xform_name(operation))(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] in REFUSED:
            return str(error.response["Error"].get("Message") or f"not authorized to perform: {action}")
    return ""


def _missing(denial: str) -> str:
    match = DENIAL.search(denial)
    if match is None:
        return denial
    return f"{match['action']} on {match['resource']}" if match["resource"] else match["action"]


def _remedy(environment: Environment, purpose: Purpose, denials: list[str]) -> str:
    kind = _kind(environment, purpose)
    if kind == "worker":
        return "Allow it to who the worker is, or let the environment name roles; see docs/identities.md."
    bounded = any(BOUNDARY.search(one) for one in denials)
    place = "deployments/aws/boundary.yaml" if bounded else _template(kind)
    return f"Add it as in {place}, and deploy that anew; or mend the environment's names in the service's file."


def _kind(environment: Environment, purpose: Purpose) -> str:
    """Return which role does `purpose`: its own, the deployer's that looks in the place of a verifier's, else the worker's."""
    if purpose == "verify" and environment.verifier_role is None:
        purpose = "deploy"
    named = {
        "deploy": environment.deployer_role,
        "migrate": environment.migrator_role,
        "verify": environment.verifier_role,
    }
    return ROLES[purpose] if named[purpose] else "worker"


def _template(kind: str) -> str:
    return f"deployments/aws/{kind}.yaml"


def _skip(service: Service) -> str:
    """Say what is not tried, and where it stands."""
    tasks = set() if service.migrations.runner == "ecs-task" else {"ecs:RunTask", "ecs:StopTask"}
    calls = CALLS["deploy"].union(*IMPLIED.values()) - tasks
    changes = ", ".join(sorted(one for one in calls if not LOOK.match(one)))
    raise NotNeededError(f"{changes} change something and have no dry run: see deployments/aws/deployer.yaml")
