import errno
import fcntl
import io
import os
import random
import stat
import tarfile
import zipfile

import pytest

from novis.data.downloads import archives
from novis.data.downloads.archives import Limits, unpack
from novis.errors import InputError

FILES = {"JPEGImages/walk/0.jpg": b"zero" * 50, "JPEGImages/walk/1.jpg": b"one", "instances.json": b"{}"}
KINDS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]


def write_zip(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)


def write_tar(path, members):
    kind = path.suffix[1:].replace("tar", "")
    with tarfile.open(path, f"w:{kind}") as archive:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write(path, files):
    (write_zip if path.suffix == ".zip" else write_tar)(path, list(files))


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def outside(tmp_path, archive):
    """What lies in the test's folder beside the archive."""
    return sorted(p.name for p in tmp_path.iterdir() if p != archive)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_unpacked(tmp_path, kind):
    archive = tmp_path / f"train.{kind}"
    write(archive, FILES.items())
    unpack(archive, tmp_path / "data" / "train")
    assert content(tmp_path / "data" / "train") == FILES
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["train"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_top_folder_that_repeats_the_name_is_not_repeated(tmp_path, kind):
    archive = tmp_path / f"a.{kind}"
    write(archive, [(f"train/{name}", data) for name, data in FILES.items()])
    unpack(archive, tmp_path / "train")
    unpack(archive, tmp_path / "other")
    assert content(tmp_path / "train") == FILES
    assert set(content(tmp_path / "other")) == {f"train/{name}" for name in FILES}


def test_a_folder_of_that_name_beside_others_stays(tmp_path):
    archive = tmp_path / "a.zip"
    write(archive, [("train/a", b"1"), ("b", b"2")])
    unpack(archive, tmp_path / "train")
    assert content(tmp_path / "train") == {"train/a": b"1", "b": b"2"}


def test_what_the_finder_adds_is_left_out(tmp_path):
    archive = tmp_path / "a.zip"
    write(archive, [("train/a", b"1"), ("__MACOSX/train/._a", b"2"), ("train/.DS_Store", b"3")])
    unpack(archive, tmp_path / "train")
    assert content(tmp_path / "train") == {"a": b"1"}


def test_permissions_are_the_users_not_the_archives(tmp_path):
    archive = tmp_path / "a.tar"
    member = tarfile.TarInfo("a")
    member.mode, member.uid = 0o4777, 4242
    write_tar(archive, [(member, b"1")])
    unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out" / "a").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)
    assert (tmp_path / "out" / "a").stat().st_uid != 4242


def test_an_empty_folder_is_filled_and_a_full_one_is_left_alone(tmp_path):
    archive = tmp_path / "a.zip"
    write(archive, [("a", b"1")])
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out")
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(InputError, match=r"out: is there already; move it away"):
        unpack(archive, tmp_path / "out")
    assert set(content(tmp_path / "out")) == {"a", "mine"}


HOSTILE_NAMES = [
    "../evil",
    "a/../../evil",
    "/evil",
    "..",
    "a/..",
    "..\\evil",
    "C:evil",
    "C:\\evil",
    "\\\\host\\evil",
]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_leads_outside_is_refused(tmp_path, kind, name):
    archive = tmp_path / f"a.{kind}"
    write(archive, [("good", b"1"), (name, b"evil")])
    with pytest.raises(InputError, match=r"leads out of the folder; the archive is not to be trusted"):
        unpack(archive, tmp_path / "out")
    assert outside(tmp_path, archive) == []


LINKS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]


@pytest.mark.parametrize("kind", LINKS)
def test_links_and_devices_of_a_tar_are_refused(tmp_path, kind):
    member = tarfile.TarInfo("link")
    member.type, member.linkname = kind, "/etc/passwd"
    archive = tmp_path / "a.tar"
    write_tar(archive, [("good", b"1"), (member, b"")])
    with pytest.raises(InputError, match=r"'link' is a link or a device"):
        unpack(archive, tmp_path / "out")
    assert outside(tmp_path, archive) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_of_a_zip_are_refused(tmp_path, kind):
    member = zipfile.ZipInfo("link")
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    archive = tmp_path / "a.zip"
    write_zip(archive, [(member, "/etc/passwd"), ("link/evil", "evil")])
    with pytest.raises(InputError, match=r"'link' is a link or a device"):
        unpack(archive, tmp_path / "out")
    assert outside(tmp_path, archive) == []


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_occurs_twice_is_refused(tmp_path, kind):
    archive = tmp_path / f"a.{kind}"
    write(archive, [("a", b"1"), ("a", b"2")])
    with pytest.raises(InputError, match="holds 'a' twice"):
        unpack(archive, tmp_path / "out")
    assert outside(tmp_path, archive) == []


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_file_that_is_also_a_folder_is_refused(tmp_path, kind):
    archive = tmp_path / f"a.{kind}"
    write(archive, [("a", b"1"), ("a/b", b"2")])
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")
    assert outside(tmp_path, archive) == []


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_a_bomb_does_not_go_off(tmp_path, kind):
    archive = tmp_path / f"a.{kind}"
    write(archive, [(f"{i}", bytes(200_000)) for i in range(4)])
    assert archive.stat().st_size < 4_000
    with pytest.raises(InputError, match="becomes far more than an archive of"):
        unpack(archive, tmp_path / "out", Limits(spare=300_000))
    assert outside(tmp_path, archive) == []
    unpack(archive, tmp_path / "out", Limits(spare=800_000))
    assert len(content(tmp_path / "out")) == 4


def test_a_bomb_that_lies_about_its_size_does_not_go_off(tmp_path):
    archive = tmp_path / "a.zip"
    write(archive, [("a", bytes(300_000))])
    honest = (300_000).to_bytes(4, "little")
    data = archive.read_bytes()
    assert data.count(honest) == 2
    archive.write_bytes(data.replace(honest, (1_000).to_bytes(4, "little")))
    with pytest.raises(InputError, match=r"damaged|far more"):
        unpack(archive, tmp_path / "out", Limits(spare=100_000))
    assert outside(tmp_path, archive) == []


def test_by_default_no_small_archive_becomes_large(tmp_path):
    archive = tmp_path / "a.zip"
    archive.write_bytes(bytes(1_000))
    assert Limits().allowance(archive) == 10_100_000


def test_too_many_files_are_refused(tmp_path):
    archive = tmp_path / "a.zip"
    write(archive, [(f"{i}", b"") for i in range(20)])
    with pytest.raises(InputError, match="holds more than 19 files"):
        unpack(archive, tmp_path / "out", Limits(entries=19))
    unpack(archive, tmp_path / "out", Limits(entries=20))


def test_content_that_cannot_fit_is_not_begun(tmp_path, monkeypatch):
    archive = tmp_path / "a.zip"
    write(archive, [("a", bytes(5_000))])
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 4_999}))
    with pytest.raises(InputError, match="becomes 5,000 bytes, but only 4,999 are free"):
        unpack(archive, tmp_path / "out")
    assert outside(tmp_path, archive) == []


def test_an_encrypted_archive_is_refused(tmp_path):
    archive = tmp_path / "a.zip"
    write(archive, [("a", b"1")])
    data = bytearray(archive.read_bytes())
    # The flags of the entry in the archive's directory (APPNOTE 4.3.12): bit 0 is encryption.
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(InputError, match="'a' is encrypted"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0, 0.3, 0.6, 0.9])
def test_a_truncated_archive_leaves_nothing(tmp_path, kind, kept):
    archive = tmp_path / f"a.{kind}"
    noise = random.Random(0).randbytes(60_000)
    write(archive, [("a", noise), ("b", noise[::-1])])
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * kept)])
    with pytest.raises(InputError, match="is a damaged archive, or none") as told:
        unpack(archive, tmp_path / "out")
    assert "\n" not in str(told.value)
    assert outside(tmp_path, archive) == []


@pytest.mark.parametrize("data", [b"", b"PK", b"hello" * 500, bytes(2_000), b"\x1f\x8b" + bytes(100)])
def test_what_is_no_archive_is_refused(tmp_path, data):
    archive = tmp_path / "a.zip"
    archive.write_bytes(data)
    try:
        unpack(archive, tmp_path / "out")
    except InputError as error:
        assert "is a damaged archive, or none" in str(error)
        assert outside(tmp_path, archive) == []
    else:
        # Zeros are an empty tar archive.
        assert not any(data)


def test_a_member_without_a_name_is_damage(tmp_path):
    archive = tmp_path / "a.zip"
    write(archive, [("a", b"1")])
    data = bytearray(archive.read_bytes())
    start = data.index(b"PK\x01\x02")
    # The length of the name in the archive's directory, and its start, become 0 and a comment.
    data[start + 28], data[start + 32] = 0, 1
    archive.write_bytes(data)
    with pytest.raises(InputError, match=r"is a damaged archive, or none \(a member has no name\)"):
        unpack(archive, tmp_path / "out")


def test_a_name_that_is_no_text_is_damage(tmp_path):
    archive = tmp_path / "a.zip"
    write(archive, [("\u00e9", b"1")])
    archive.write_bytes(archive.read_bytes().replace("\u00e9".encode(), b"\xc3\x28"))
    with pytest.raises(InputError, match="is a damaged archive, or none"):
        unpack(archive, tmp_path / "out")


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.zip: cannot be unpacked .*No such file"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_what_a_killed_run_left_is_removed(tmp_path):
    archive = tmp_path / "a.zip"
    write(archive, FILES.items())
    (tmp_path / ".out.unpacking" / "out").mkdir(parents=True)
    (tmp_path / ".out.unpacking" / "out" / "half").write_text("")
    unpack(archive, tmp_path / "out")
    assert content(tmp_path / "out") == FILES
    assert outside(tmp_path, archive) == ["out"]


def test_two_at_once_are_refused(tmp_path, monkeypatch):
    archive = tmp_path / "a.zip"
    write(archive, FILES.items())
    write_all, refused = archives._write_all, []

    def unpack_again(*words):
        with pytest.raises(InputError, match="another process is unpacking to it"):
            unpack(archive, tmp_path / "out")
        refused.append(True)
        write_all(*words)

    monkeypatch.setattr(archives, "_write_all", unpack_again)
    unpack(archive, tmp_path / "out")
    assert refused == [True]
    assert content(tmp_path / "out") == FILES
    assert outside(tmp_path, archive) == ["out"]


def test_only_files_open_for_writing_are_locked(tmp_path, monkeypatch):
    """What a disk of NFS asks of an exclusive lock."""
    archive = tmp_path / "a.zip"
    write(archive, FILES.items())
    flock = fcntl.flock

    def as_on_nfs(descriptor, operation):
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", as_on_nfs)
    unpack(archive, tmp_path / "out")
    assert content(tmp_path / "out") == FILES


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_archives_are_unpacked_or_refused_but_never_leave_their_folder(tmp_path, kind):
    archive = tmp_path / f"a.{kind}"
    write(archive, FILES.items())
    original = archive.read_bytes()
    generator = random.Random(kind)
    refused = 0
    for index in range(30):
        data = bytearray(original)
        for _ in range(generator.randint(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        archive.write_bytes(data)
        try:
            unpack(archive, tmp_path / "box" / "out", Limits(spare=10_000))
        except InputError:
            refused += 1
            assert list((tmp_path / "box").iterdir()) == []
        else:
            (tmp_path / "box" / "out").rename(tmp_path / f"kept-{index}")
        assert {p.name for p in tmp_path.iterdir() if not p.name.startswith("kept-")} == {archive.name, "box"}
    assert 0 < refused < 30 or kind in ("tar.gz", "tar.bz2", "tar.xz")
