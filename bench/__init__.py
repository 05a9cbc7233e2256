"""Measurements: each module has `run(quick=…)`, which prints and returns what it found; `python -m bench` runs all."""
