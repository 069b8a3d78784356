"""The command: arguments to a verb, a verb to an exit code, everything shown in one place (`render`).

Nothing below knows of it. Modules here are imported late, each verb's when it is called for, because a
command that moves one small file should take no longer than the file.
"""
