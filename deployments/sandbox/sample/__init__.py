"""The sample service of the sandbox: its sources, its history, and what can go wrong in it."""
