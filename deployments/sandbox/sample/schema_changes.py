"""The schema changes of the sample service: each adds one revision, with the code that goes with it."""

import hashlib
import re
from collections.abc import Iterator

from deployments.sandbox.sample.faults import Edit
from deployments.sandbox.sample.tree import Files

VERSIONS = "migrations/versions/"
OWNERS = "name_owners_"
"""How the revision that always fails is called: it is taken back with the next commit."""
SILENT = "drop_silently_"
"""How the revision that nobody acknowledges is called; it is taken back too."""
COLUMNS = ("colour", "mood", "place", "language", "weather", "occasion")
REVISION = re.compile(
    r'^revision = "(?P<revision>[^"]+)"$.*?^down_revision = (?P<parents>[^\n]*)$', re.DOTALL | re.MULTILINE
)

FILE = '''"""{message}."""

import sqlalchemy as sa
from alembic import op

{comments}revision = "{revision}"
down_revision = {parents}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''

ACKNOWLEDGED = """# promoter: acknowledge destructive: nobody reads this column
# promoter: acknowledge incompatible: no release names this column
"""
BROKEN = """op.add_column("notes", sa.Column("owner_{number}", sa.Text()))
    owners = {{"local": "me", "test": "tester"}}
    environment = os.environ.get("ENVIRONMENT", "local")
    if environment not in owners:
        raise RuntimeError(f"no owner is known for the notes of {{environment}}")
    owner = sa.literal(owners[environment])
    op.execute(sa.text("UPDATE notes SET owner_{number} = :owner").bindparams(owner=owner.value))"""

TEST = """from fastapi.testclient import TestClient


def test_a_note_has_its_{column}(client: TestClient) -> None:
    note = client.post("/notes", json={{"title": "Milk", "{column}": "plain"}}).json()

    assert client.get(f"/notes/{{note['id']}}").json()["{column}"] == "plain"
"""


def add_column(files: Files, number: int) -> Files:
    """Give notes one more field: table, model, answers and a test; the way back loses nothing that was there before."""
    column = _new_column(files, number)
    for edit in (
        Edit(
            "app/models.py", "    pinned: Mapped[bool]", f"    {column}: Mapped[str | None]\n    pinned: Mapped[bool]"
        ),
        Edit("app/schemas.py", "    pinned: bool", f"    {column}: str | None = None\n    pinned: bool"),
    ):
        files = edit.apply(files)
    return {
        **files,
        f"tests/test_{column}.py": TEST.format(column=column),
        **_revision(
            files,
            f"add_{column}_to_notes",
            f"Give notes a {column}",
            f'op.add_column("notes", sa.Column("{column}", sa.Text()))',
            f'op.drop_column("notes", "{column}")',
        ),
    }


def drop_column(files: Files, number: int) -> Files:
    """Drop a column that no code reads any more and say so; the way back restores the column, not its contents."""
    return _drop_column(files, _hexadecimal(number), ACKNOWLEDGED)


def drop_column_silently(files: Files, number: int) -> Files:
    """Drop a column and take nothing upon oneself."""
    return _drop_column(files, f"{SILENT}{number}", "")


def _drop_column(files: Files, revision: str, comments: str) -> Files:
    column = next(_legacy_columns(files), None)
    if column is None:
        msg = "the sample service has no column left that it could drop"
        raise ValueError(msg)
    return {
        **files,
        **_revision(
            files,
            revision,
            f"Forget the {column.replace('_', ' ')} of the first import",
            f'op.drop_column("notes", "{column}")',
            f'op.add_column("notes", sa.Column("{column}", sa.Text()))',
            comments=comments,
        ),
    }


def add_without_way_back(files: Files, number: int) -> Files:
    """Add a column and forget it on the way back."""
    revision = _hexadecimal(number)
    upgrade = f'op.add_column("notes", sa.Column("search_{number}", sa.Text()))'
    return {**files, **_revision(files, revision, "Make notes easy to search", upgrade, "pass")}


def add_broken(files: Files, number: int) -> Files:
    """Fill a column from a table that knows no environment but the tests'."""
    added = _revision(
        files,
        f"{OWNERS}{number}",
        "Name an owner for every note",
        BROKEN.format(number=number),
        f'op.drop_column("notes", "owner_{number}")',
    )
    return {
        **files,
        **{
            path: text.replace("import sqlalchemy", "import os\n\nimport sqlalchemy", 1) for path, text in added.items()
        },
    }


def take_back_broken(files: Files) -> Files:
    """Return `files` without the revisions that never ran anywhere."""
    return {path: text for path, text in files.items() if not path.startswith((VERSIONS + OWNERS, VERSIONS + SILENT))}


def heads(files: Files) -> list[str]:
    """Return the revisions that no other one follows, sorted."""
    found = [match for path, text in files.items() if path.startswith(VERSIONS) and (match := REVISION.search(text))]
    followed = {parent for match in found for parent in re.findall(r'"([^"]+)"', match["parents"])}
    return sorted({match["revision"] for match in found} - followed)


def _revision(files: Files, revision: str, message: str, upgrade: str, downgrade: str, *, comments: str = "") -> Files:
    slug = "" if "_" in revision else "_" + message.lower().replace(" ", "_")
    parents = [f'"{head}"' for head in heads(files)]
    text = FILE.format(
        message=message,
        comments=comments,
        revision=revision,
        parents=parents[0] if len(parents) == 1 else f"({', '.join(parents)})",
        upgrade=upgrade,
        downgrade=downgrade,
    )
    return {f"{VERSIONS}{revision}{slug}.py": text if "sa." in text else text.replace("import sqlalchemy as sa\n", "")}


def _new_column(files: Files, number: int) -> str:
    unused = [name for name in COLUMNS if f"{VERSIONS}add_{name}_to_notes.py" not in files]
    return unused[0] if unused else f"detail_{number}"


def _legacy_columns(files: Files) -> Iterator[str]:
    everything = "".join(text for path, text in sorted(files.items()) if path.startswith(VERSIONS))
    for column in dict.fromkeys(re.findall(r'"(legacy_\w+)"', everything)):
        if f'op.drop_column("notes", "{column}")' not in everything:
            yield column


def _hexadecimal(number: int) -> str:
    return hashlib.sha256(f"revision {number}".encode()).hexdigest()[:12]
