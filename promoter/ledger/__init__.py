"""The release ledger: what was intended, what was done, who holds which environment. It is the memory of the way back."""
