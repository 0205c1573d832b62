"""What another program inherits of this process's environment: all of it but the secrets of this installation."""

import os
import re

SECRET = re.compile(
    r"(PROMOTER|PREFECT)_\w*(AUTH_STRING|CONNECTION_URL|CREDENTIAL|CUSTOM_HEADERS|KEY|PASS|SECRET|TOKEN)\w*"
)
"""Our own variables and Prefect's that hold a secret, by their names; who needs one is handed it on purpose.

Those of others stay: git's and Docker's credential helpers live on GH_TOKEN and AWS_SECRET_ACCESS_KEY.
"""


def inherited() -> dict[str, str]:
    """Return what a program gets when it is handed nothing."""
    return {name: value for name, value in os.environ.items() if not SECRET.fullmatch(name)}


def withheld() -> dict[str, str]:
    """Return "" for each variable of this process that no program inherits, for a caller that cannot leave a name out."""
    return dict.fromkeys(filter(SECRET.fullmatch, os.environ), "")
