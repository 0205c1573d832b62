"""The revisions of a checkout are read from their source, and nothing of it runs."""

from pathlib import Path
from typing import Any

import pytest

from promoter import config
from promoter.errors import SchemaError
from promoter.schema import revisions

RULE = config.Migrations()


def ids(found: tuple[revisions.Revision, ...]) -> list[str]:
    """Return the ids, in order."""
    return [revision.id for revision in found]


def write(project: Any, name: str, text: str) -> Path:
    """Write a version file as it comes."""
    path: Path = project.path / "alembic" / "versions" / name
    path.write_text(text)
    return path


def test_a_history_has_an_order_and_its_heads(project: Any) -> None:
    """Branches, a merge, and an id of 32 characters that is no hexadecimal number."""
    long = "add_chat_tables_and_their_indexes"[:32]
    project.revision("root", None)
    project.revision(long, "root")
    project.revision("right", "root")
    project.revision("join", (long, "right"))
    project.revision("later", "join")
    found = revisions.script(project.path, RULE)

    assert found.heads == ("later",)
    assert ids(found.pending(("join",))) == ["later"]
    assert set(ids(found.pending(("right",)))) == {long, "join", "later"}
    assert ids(found.pending(()))[0] == "root"
    assert found.pending(("later",)) == ()
    assert found.is_ancestor(("right",), ("later",))
    assert not found.is_ancestor(("right",), (long,))
    assert found.is_ancestor((), ())


def test_the_source_says_what_a_downgrade_is(project: Any) -> None:
    """`pass`, nothing but a docstring, a raise, no function at all, and code; with file and line."""
    project.revision("code", None, down='op.execute("SELECT 1")')
    project.revision("empty", "code", down='"""There is no way back."""')
    project.revision("raises", "empty", down="raise NotImplementedError")
    path = project.revision("missing", "raises", down=None)
    found = revisions.script(project.path, RULE).by_id

    assert {name: revision.downgrade for name, revision in found.items()} == {
        name: name for name in ("code", "empty", "raises", "missing")
    }
    assert (found["missing"].path, found["missing"].message) == (path, "do missing")
    assert path.with_name("code.py").read_text().splitlines()[found["code"].line - 1].startswith("def downgrade")


def test_nothing_of_a_checkout_is_executed(project: Any, tmp_path: Path) -> None:
    """A version file that would write a file does not."""
    write(project, "evil.py", f"open({str(tmp_path / 'mark')!r}, 'w')\nrevision = 'evil'\ndown_revision = None\n")

    assert revisions.script(project.path, RULE).heads == ("evil",)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("revision = uuid4().hex", r"one\.py:1: `revision` must be a literal", id="computed id"),
        pytest.param("down_revision = None", "must be one text of 1 to 32 characters", id="no id"),
        pytest.param(f"revision = {'x' * 33!r}", "must be one text of 1 to 32 characters", id="33 characters"),
        pytest.param("revision = 'a'\ndown_revision = 'gone'", "follows 'gone', which is in no", id="no parent"),
        pytest.param("revision = 'root'", "revision 'root' is also in .*one.py|two.py", id="twice"),
        pytest.param("revision = 'a'\ndown_revision = 'a'", "fit no order", id="its own parent"),
        pytest.param("revision = 'a@b'", "fit no order", id="an id that Alembic refuses"),
        pytest.param("def (", r"one\.py: is no Python", id="syntax error"),
        pytest.param("revision = '\0'", r"one\.py: is no Python", id="null byte"),
        pytest.param("-" * 100_000 + "1", r"one\.py: is no Python", id="deep nesting"),
    ],
)
def test_what_alembic_would_not_run_is_refused(project: Any, text: str, message: str) -> None:
    """With the file, and the line where there is one."""
    project.revision("root", None)
    write(project, "one.py", text)

    with pytest.raises(SchemaError, match=message):
        revisions.script(project.path, RULE)


def test_a_cycle_is_refused(project: Any) -> None:
    """Two revisions that follow each other."""
    project.revision("a", "b")
    project.revision("b", "a")

    with pytest.raises(SchemaError, match="fit no order"):
        revisions.script(project.path, RULE)


@pytest.mark.parametrize("name", revisions.RESERVED)
def test_a_symbol_of_alembic_is_no_id(project: Any, name: str) -> None:
    """Alembic itself ends in an AssertionError that names nothing."""
    project.revision(name, None)

    with pytest.raises(SchemaError, match=rf"{name}\.py: no revision can be called '{name}'"):
        revisions.script(project.path, RULE)


def test_names_may_be_assigned_together(project: Any) -> None:
    """As some teams shorten the head of a version file."""
    project.revision("one", None)
    path = project.path / "alembic" / "versions" / "two.py"
    path.write_text('revision, down_revision = "two", "one"\n')

    assert revisions.script(project.path, RULE).heads == ("two",)


def test_a_database_ahead_of_the_checkout_is_named(project: Any) -> None:
    """An unknown current revision is an error of its own, even where it is the beginning of a known one."""
    project.revision("chat_tables", None)

    with pytest.raises(SchemaError, match="at chat, which is no revision of this checkout"):
        revisions.script(project.path, RULE).pending(("chat",))


@pytest.mark.parametrize(
    ("ini", "folder"),
    [
        pytest.param("script_location = db\nversion_locations = db/one:db/two\npath_separator = :", "db/two", id="two"),
        pytest.param("script_location = db\nversion_locations = db/one db/two", "db/two", id="spaces"),
        pytest.param("script_location = app.db:migrations", "app/db/migrations/versions", id="package"),
        pytest.param("script_location = db\nrecursive_version_locations = true", "db/versions/2024/05", id="recursive"),
    ],
)
def test_versions_are_found_where_alembic_finds_them(tmp_path: Path, ini: str, folder: str) -> None:
    """Each way of `alembic.ini` to say where they are."""
    (tmp_path / "alembic.ini").write_text(f"[alembic]\n{ini}\n")
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "one.py").write_text("revision = 'one'")

    assert revisions.script(tmp_path, RULE).heads == ("one",)


def test_pyproject_may_hold_the_configuration(tmp_path: Path) -> None:
    """As Alembic reads it from 1.16 on."""
    (tmp_path / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "%(here)s/db"\n')
    (tmp_path / "db" / "versions").mkdir(parents=True)
    (tmp_path / "db" / "versions" / "one.py").write_text("revision = 'one'")

    assert revisions.script(tmp_path, RULE).heads == ("one",)


@pytest.mark.parametrize("location", ["../outside", "/etc", "link"])
def test_nothing_outside_of_the_checkout_is_read(tmp_path: Path, location: str) -> None:
    """Neither by a relative path, nor an absolute one, nor a link."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "link").symlink_to("/etc")
    (checkout / "alembic.ini").write_text(f"[alembic]\nscript_location = {location}\n")

    with pytest.raises(SchemaError, match="leaves the checkout"):
        revisions.script(checkout, RULE)


@pytest.mark.parametrize("name", ["alembic.ini", "pyproject.toml"])
def test_a_configuration_that_is_a_link_elsewhere_is_not_read(tmp_path: Path, name: str) -> None:
    """Its error would show lines of a file of this machine."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (tmp_path / "credentials").write_text("https://ada:s3cret@git.example\n")
    (checkout / name).symlink_to("../credentials")

    with pytest.raises(SchemaError, match="leaves the checkout") as refused:
        revisions.script(checkout, RULE)

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("ini", "message"),
    [
        pytest.param(None, "no such file", id="missing"),
        pytest.param("[alembic]\n", "names no script_location", id="empty"),
        pytest.param("script_location = x", "cannot be read", id="no section"),
        pytest.param("[alembic]\nscript_location = %(nothing)s", "cannot be read", id="interpolation"),
    ],
)
def test_a_broken_configuration_is_named(tmp_path: Path, ini: str | None, message: str) -> None:
    """With its path."""
    if ini is not None:
        (tmp_path / "alembic.ini").write_text(ini)

    with pytest.raises(SchemaError, match=rf"alembic\.ini: {message}"):
        revisions.script(tmp_path, RULE)
