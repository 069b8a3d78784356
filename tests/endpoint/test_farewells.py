"""The last word of a client that is stopped: it comes through, though it is lost the first time."""

import pytest
from host import Host

import mayhem_udp


class Deaf:
    """A socket that loses the next batch that it is to send."""

    def __init__(self, socket):
        self._socket = socket
        self.lost = 0

    def send(self, batch):
        if self.lost:
            return self._socket.send(batch)
        self.lost += 1
        return batch.total_bytes

    def __getattr__(self, name):
        return getattr(self._socket, name)


@pytest.fixture
def host(tmp_path):
    """A server that would wait ten minutes for a silent client."""
    host = Host(tmp_path / "root", transport__idle_timeout="10m")
    with open(tmp_path / "root" / "endless", "wb") as file:
        file.truncate(1 << 30)
    yield host
    host.close()


@pytest.mark.parametrize("verb", ["put", "get"])
def test_a_goodbye_that_was_lost_is_said_again_to_a_server_that_goes_on(host, tmp_path, verb):
    with open(tmp_path / "local", "wb") as file:
        file.truncate(1 << 30)
    settings = {"client__cache_dir": str(tmp_path / "cache"), "transport__idle_timeout": "10m"}
    with mayhem_udp.connect(host.url, **settings) as client:

        def tell(progress):
            if progress.bytes_done:
                raise KeyboardInterrupt

        client._tell = tell
        with pytest.raises(KeyboardInterrupt):
            client.put(tmp_path / "local", "x") if verb == "put" else client.get("endless", tmp_path / "y")
        conversation = client._endpoint()._conversation
        conversation.socket = deaf = Deaf(conversation.socket)
        client.close(KeyboardInterrupt())
    host.watcher.wait_for_gone()
    (end,) = host.watcher.ends
    assert (deaf.lost, end.reason) == (1, "the client was stopped")
