"""The occasions of a promotion: whatever starts a flow or gives it a place to run."""
