"""The text of Alembic's version files, from the statements of their two functions."""

from textwrap import dedent, indent

HEAD = '''"""do {name}"""

from alembic import op
import sqlalchemy as sa

revision: str = {name!r}
down_revision: str | tuple[str, ...] | None = {after!r}
branch_labels = None
depends_on = {depends_on!r}

'''


def version_file(
    name: str, after: str | tuple[str, ...] | None, up: str, down: str | None, depends_on: str | None = None
) -> str:
    """Return the file of revision `name`; `up` and `down` are statements, `down` None leaves the function out."""
    functions = {"upgrade": up} if down is None else {"upgrade": up, "downgrade": down}
    return HEAD.format(name=name, after=after, depends_on=depends_on) + "".join(
        f"\ndef {function}() -> None:\n{_block(body)}\n\n" for function, body in functions.items()
    )


def _block(statements: str) -> str:
    return indent(dedent(statements).strip(), "    ")
