import json
import math
from pathlib import Path

import pandas as pd
import pytest

from novis.errors import InputError
from novis.reporting.collect import aggregate, collect, tidy
from novis.reporting.study import KEY, read_study

ROW = dict(
    zip(KEY, ("row", "shapes", "novis_shapes", "novis", 4, 4, 2, "embed", 96, "own", "video"), strict=True)
)


def table_of(values):
    """A tidy table of one row: {(split, seed): AP}."""
    runs = [ROW | {"split": split, "seed": seed, "AP": ap} for (split, seed), ap in values.items()]
    return pd.DataFrame(runs)


def test_every_run_is_a_line_in_percent(ablation_study):
    table = tidy(ablation_study)
    assert len(table) == len(ablation_study.rows) == 28
    content = json.loads(Path(ablation_study.rows[5]["metrics"]).read_text())
    line = table.iloc[5]
    assert line["AP"] == pytest.approx(100 * content["AP"])
    assert line["AP_occlusion_heavy"] == pytest.approx(100 * content["AP_occlusion_heavy"])
    assert line["category.moon & co_"] == pytest.approx(100 * content["per_category"]["moon & co_"])
    assert line["num_videos"] == 16
    assert line["non_identity"] == pytest.approx(12.0)
    assert line["non_identity_of_tracks"] == pytest.approx(6.0)
    assert line["variant_settings.mask_loss"] == "volumetric"


def test_frame_ap_comes_from_its_own_file(ablation_study):
    content = json.loads(Path(ablation_study.rows[0]["frame_metrics"]).read_text())
    assert tidy(ablation_study).iloc[0]["frame_AP"] == pytest.approx(100 * content["AP"])


def test_absent_file_and_null_are_missing_never_zero(changed_study, tmp_path):
    undefined = tmp_path / "metrics.json"
    undefined.write_text(json.dumps({"AP": 0.25, "AP75": None, "per_category": {"disc": None}}))

    def change(study):
        study["rows"][0]["metrics"] = str(tmp_path / "not_there.json")
        study["rows"][1]["metrics"] = str(undefined)
        study["rows"][1]["linking"] = None

    table = tidy(read_study(changed_study(change)))
    assert math.isnan(table.loc[0, "AP"])
    assert table.loc[1, "AP"] == 25.0
    assert math.isnan(table.loc[1, "AP75"])
    assert math.isnan(table.loc[1, "category.disc"])
    assert math.isnan(table.loc[1, "non_identity"])


@pytest.mark.parametrize("value", [43.1, -0.1, True, "0.3"])
def test_value_that_is_no_fraction_is_refused(changed_study, tmp_path, value):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"AP": value}))
    with pytest.raises(InputError, match=r"metrics\.json: 'AP' is"):
        tidy(read_study(changed_study(lambda study: study["rows"][0].update(metrics=str(path)))))


def test_metrics_that_are_no_mapping_are_refused(changed_study, tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("[]")
    with pytest.raises(InputError, match="must be a mapping"):
        tidy(read_study(changed_study(lambda study: study["rows"][0].update(metrics=str(path)))))


def test_collect_writes_the_same_table(ablation_file, ablation_study, tmp_path):
    collect(ablation_file, tmp_path / "table3.csv")
    written = pd.read_csv(tmp_path / "table3.csv")
    assert written["AP"].to_numpy() == pytest.approx(tidy(ablation_study)["AP"].to_numpy(), rel=1e-5)
    assert list(written["seed"]) == [0] * 28


def test_seeds_are_means_of_folds_then_mean_and_deviation():
    # Seeds 30 and 33: mean 31.5, sample standard deviation 3 / sqrt(2).
    runs = {("fold0", 0): 28.0, ("fold1", 0): 32.0, ("fold0", 1): 30.0, ("fold1", 1): 36.0}
    result = aggregate(table_of(runs)).iloc[0]
    assert result["AP"] == pytest.approx(31.5)
    assert result["AP_spread"] == pytest.approx(3 / math.sqrt(2))
    assert (result["spread_over"], result["num_seeds"], result["num_folds"]) == ("seeds", 2, 2)


def test_one_seed_spreads_over_its_folds_and_says_so():
    result = aggregate(table_of({("fold0", 0): 28.0, ("fold1", 0): 32.0})).iloc[0]
    assert result["AP"] == pytest.approx(30.0)
    assert result["AP_spread"] == pytest.approx(4 / math.sqrt(2))
    assert result["spread_over"] == "folds"


def test_single_run_has_no_spread():
    result = aggregate(table_of({("full", 0): 28.0})).iloc[0]
    assert math.isnan(result["AP_spread"])
    assert result["spread_over"] == ""


def test_seed_without_all_its_folds_does_not_count():
    runs = {("fold0", 0): 28.0, ("fold1", 0): 32.0, ("fold0", 1): 90.0, ("fold1", 1): math.nan}
    result = aggregate(table_of(runs)).iloc[0]
    assert result["AP"] == pytest.approx(30.0)
    assert math.isnan(result["AP_spread"])
    assert (result["num_seeds"], result["num_complete_seeds"]) == (2, 1)


def test_lone_seed_without_all_its_folds_is_missing():
    result = aggregate(table_of({("fold0", 0): 28.0, ("fold1", 0): math.nan})).iloc[0]
    assert math.isnan(result["AP"])
    assert math.isnan(result["AP_spread"])
    assert result["num_complete_seeds"] == 0


def test_category_without_instances_in_a_fold_is_the_other_folds():
    table = table_of({("fold0", 0): 28.0, ("fold1", 0): 32.0})
    result = aggregate(table.assign(**{"category.disc": [40.0, math.nan], "AP75": [10.0, math.nan]})).iloc[0]
    assert result["category.disc"] == 40.0
    assert math.isnan(result["category.disc_spread"])
    # Any other number of a finished run must be there.
    assert math.isnan(result["AP75"])


def test_part_of_ap_of_a_missing_run_is_missing():
    table = table_of({("fold0", 0): 28.0, ("fold1", 0): math.nan})
    assert math.isnan(aggregate(table.assign(AP_small=[40.0, math.nan])).iloc[0]["AP_small"])


def test_rows_keep_their_order_and_settings(ablation_study):
    results = aggregate(tidy(ablation_study))
    assert list(results["variant"][:6]) == ["plain", "encoding", "volumetric_mask", "novis", "novis", "novis"]
    assert list(results["tracker_settings.kind"][3:6]) == ["heuristic", "embed", "overlap_embed"]
