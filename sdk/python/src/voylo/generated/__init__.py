"""What `python -m sdk.generate.python` writes from the engine: bodies, resources and builders."""
