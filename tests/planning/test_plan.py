import json

import pytest

from novis.errors import InputError
from novis.planning.costs import Cost
from novis.planning.jobs import Job, Schedule
from novis.planning.plan import Plan, as_json, estimate, lines, plan, read_configuration
from novis.planning.rates import Rate, Rates
from tests.workflow.checkout import Checkout

GB = 1e9
RATE = Rate("train", "novis_r50", 0.25, "estimated for a V100", "gpu")


def a_plan():
    costs = {
        "train": Cost(7200 * 8, 0, 2 * GB, 0, {RATE}),
        "track": Cost(0, 3600, 1 * GB, 0, set(), {"linking of any"}),
    }
    return Plan("table3", {"train": 2, "track": 4}, {"track": 3}, costs, 5 * 10**8, (4 * GB, 3 * GB, 1 * GB))


def test_the_peak_holds_the_largest_temporary_files_of_as_many_jobs_as_run_at_once():
    assert a_plan().disk(1) == (7.5 * GB, 3.5 * GB)
    assert a_plan().disk(2) == (10.5 * GB, 3.5 * GB)


def test_a_plan_says_hours_disk_origins_and_what_it_does_not_know():
    text = "\n".join(lines(a_plan(), gpus=8, cores=2))
    table = text.partition("\n\n")[0].splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in table}
    assert rows["train"] == ["2", "0", "16", "-", "2.0", "GB"]
    assert rows["track"] == ["4", "3", "-", "1.00", "1.0", "GB"]
    assert rows["total"] == ["6", "3", "16", "1.00", "3.0", "GB"]
    assert "500.0 MB there, 3.5 GB in the end, 11.5 GB at the peak" in text
    assert "at least 2.00 hours on 8 GPU(s)" in text
    assert (
        "train of novis_r50: 0.25 GPU seconds per frame and megapixel of a training clip; estimated for"
        in text
    )
    assert "unknown, not counted: linking of any" in text


def test_the_same_as_plain_values():
    content = json.loads(json.dumps(as_json(a_plan(), 1, 1)))
    assert content["rules"]["train"] == {
        "jobs": 2,
        "done": 0,
        "gpu_seconds": 57600,
        "cpu_seconds": 0,
        "bytes": 2 * GB,
    }
    assert content["bytes_peak"] == 7.5 * GB
    assert content["rates"][0]["origin"] == "estimated for a V100"


def test_what_is_there_is_measured_and_costs_nothing(tmp_path):
    (tmp_path / "there").write_bytes(b"x" * 1234)
    jobs = (
        Job("report", "a", {}, (str(tmp_path / "there"),), False),
        Job("study", "b", {}, (str(tmp_path / "absent"),), True),
    )
    rates = Rates({("startup", "any"): Rate("startup", "any", 3.0, "here")})
    made = estimate("all", Schedule(jobs, {"study": 1}), {}, rates)
    assert made.bytes_present == 1234
    assert made.done == {"report": 1}
    assert made.total.cpu_seconds == 3.0


@pytest.mark.slow
def test_the_plan_of_a_small_configuration_is_that_of_its_dry_run(tmp_path, monkeypatch, capsys):
    checkout = Checkout(tmp_path / "checkout")
    monkeypatch.chdir(checkout.folder)
    counts, _ = checkout.planned("--configfile", "config/tiny.yaml")
    tiny = checkout.folder / "config" / "tiny.yaml"
    plan("all", configfile=tiny, output=tmp_path / "plan.json")
    found = json.loads((tmp_path / "plan.json").read_text())
    assert {rule: value["jobs"] for rule, value in found["rules"].items()} == counts
    assert found["unknown"]
    assert "what is still to be done" in capsys.readouterr().out
    with pytest.raises(InputError, match="Snakemake cannot plan 'tabel3'"):
        plan("tabel3", configfile=tiny)


def test_a_configuration_is_merged_as_snakemake_merges_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "common.yaml").write_text("variants: {a: 1}\nresults: results\n")
    (tmp_path / "mine.yaml").write_text("variants: {b: 2}\nname: mine\n")
    merged = read_configuration(tmp_path / "mine.yaml", ["results=elsewhere", "pretrain=true"])
    assert merged == {"variants": {"a": 1, "b": 2}, "results": "elsewhere", "name": "mine", "pretrain": True}
    (tmp_path / "more.yaml").write_text("extends: mine.yaml\nname: more\n")
    merged = read_configuration(tmp_path / "more.yaml", ['variants={"b": 3}'])
    assert merged["variants"] == {"a": 1, "b": 3}
    assert merged["name"] == "more"
    (tmp_path / "most.yaml").write_text("extends: more.yaml\nresults: most\n")
    merged = read_configuration(tmp_path / "most.yaml", [])
    assert (merged["variants"], merged["name"]) == ({"a": 1, "b": 2}, "more")
    assert (merged["results"], merged["extends"]) == ("most", "more.yaml")
    with pytest.raises(InputError, match="no such configuration"):
        read_configuration(tmp_path / "other.yaml", [])
    with pytest.raises(InputError, match="not of the form KEY=VALUE"):
        read_configuration(tmp_path / "mine.yaml", ["results"])
