"""A secret's values are used and never shown."""

import json

from promoter.config import DatabaseKeys
from promoter.secrets import hidden_values


def test_everything_but_address_name_and_user_is_hidden() -> None:
    """The service may keep more in its secret than its database's password; a flag is no secret, and hiding `5` hides the clock."""
    secret = {
        "POSTGRES_USER": "api-user",
        "POSTGRES_PASSWORD": "a long password",
        "POSTGRES_DB": "api-database",
        "POSTGRES_HOST": "db.example",
        "POSTGRES_PORT": 5432,
        "SECRET_KEY": "signs every token",
        "PIN": 123456,
        "DEBUG": True,
    }

    assert hidden_values(json.dumps(secret), DatabaseKeys()) == ["a long password", "signs every token", "123456"]
