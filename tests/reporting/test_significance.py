import pytest

from novis.evaluation.matches import Matches
from novis.evaluation.precision import average_precision, mean
from novis.reporting.cells import Number
from novis.reporting.claims import Claim, claims
from novis.reporting.collect import aggregate, tidy
from novis.reporting.significance import Comparison, comparison_table, comparisons, measure
from novis.reporting.study import KEY, read_study


def key(row):
    return tuple(row[name] for name in KEY)


@pytest.fixture
def table(ablation_study):
    return tidy(ablation_study)


def row_of(table, tracker, variant="novis"):
    [row] = table[
        (table["tracker"] == tracker) & (table["variant"] == variant) & (table["split"] == "fold0")
    ].to_dict("records")
    return row


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 2.0, "holds"),
        (-2.0, -0.1, "does not hold"),
        (-0.1, 2.0, "undecided"),
        (0.0, 2.0, "undecided"),
        (None, None, "missing"),
    ],
)
def test_verdict_follows_from_the_interval(low, high, verdict):
    assert Comparison(Claim("a", (), ()), 1.0, low, high).verdict == verdict


def test_difference_is_the_mean_over_folds_of_the_difference_of_ap(table):
    claim = Claim("x", key(row_of(table, "oracle")), key(row_of(table, "identity")))
    differences = []
    for split in ("fold0", "fold1"):
        files = table[(table["variant"] == "novis") & (table["split"] == split)].set_index("tracker")[
            "matches_file"
        ]
        ap = {
            name: float(mean(average_precision(Matches.load(files[name])))[0])
            for name in ("oracle", "identity")
        }
        differences.append(ap["oracle"] - ap["identity"])
    comparison = measure(claim, table, 200)
    assert comparison.difference == pytest.approx(100 * sum(differences) / 2)
    assert comparison.low < comparison.difference < comparison.high
    assert (comparison.num_videos, comparison.num_seeds, comparison.verdict) == (32, 1, "holds")
    assert "32 videos" in comparison.statement
    reverse = measure(Claim("x", claim.worse, claim.better), table, 200)
    assert reverse.difference == pytest.approx(-comparison.difference)
    assert reverse.verdict == "does not hold"


def test_row_against_itself_is_undecided(table):
    own = key(row_of(table, "embed"))
    comparison = measure(Claim("x", own, own), table, 200)
    assert (comparison.difference, comparison.verdict) == (0.0, "undecided")


@pytest.mark.parametrize("lost", [["embed"], ["embed", "overlap_embed"]])
def test_missing_run_is_missing_and_no_fold_is_dropped_silently(changed_study, tmp_path, lost):
    def change(study):
        for row in study["rows"]:
            if row["tracker"] in lost and row["split"] == "fold1":
                row["matches"] = str(tmp_path / "none.npz")

    table = tidy(read_study(changed_study(change)))
    claim = Claim("x", key(row_of(table, "overlap_embed")), key(row_of(table, "embed")))
    comparison = measure(claim, table, 200)
    assert (comparison.difference, comparison.verdict) == (None, "missing")
    assert comparison.statement == "x: not measured"


def test_table_of_differences_has_the_papers_beside_ours(ablation_study, finished):
    table = comparison_table(ablation_study, list(finished[0].comparisons))
    steps = table.sections[0].rows
    assert [row[2].text for row in steps] == ["+0.8", "+0.3", "+0.2", "+0.5", "+1.1", "+0.3"]
    assert all(isinstance(row[1], Number) and row[1].signed for row in steps)
    assert [row[0].split(" over")[0] for row in table.sections[1].rows] == ["Oracle linking", "The tracker"]


def test_comparisons_measure_every_claim(ablation_study, table, monkeypatch):
    claimed = claims("ablation", aggregate(table))
    monkeypatch.setattr("novis.reporting.significance.measure", lambda claim, *_: Comparison(claim, 1.0))
    assert [c.claim for c in comparisons(ablation_study, table, aggregate(table))] == claimed
