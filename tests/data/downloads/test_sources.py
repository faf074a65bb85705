import json
import re

import pytest

from novis.data.downloads.sources import LIST, find_source, read_sources
from novis.errors import InputError

# The prefixes of the MD5 in the published model zoo: image models of R50, R101, Swin-T, -S, -B and -L,
# then the video models of YouTube-VIS 2019 and 2021, R50 and Swin-L.
PUBLISHED = {
    "3c8ec9",
    "eba159",
    "86143f",
    "1e7f22",
    "83d103",
    "e5f453",
    "34112b",
    "c5c739",
    "b8aae2",
    "4da256",
}
ENTRY = {"what": "a thing", "url": "http://example.org/a.zip", "path": "a/a.zip"}


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "sources.json"
        path.write_text(json.dumps(content))
        return path

    return write


def test_a_source_without_more_provides_its_file(write):
    source = read_sources(write({"data": {"a": ENTRY}}))["a"]
    assert (source.name, source.product, source.page) == ("a", "a/a.zip", ENTRY["url"])
    assert source.drive is source.published is None


def test_an_archive_provides_its_folder_or_what_is_named(write):
    unpacked = ENTRY | {"unpack_to": "a/train"}
    sources = read_sources(write({"data": {"a": unpacked, "b": unpacked | {"provides": "a/train/x.json"}}}))
    assert [sources[name].product for name in "ab"] == ["a/train", "a/train/x.json"]


def test_the_nearest_name_is_suggested():
    with pytest.raises(
        InputError, match=r"there is no 'ovis_train_frame' .*did you mean 'ovis_train_frames'"
    ):
        find_source("ovis_train_frame")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uRL": "x"}, "unknown key 'uRL'"),
        ({"name": "x"}, "unknown key 'name'"),
        ({"size": "12"}, "'size' must be a number"),
        ({"size": True}, "'size' must be a number"),
        ({"what": 1}, "'what' must be a text"),
        ({"path": "../a"}, "'path' must be a path below the folder"),
        ({"path": "/a"}, "'path' must be a path below the folder"),
        ({"unpack_to": "a/../../b"}, "'unpack_to' must be a path below the folder"),
        ({"provides": ""}, "'provides' must be a path below the folder"),
        ({"checksum": "md5"}, "is no checksum"),
        ({"drive_folder": "x"}, "must have either"),
        ({"drive_file": "x"}, "must have either"),
    ],
)
def test_a_broken_entry_is_named(write, change, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_sources(write({"data": {"a": ENTRY | change}}))


@pytest.mark.parametrize("key", ENTRY)
def test_what_an_entry_lacks_is_named(write, key):
    entry = {name: value for name, value in ENTRY.items() if name != key}
    with pytest.raises(InputError, match=r"sources\.json: 'a'.*" + key):
        read_sources(write({"data": {"a": entry}}))


@pytest.mark.parametrize("content", [[], {"data": []}, {"data": {"a": 1}}, 3])
def test_another_layout_is_refused(write, content):
    with pytest.raises(InputError, match="must be an object"):
        read_sources(write(content))


def test_official_names_carry_their_checksum():
    weights = [source for source in read_sources().values() if source.path.startswith("model_final_")]
    assert {source.path[-10:-4] for source in weights} == PUBLISHED
    for source in weights:
        assert source.url.endswith(source.path)
        assert source.checksum == "md5:" + source.path[-10:-4]


def test_names_are_unique_and_no_two_sources_share_a_file():
    groups = json.loads(LIST.read_text())
    names = [name for group in groups.values() for name in group]
    assert len(set(names)) == len(names)
    for kind in ("path", "product"):
        assert len({getattr(source, kind) for source in read_sources().values()}) == len(names)


def test_data_sets_with_terms_say_where():
    for source in read_sources().values():
        assert source.terms or source.licence
        assert source.url or re.fullmatch(r"[-\w]{33}", source.drive_folder)
