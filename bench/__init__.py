"""Moorage measured beside its peers: `python -m bench`; docs/benchmarks.md says what and why."""
