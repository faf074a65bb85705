import hashlib
import subprocess

import pytest

from novis.data.downloads.checksums import Checksum, MismatchError, record_path, verify
from novis.data.downloads.pages import WebPageError
from novis.errors import InputError

# RFC 1321, A.5, and FIPS 180-2, B.1: the digests of "abc".
MD5 = "900150983cd24fb0d6963f7d28e17f72"
SHA1 = "a9993e364706816aba3e25717850c26c9cd0d89d"
SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "abc.txt").write_bytes(b"abc")
    return tmp_path / "abc.txt"


@pytest.mark.parametrize("text", [f"md5:{MD5}", f"sha1:{SHA1}", f"sha256:{SHA256}", "md5:900150", "sha256:b"])
def test_published_digests_hold(path, text):
    assert verify(path, path, Checksum.parse(text), 3) == SHA256


@pytest.mark.parametrize("text", ["md5:3c8ec9", f"md5:{MD5[:-1]}0", f"sha256:{SHA256[::-1]}"])
def test_another_digest_is_refused(path, text):
    with pytest.raises(MismatchError, match=r"abc\.txt: its \w+ is .* as published"):
        verify(path, path, Checksum.parse(text))
    assert not record_path(path).exists()


@pytest.mark.parametrize(
    "text", ["", "3c8ec9", "md5:", "md5:xyz", "crc:12", "md5:ABC", f"md5:{MD5}0", "md5 :12"]
)
def test_what_is_no_checksum_is_refused(text):
    with pytest.raises(InputError, match="is no checksum"):
        Checksum.parse(text)


def test_another_size_is_refused(path):
    with pytest.raises(MismatchError, match="has 3 bytes, but the file has 4"):
        verify(path, path, None, 4)
    assert not record_path(path).exists()


def test_a_page_is_refused(path):
    path.write_bytes(b"<!doctype html><title>Quota</title>")
    with pytest.raises(WebPageError):
        verify(path, path)


def test_the_first_content_is_recorded_and_held(path):
    verify(path, path)
    assert record_path(path).read_text() == f"{SHA256}  abc.txt\n"
    verify(path, path)
    path.write_bytes(b"abd")
    with pytest.raises(
        MismatchError, match=rf"not the file that came first.*{SHA256}.*delete .*abc\.txt\.sha256"
    ):
        verify(path, path)
    assert record_path(path).read_text() == f"{SHA256}  abc.txt\n"


def test_the_record_is_of_the_target_not_of_the_temporary_file(path, tmp_path):
    verify(path, tmp_path / "final.txt")
    assert record_path(tmp_path / "final.txt").read_text() == f"{SHA256}  final.txt\n"


def test_the_record_is_what_sha256sum_reads(path):
    verify(path, path)
    command = ["sha256sum", "--check", "--strict", record_path(path).name]
    assert subprocess.run(command, cwd=path.parent, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", SHA256[:-1].encode()])
def test_a_broken_record_is_named(path, content):
    record_path(path).write_bytes(content)
    with pytest.raises(InputError, match=r"abc\.txt\.sha256: is no record of a SHA-256; delete it"):
        verify(path, path)


def test_files_larger_than_the_buffer_are_read_to_their_end(path):
    content = bytes(range(251)) * 20_000
    path.write_bytes(content)
    assert verify(path, path) == hashlib.sha256(content).hexdigest()
