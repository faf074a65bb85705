"""What a server may answer in the place of the file, and lengths that are not true."""

import socket

import pytest

from novis.data.downloads.patience import Patience
from novis.data.downloads.transfer import fetch
from novis.errors import InputError
from tests.data.downloads.arrival import left_over, md5, ranges
from tests.data.downloads.server import chunked, fail, page, serve

QUOTA = (
    "<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head>"
    "<body>Too many users have viewed or downloaded this file recently.</body></html>"
)
LOGIN = "<html><head><title>Sign in - Example</title></head><body><form>Password</form></body></html>"


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 599])
def test_a_server_that_is_busy_is_asked_again(server, target, patience, waits, status):
    server.script = [fail(status), fail(status)]
    fetch(server.url, target, None, None, patience)
    assert waits == [1, 2]
    assert target.read_bytes() == server.content


def test_waiting_grows_to_its_limit(server, target, waits):
    server.script = [fail(503) for _ in range(20)]
    patience = Patience(attempts=8, first_wait=2, longest_wait=20, sleep=waits.append)
    with pytest.raises(InputError, match="gave up after 8"):
        fetch(server.url, target, None, None, patience)
    assert waits == [2, 4, 8, 16, 20, 20, 20]


def test_a_server_is_given_the_time_it_asks_for(server, target, patience, waits):
    server.script = [fail(429, Retry_After="17"), fail(503, Retry_After="0"), fail(503, Retry_After="soon")]
    fetch(server.url, target, None, None, patience)
    assert waits == [17, 2, 4]


def test_a_server_that_asks_for_hours_is_left_alone(server, target, patience, waits):
    server.script = [fail(429, Retry_After="7200")]
    with pytest.raises(InputError, match=r"429 .*asks to wait 7200 s\. Run again then"):
        fetch(server.url, target, None, None, patience)
    assert (waits, len(server.requests)) == ([], 1)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "sign in"),
        (403, "sign in"),
        (404, "not there any more"),
        (410, "not there any more"),
        (418, "browser"),
    ],
)
def test_a_closed_door_is_not_knocked_at_again(server, target, patience, waits, status, advice):
    server.script = [fail(status)]
    with pytest.raises(InputError, match=rf"answers {status} .*{advice}.*belongs at .*file\.bin"):
        fetch(server.url, target, None, None, patience)
    assert (waits, len(server.requests)) == ([], 1)


def test_a_quota_page_is_no_file(server, target, patience):
    server.script = [page(QUOTA)]
    with pytest.raises(
        InputError, match=r"web page \('Google Drive - Quota exceeded'\).*after a day.*belongs at"
    ):
        fetch(server.url, target, None, None, patience)
    assert left_over(target) == set()


def test_a_page_that_calls_itself_a_file_is_no_file(server, target, patience):
    server.script = [page("\n  " + LOGIN, content_type="application/zip")]
    with pytest.raises(InputError, match=r"web page \('Sign in - Example'\).*sign in with a browser"):
        fetch(server.url, target, None, 102_400, patience)
    assert not target.exists()


def test_a_quota_page_costs_nothing_of_what_had_come(server, target, patience):
    server.script = [serve(sent=60_000), page(QUOTA)]
    with pytest.raises(InputError, match="Quota exceeded"):
        fetch(server.url, target, None, None, patience)
    fetch(server.url, target, None, None, patience)
    assert ranges(server)[-1] == "bytes=60000-"
    assert target.read_bytes() == server.content


def test_more_announced_than_there_is_ends(server, target, patience):
    server.script = [serve(claim=200_000, ignore_range=True) for _ in range(20)]
    with pytest.raises(InputError, match="ended after 102,400 of 200,000 bytes; gave up"):
        fetch(server.url, target, None, None, patience)
    assert not target.exists()


def test_more_announced_than_there_is_ends_with_ranges_too(server, target, patience):
    server.script = [serve(claim=200_000) if i % 2 == 0 else serve() for i in range(20)]
    with pytest.raises(InputError, match="gave up after 4 attempts"):
        fetch(server.url, target, None, None, patience)
    assert not target.exists()


def test_less_announced_than_there_is_fails_against_the_known_size(server, target, patience):
    server.script = [serve(claim=50_000)]
    with pytest.raises(InputError, match="announces 50,000 bytes, but the file has 102,400"):
        fetch(server.url, target, None, len(server.content), patience)
    assert not target.exists()


def test_less_announced_than_there_is_fails_against_the_checksum(server, target, patience):
    server.script = [serve(claim=50_000), serve(claim=50_000)]
    with pytest.raises(InputError, match="MD5"):
        fetch(server.url, target, md5(server.content), None, patience)
    assert not target.exists()


def test_a_length_that_is_no_number_is_survived(server, target, patience, waits):
    server.script = [serve(claim="plenty")]
    fetch(server.url, target, None, None, patience)
    assert target.read_bytes() == server.content


def test_chunks_arrive_whole(server, target, patience):
    server.script = [chunked()]
    fetch(server.url, target, None, None, patience)
    assert target.read_bytes() == server.content


def test_broken_off_chunks_are_continued(server, target, patience):
    server.script = [chunked(sent=30_000)]
    fetch(server.url, target, None, None, patience)
    assert ranges(server)[1] == "bytes=30000-"
    assert target.read_bytes() == server.content


def test_more_chunks_than_the_file_has_are_stopped(server, target, patience):
    server.script = [chunked() for _ in range(10)]
    with pytest.raises(InputError, match="sent more than 50,000 bytes"):
        fetch(server.url, target, None, 50_000, patience)
    assert not target.exists()


def test_a_silent_server_is_asked_again(server, target, waits):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file.bin"
        with pytest.raises(InputError, match="no answer in time; gave up after 2"):
            fetch(url, target, None, None, Patience(attempts=2, timeout=0.05, sleep=waits.append))
    assert waits == [1]


def test_a_server_that_is_down_is_named(server, target, patience, waits):
    server.close()
    try:
        with pytest.raises(
            InputError, match=rf"{server.url}: the connection failed \(.*refused.*gave up after 4"
        ):
            fetch(server.url, target, None, None, patience)
    finally:
        server.__init__()
    assert waits == [1, 2, 4]


@pytest.mark.parametrize("url", ["file.zip", "ftp://127.0.0.1/file.zip", "http://"])
def test_a_wrong_address_is_the_users_error(target, patience, url):
    with pytest.raises(InputError, match="is no address to download from"):
        fetch(url, target, None, None, patience)


def test_endless_redirection_is_refused(server, target, patience):
    server.script = [fail(302, Location="/file.bin") for _ in range(40)]
    with pytest.raises(InputError, match=r"is no address to download from .*redirects"):
        fetch(server.url, target, None, None, patience)


def test_a_redirection_is_followed(server, target, patience):
    server.script = [fail(302, Location="/elsewhere.bin")]
    fetch(server.url, target, None, None, patience)
    assert server.paths == ["/file.bin", "/elsewhere.bin"]
    assert target.read_bytes() == server.content
