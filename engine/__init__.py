"""What happens to a call: numbers, applications, call routing, call control, records and events, and the store.

Imports `sip`, `media` and `voyloml` and drives them; knows nothing of HTTP resources or of the process around it. Its
parts are imported by module: `engine.calls`, `engine.numbers`, `engine.applications`, `engine.records`, `engine.store`.
"""
