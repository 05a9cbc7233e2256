"""The declarations of the verb table, a file for each family of verbs; `voyloml.verbs` puts them together."""
