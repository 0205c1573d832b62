"""Measures what issue and README promise, as ratios within one run: times differ between machines, ratios hardly."""
