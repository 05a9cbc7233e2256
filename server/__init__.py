"""The process: configuration, logs, start and stop, the `voylo` command. The only room that sees all others.

Imports nothing here, so that `voylo --help` is quick.
"""
