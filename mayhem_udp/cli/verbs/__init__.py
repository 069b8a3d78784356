"""The verbs: one a module, each a click command called `command` that returns an exit code."""
