"""The nouns and tools of a promotion; nothing in here knows Prefect."""
