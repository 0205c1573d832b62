"""Takes GitHub's webhooks: a verified push is in the ledger before the answer, and Prefect hears of it after.

What is not signed with our secret has no effect and always gets the same answer. A delivery is a hint, not the truth: what is
promoted is read from the remote by the flow, and what no webhook brought is found by `poll-branches`.
"""
