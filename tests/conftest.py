"""What holds for every test: examples of hypothesis are the same each time, and no clock decides over them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("voylo", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("voylo")
