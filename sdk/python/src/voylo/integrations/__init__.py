"""Action requests and webhooks in web frameworks: `starlette`, which is for FastAPI too, `fastapi` and `flask`.

Each module needs its framework, which this package does not install; import the one that you use.
"""
