"""The demo: several clients at once, a daemon, and a network between them that misbehaves.

`make demo` runs it, in some seconds: real processes of the real command, in a folder that is gone
afterwards. It is the challenge that this project began as.
"""
