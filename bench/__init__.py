"""Measurements: each module has `run(quick=…)`, which prints what it found and returns it; `python -m bench` runs them."""
