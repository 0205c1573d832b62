"""A zoo of migrations: each kind that a real history has, and what its rehearsal has to say."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from promoter.records import Verdict
from tests.promoter.schema.version_files import version_file


def sql(*statements: str) -> str:
    """Return the lines of a migration that run `statements`, one at a time: asyncpg takes no two together."""
    return "\n".join(f'op.execute("""{statement}""")' for statement in statements)


def alone(statement: str) -> str:
    """Return the lines of a migration that run `statement` outside of a transaction."""
    return f"with op.get_context().autocommit_block():\n    {sql(statement)}"


POSTS = "CREATE TABLE posts (id uuid PRIMARY KEY, author int NOT NULL REFERENCES users (id), tags text[], body jsonb)"
USERS = sql(
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, age int CHECK (age >= 18), mood mood,"
    " code text CONSTRAINT one_code UNIQUE, plan varchar(8) NOT NULL CHECK (plan IN ('free', 'paid')))",
    POSTS,
)
"""The schema that every animal meets, made by the revision `users`."""


@dataclass(frozen=True)
class Migration:
    """One version file."""

    up: str = "pass"
    down: str | None = "pass"
    """None leaves the function out."""
    after: str | tuple[str, ...] = "users"
    name: str = "change"

    def text(self) -> str:
        """Return the text of the file."""
        return version_file(self.name, self.after, self.up, self.down)


@dataclass(frozen=True)
class Animal:
    """Migrations that follow the revision `users`, and what the rehearsal has to find."""

    kind: str
    migrations: tuple[Migration, ...]
    verdict: Verdict
    """Of the whole path."""
    detail: str
    """A pattern in the path's sentence."""
    each: Mapping[str, Verdict] = field(default_factory=dict)
    """Of each revision, where there are several."""
    after: tuple[str, ...] = ("change",)
    """The heads."""
    per_migration: bool = False
    """Whether each migration has a transaction of its own."""


def one(kind: str, up: str, down: str | None, verdict: Verdict, detail: str) -> Animal:
    """Return an animal with one revision."""
    return Animal(kind, (Migration(up, down),), verdict, detail, {"change": verdict})


BACK = "Schema and rows came back"
EMAIL, NO_EMAIL = sql("ALTER TABLE users ADD COLUMN email text"), sql("ALTER TABLE users DROP COLUMN email")
LOGS, NO_LOGS = sql("CREATE TABLE logs (id int PRIMARY KEY, line text)"), sql("DROP TABLE logs")
FORGET, RECALL = sql("ALTER TABLE users DROP COLUMN age"), sql("ALTER TABLE users ADD COLUMN age int CHECK (age >= 18)")
CONDITIONAL = "if not sa.inspect(op.get_bind()).has_table('posts'):\n    " + sql("CREATE TABLE posts (id uuid)")
COLOUR = "ALTER TABLE users ADD COLUMN c colour"
COLOUR_ONCE = "DO $$BEGIN IF to_regtype('colour') IS NULL THEN CREATE TYPE colour AS ENUM ('red'); END IF; END$$"
MOOD_WITHOUT_ODD = sql(
    "ALTER TYPE mood RENAME TO old",
    "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "ALTER TABLE users ALTER mood TYPE mood USING mood::text::mood",
    "DROP TYPE old",
)
LONG = "add_chat_tables_and_their_indexe"

ZOO = [
    one("clean expand", EMAIL, NO_EMAIL, "lossless", BACK),
    one("new table", LOGS, NO_LOGS, "lossless", BACK),
    one("empty both ways", "pass", "pass", "lossless", BACK),
    one("drop column with data", FORGET, RECALL, "lossy", r"Lost on the way back: users\.age\.$"),
    one("drop table", sql("DROP TABLE posts"), sql(POSTS), "lossy", r"Lost on the way back: posts\.$"),
    one("pass downgrade", EMAIL, "pass", "no-op", r"changes nothing: TABLE users differs\.$"),
    one("missing downgrade", EMAIL, None, "fails", "The downgrade fails at .*downgrade"),
    one("downgrade raises", EMAIL, 'raise NotImplementedError("no way back")', "fails", "downgrade .*: no way back$"),
    one(
        "enum left behind, in the way of the next upgrade",
        sql("CREATE TYPE colour AS ENUM ('red')", COLOUR),
        sql("ALTER TABLE users DROP COLUMN c"),
        "fails",
        r"TYPE colour is left behind\. After the way back: The upgrade fails at .*42710",
    ),
    one(
        "enum left behind, and tolerated",
        sql(COLOUR_ONCE, COLOUR),
        sql("ALTER TABLE users DROP COLUMN c"),
        "lossy",
        r"The schema does not come back: TYPE colour is left behind\.$",
    ),
    one("enum value added", alone("ALTER TYPE mood ADD VALUE 'odd'"), "pass", "no-op", "TYPE mood differs"),
    one(
        "enum value that a row has when it is taken back",
        alone("ALTER TYPE mood ADD VALUE 'odd'"),
        MOOD_WITHOUT_ODD,
        "fails",
        "The downgrade fails at .*22P02",
    ),
    one(
        "index concurrently",
        alone("CREATE INDEX CONCURRENTLY by_name ON users (name)"),
        alone("DROP INDEX CONCURRENTLY by_name"),
        "lossless",
        BACK,
    ),
    one(
        "not null without default",
        sql("ALTER TABLE users ADD COLUMN email text NOT NULL"),
        NO_EMAIL,
        "fails",
        "The upgrade fails at revision change: .*23502",
    ),
    one(
        "the new release may write what the old schema refuses",
        sql("ALTER TABLE users ALTER COLUMN name DROP NOT NULL"),
        sql("ALTER TABLE users ALTER COLUMN name SET NOT NULL"),
        "fails",
        "The downgrade fails at .*23502",
    ),
    one("conditional upgrade of a table", CONDITIONAL, sql("DROP TABLE posts"), "lossy", r"Lost .*: posts\.$"),
    one(
        "conditional upgrade of a column",
        sql("ALTER TABLE users ADD COLUMN IF NOT EXISTS age int"),
        sql("ALTER TABLE users DROP COLUMN age"),
        "lossy",
        r"Lost .*: users\.age\.$",
    ),
    one(
        "constraint returns as an index, in the way of the next upgrade",
        sql("ALTER TABLE users DROP CONSTRAINT one_code"),
        sql("CREATE UNIQUE INDEX one_code ON users (code)"),
        "fails",
        r"CONSTRAINT users one_code is gone; INDEX one_code is left behind\. After the way back: .*42704",
    ),
    one(
        "constraint returns as an index, and is tolerated",
        sql("ALTER TABLE users DROP CONSTRAINT IF EXISTS one_code", "DROP INDEX IF EXISTS one_code"),
        sql("CREATE UNIQUE INDEX one_code ON users (code)"),
        "lossy",
        r"does not come back: CONSTRAINT users one_code is gone; INDEX one_code is left behind\.$",
    ),
    one("data migration without way back", sql("UPDATE users SET name = upper(name)"), "pass", "no-op", r"users\.name"),
    one(
        "data migration that guesses its way back",
        sql("UPDATE users SET name = upper(name)"),
        sql("UPDATE users SET name = lower(name)"),
        "lossy",
        r"Lost .*: users\.name\.$",
    ),
    one(
        "data migration that knows its way back",
        sql("UPDATE users SET age = age + 1"),
        sql("UPDATE users SET age = age - 1"),
        "lossless",
        BACK,
    ),
    one(
        "a table that cannot be filled",
        sql("CREATE TABLE odd (id int PRIMARY KEY CHECK (id * id = 1764 AND id > 0))"),
        sql("DROP TABLE odd"),
        "unproved",
        r"No row could be put into odd \(",
    ),
    Animal(
        "two heads",
        (Migration(EMAIL, NO_EMAIL, name="left"), Migration(FORGET, RECALL, name="right")),
        "lossy",
        r"Lost .*: users\.age\.$",
        {"left": "lossless", "right": "lossy"},
        ("left", "right"),
    ),
    Animal(
        "merge revision",
        (
            Migration(EMAIL, NO_EMAIL, name="left"),
            Migration(LOGS, NO_LOGS, name="right"),
            Migration(after=("left", "right"), name="join"),
        ),
        "lossless",
        BACK,
        {"left": "lossless", "right": "lossless", "join": "lossless"},
        ("join",),
    ),
    Animal(
        "an id of 32 letters",
        (Migration(LOGS, NO_LOGS, name=LONG), Migration(EMAIL, NO_EMAIL, after=LONG, name="next")),
        "lossless",
        BACK,
        {LONG: "lossless", "next": "lossless"},
        ("next",),
    ),
    Animal(
        "a transaction per migration, the second fails",
        (Migration(EMAIL, NO_EMAIL, name="one"), Migration(sql("SELECT 1/0"), after="one", name="two")),
        "fails",
        "The upgrade fails at revision two: .*22012",
        {"one": "lossless", "two": "fails"},
        ("two",),
        per_migration=True,
    ),
    Animal(
        "a transaction per migration, the first has no way back",
        (Migration(EMAIL, "pass", name="one"), Migration(LOGS, NO_LOGS, after="one", name="two")),
        "fails",
        r"TABLE users differs\. After the way back: The upgrade fails at revision one: .*42701",
        {"one": "no-op", "two": "lossless"},
        ("two",),
        per_migration=True,
    ),
]
