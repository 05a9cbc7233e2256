"""Child processes for work that must not run in the engine: decoding files of strangers, and native speech synthesis.

`process` is the engine's side (start, requests, time-outs, restart), `child` the child's; `decode` and `speech` are
what children do. This file imports nothing, because a child passes through it on its way to its own few modules.
"""
