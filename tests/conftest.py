import pytest

from tests.data.toy_dataset import draw_toy_dataset


@pytest.fixture(scope="session")
def toy_dataset(tmp_path_factory):
    """Four videos of 8, 5, 1 and 3 frames with two moving rectangles each; read only."""
    return draw_toy_dataset(tmp_path_factory.mktemp("toy"))
