"""Prefect's process worker with engines that were started before they are needed: a run begins where its imports would have ended."""
