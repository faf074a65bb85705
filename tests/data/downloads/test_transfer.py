import hashlib
import re

import pytest

from novis.data.downloads import partial as partial_module
from novis.data.downloads.checksums import Checksum, record_path
from novis.data.downloads.transfer import fetch
from novis.errors import InputError
from tests.data.downloads.arrival import left_over, md5, ranges
from tests.data.downloads.server import chunked, fail, reset, send_head, serve


def test_a_file_arrives_whole(server, target, patience, waits):
    fetch(server.url, target, md5(server.content), len(server.content), patience)
    assert target.read_bytes() == server.content
    assert (len(server.requests), waits, left_over(target)) == (1, [], set())


def test_an_empty_file_is_a_file(server, target, patience):
    server.content = b""
    fetch(server.url, target, None, 0, patience)
    assert target.read_bytes() == b""


def test_a_broken_connection_goes_on_where_it_stopped(server, target, patience, waits):
    server.script = [serve(sent=30_000), serve(sent=50_000, then=reset), serve()]
    fetch(server.url, target, None, None, patience)
    assert target.read_bytes() == server.content
    assert len(server.requests) == 3
    assert ranges(server)[1] == "bytes=30000-"
    # A reset may cost bytes that were sent but not read.
    third = int(re.fullmatch(r"bytes=(\d+)-", ranges(server)[2])[1])
    assert 30_000 <= third <= 80_000
    assert server.requests[1]["If-Range"] == '"one"'
    assert left_over(target) == set()


def test_compression_on_the_way_is_not_asked_for(server, target, patience):
    fetch(server.url, target, None, None, patience)
    assert server.requests[0]["Accept-Encoding"] == "identity"


def test_stored_bytes_are_kept_as_they_are(server, target, patience):
    # Servers say of a stored .tar.gz that it is encoded.
    server.headers["Content-Encoding"] = "gzip"
    fetch(server.url, target, None, None, patience)
    assert target.read_bytes() == server.content


def test_an_interrupted_run_is_continued_by_the_next(server, target, patience):
    server.script = [serve(sent=10_000)] + [fail(503)] * 3
    with pytest.raises(InputError, match=r"503.*gave up after 4 attempts.*what has come so far is kept"):
        fetch(server.url, target, None, None, patience)
    assert not target.exists()
    assert left_over(target) == {".file.bin.part", ".file.bin.part.json"}
    fetch(server.url, target, None, None, patience)
    assert ranges(server)[-1] == "bytes=10000-"
    assert target.read_bytes() == server.content


def test_the_parts_of_another_address_are_not_continued(server, target, patience):
    server.script = [serve(sent=10_000)] + [fail(503)] * 3
    with pytest.raises(InputError):
        fetch(server.url, target, None, None, patience)
    fetch(server.url + "?other", target, None, None, patience)
    assert ranges(server)[-1] is None


@pytest.mark.parametrize("journal", [b"", b"[]", b'{"url": 1}', b"\xff\xfe", b"{"])
def test_a_damaged_journal_means_a_new_start(server, target, patience, journal):
    target.parent.mkdir()
    target.with_name(".file.bin.part").write_bytes(b"wrong" * 100)
    target.with_name(".file.bin.part.json").write_bytes(journal)
    fetch(server.url, target, None, None, patience)
    assert target.read_bytes() == server.content


def test_a_server_without_ranges_is_read_from_the_start(server, target, patience):
    server.script = [serve(sent=30_000), serve(ignore_range=True)]
    fetch(server.url, target, None, None, patience)
    assert ranges(server) == [None, "bytes=30000-"]
    assert target.read_bytes() == server.content


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(server, target, patience):
    server.script = [serve(sent=30_000, ignore_range=True) for _ in range(50)]
    with pytest.raises(InputError, match="ended after 30,000 of 102,400 bytes; gave up after 4 attempts"):
        fetch(server.url, target, None, None, patience)
    # The first attempt brought something new, the four that follow did not get farther.
    assert len(server.requests) == 4


def test_progress_renews_the_patience(server, target, patience):
    server.script = [serve(sent=10_000) for _ in range(9)]
    fetch(server.url, target, None, None, patience)
    assert len(server.requests) == 10
    assert target.read_bytes() == server.content


@pytest.mark.parametrize("ignore_if_range", [False, True])
def test_a_file_that_changed_between_attempts_is_fetched_anew(server, target, patience, ignore_if_range):
    def replaced(handler, server):
        server.content, server.headers = b"new" * 9_000, {"ETag": '"two"'}
        serve(ignore_if_range=ignore_if_range)(handler, server)

    server.script = [serve(sent=20_000), replaced]
    fetch(server.url, target, None, None, patience)
    assert target.read_bytes() == b"new" * 9_000


@pytest.mark.parametrize(
    ("content", "etag"), [(bytes(102_400), '"two"'), (bytes(90_000), '"one"')], ids=["etag", "size"]
)
def test_a_server_that_continues_with_another_file_is_caught(server, target, patience, content, etag):
    def replaced(handler, server):
        server.content, server.headers = content, {"ETag": etag}
        serve(ignore_if_range=True)(handler, server)

    server.script = [serve(sent=20_000), replaced]
    fetch(server.url, target, None, None, patience)
    assert ranges(server) == [None, "bytes=20000-", None]
    assert target.read_bytes() == content


@pytest.mark.parametrize("place", ["bytes 10000-102399/102400", "bytes 20000-102399/x", "", "bytes */102400"])
def test_a_server_that_continues_elsewhere_is_caught(server, target, patience, place):
    def shifted(handler, server):
        send_head(handler, 206, {"Content-Range": place, "Content-Length": 82_400, **server.headers})
        handler.wfile.write(server.content[10_000:92_400])

    server.script = [serve(sent=20_000), shifted]
    fetch(server.url, target, None, None, patience)
    assert ranges(server) == [None, "bytes=20000-", None]
    assert target.read_bytes() == server.content


def test_the_total_may_stay_unknown(server, target, patience):
    def open_end(handler, server):
        send_head(
            handler,
            206,
            {"Content-Range": "bytes 30000-102399/*", "Content-Length": 72_400, **server.headers},
        )
        handler.wfile.write(server.content[30_000:])

    server.script = [chunked(sent=30_000), open_end]
    fetch(server.url, target, None, None, patience)
    assert target.read_bytes() == server.content


def test_a_server_that_gives_less_than_asked_for_is_asked_for_the_rest(server, target, patience):
    server.script = [serve(sent=30_000), serve(sent=20_000, claim=20_000)]
    fetch(server.url, target, None, None, patience)
    assert ranges(server) == [None, "bytes=30000-", "bytes=50000-"]
    assert target.read_bytes() == server.content


def test_a_change_of_the_same_size_is_noticed_by_the_date(server, target, patience):
    server.headers = {"Last-Modified": "Tue, 01 Nov 2022 10:00:00 GMT"}

    def replaced(handler, server):
        server.content = server.content[::-1]
        server.headers = {"Last-Modified": "Wed, 02 Nov 2022 10:00:00 GMT"}
        serve()(handler, server)

    server.script = [serve(sent=20_000), replaced]
    fetch(server.url, target, None, None, patience)
    assert target.read_bytes() == bytes(range(256))[::-1] * 400


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}, {"ETag": 'W/"weak"', "Last-Modified": "x"}])
def test_without_a_validator_or_a_checksum_a_file_must_come_in_one_piece(server, target, patience, headers):
    server.headers = headers
    server.script = [serve(sent=20_000)]
    fetch(server.url, target, None, None, patience)
    assert ranges(server) == [None, None]
    assert target.read_bytes() == server.content


def test_without_a_validator_a_checksum_allows_to_go_on(server, target, patience):
    server.headers = {}
    server.script = [serve(sent=20_000)]
    fetch(server.url, target, md5(server.content), None, patience)
    assert ranges(server) == [None, "bytes=20000-"]
    assert target.read_bytes() == server.content


def test_pieces_of_two_files_are_noticed_and_fetched_anew(server, target, patience):
    server.headers = {}
    right = server.content

    def older(handler, server):
        server.content = right[::-1]
        serve(sent=20_000)(handler, server)
        server.content = right

    server.script = [older]
    fetch(server.url, target, md5(right), None, patience)
    assert ranges(server) == [None, "bytes=20000-", None]
    assert target.read_bytes() == right


def test_a_wrong_file_is_refused_and_not_kept(server, target, patience):
    with pytest.raises(InputError, match=r"file\.bin: its MD5 is [0-9a-f]{32}, not 3c8ec9 as published"):
        fetch(server.url, target, Checksum("md5", "3c8ec9"), None, patience)
    assert len(server.requests) == 1
    assert left_over(target) == set()
    assert not target.exists()


def test_the_start_of_a_checksum_is_enough(server, target, patience):
    fetch(server.url, target, Checksum("md5", hashlib.md5(server.content).hexdigest()[:6]), None, patience)
    assert target.exists()


def test_another_content_than_the_first_is_refused(server, target, patience):
    fetch(server.url, target, None, None, patience)
    target.unlink()
    server.content = server.content[::-1]
    with pytest.raises(InputError, match=r"not the file that came first.*delete .*file\.bin\.sha256"):
        fetch(server.url, target, None, None, patience)
    assert not target.exists()
    record_path(target).unlink()
    fetch(server.url, target, None, None, patience)
    assert target.read_bytes() == server.content


def test_a_file_that_cannot_fit_is_not_begun(server, target, patience, monkeypatch):
    usage = type("Usage", (), {"free": 1_000})
    monkeypatch.setattr(partial_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="needs 102,400 bytes, but only 1,000 are free"):
        fetch(server.url, target, None, None, patience)
    assert left_over(target) == set()


def test_a_whole_part_is_not_fetched_again(server, target, patience):
    server.script = [serve(sent=50_000)] + [fail(503)] * 3
    with pytest.raises(InputError):
        fetch(server.url, target, None, None, patience)
    # As a run leaves it that is killed between the last byte and the renaming.
    target.with_name(".file.bin.part").write_bytes(server.content)
    before = len(server.requests)
    fetch(server.url, target, None, None, patience)
    assert len(server.requests) == before
    assert target.read_bytes() == server.content
