import pytest

from novis.data.downloads.patience import Patience
from tests.data.downloads.server import Server


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.close()


@pytest.fixture
def waits():
    """The seconds that were waited, instead of waiting."""
    return []


@pytest.fixture
def patience(waits):
    return Patience(attempts=4, timeout=5, sleep=waits.append)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "file.bin"
