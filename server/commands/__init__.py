"""The bodies of the `voylo` commands, one module each, loaded when the command runs."""
