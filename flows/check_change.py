"""What a pull request gets: everything that can be known of a change before it is merged, and nothing changed by it."""

from flows.hooks import checking
from flows.parameters import Change, Commit, ServiceName, Target
from promoter.records import Version
from tasks.change import check_sources, conclude, name_check, plan_change, preview_version, read_change, try_image


@checking
def check_change(service: ServiceName, branch: Change, commit: Commit = None, target: Target = "dev") -> Version:
    """Test, build, rehearse and lint a commit as a part of `target`; return the version that it would get, which stays free.

    `refs/pull/7/head` as `branch` is pull request 7, which may come from a fork; GitHub shows what was found.
    """
    change = read_change(service, branch, commit, target)
    version = preview_version(change)
    name_check(change, version)
    parts = (check_sources, try_image, plan_change)
    conclude(change, version, {part.name: part.submit(change, version) for part in parts})
    return version
