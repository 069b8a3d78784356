"""The library: a server as a context manager, and what can be asked of it.

    with mayhem_udp.connect("mayhem://files.example.org/", rate="20M") as server:
        result = server.put("report.pdf")
        server.get("plans.tar", Path("plans.tar"))

`client` is the front; `uploads`, `downloads` and `questions` are what goes each way; `outcomes` makes the
results. Everything blocks until it is done. Nothing here prints, or reads the environment.
"""

from mayhem_udp.api.client import Client, connect

__all__ = ["Client", "connect"]
