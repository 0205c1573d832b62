"""The schema of a database: its revisions, their migrations, and the rehearsal that says what they cost."""
