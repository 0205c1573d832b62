"""One file per verb of the `promoter` command: `arguments` says what it takes, `run` does it."""
