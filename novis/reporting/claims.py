"""What the paper says about the rows of a study: which of two is better, by layout."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from novis.experiment import WHOLE_VIDEO
from novis.reporting.paper import ablation_setting, paper_numbers, published_setting
from novis.reporting.study import KEY, PANEL, differing, key_of, label, paradigm_of


@dataclass(frozen=True)
class Claim:
    """One row of a study is said to be better than another.

    Attributes:
        text: what is said, such as "Overlap embeddings over plain embeddings".
        better, worse: the values of :data:`novis.reporting.study.KEY` of the two rows.
        paper: the difference of AP that the paper's table shows, None where it shows none.
        yardstick: whether it is about the setting, not about the method.
    """

    text: str
    better: tuple[Any, ...]
    worse: tuple[Any, ...]
    paper: float | None = None
    yardstick: bool = False


def claims(layout: str, results: pd.DataFrame) -> list[Claim]:
    """What the paper says about rows of this study, then what its yardsticks must show first."""
    making, fields = {
        "ablation": (_ablation_claims, ["dataset"]),
        "clip_analysis": (_clip_claims, list(PANEL)),
        "mask_quality": (_mask_claims, list(PANEL)),
        "paradigms": (_paradigm_claims, ["dataset", "model"]),
        "settings": (_settings_claims, ["dataset", "model"]),
    }.get(layout, (_no_claims, ["dataset"]))
    groups = [(key, lines.to_dict("records")) for key, lines in results.groupby(fields, sort=False)]
    differing = [i for i in range(len(fields)) if len({key[i] for key, _ in groups}) > 1]
    found = []
    for key, rows in groups:
        where = "".join(f"{key[i]}, " for i in differing).replace("_", " ")
        found += [replace(claim, text=f"{where}{claim.text}") for claim in making(rows)]
    return sorted(found, key=lambda claim: claim.yardstick)


def _ablation_claims(rows: list[Mapping[str, Any]]) -> list[Claim]:
    """The steps of Table 3, their size computed from the paper's table."""
    ours = {ablation_setting(row): key_of(row) for row in rows if row["role"] == "row"}
    published = paper_numbers()["table3"]
    found = []
    for step in published["steps"]:
        better, worse = published["rows"][step["better"]], published["rows"][step["worse"]]
        keys = [ours.get(published_setting(row)) for row in (better, worse)]
        if None not in keys:
            found.append(Claim(step["claim"], *keys, round(better["AP"] - worse["AP"], 1)))
    last = [row for row in rows if row["role"] == "row"][-1]
    return found + list(_yardstick_claims(rows, last))


def _clip_claims(rows: list[Mapping[str, Any]]) -> list[Claim]:
    """Near-online (S = T / 2) over online, and overlap embeddings over plain ones, at every T and S."""
    own = [r for r in rows if r["role"] == "row" and r["train_clip_length"] == r["clip_length"]]
    online = [row for row in own if row["clip_length"] == 1]
    near = {
        kind: {(r["clip_length"], r["stride"]): r for r in own if _kind(r) == kind and r["clip_length"] > 1}
        for kind in ("embed", "overlap_embed")
    }
    found = []
    for (length, stride), row in near["overlap_embed"].items():
        if 2 * stride == length:
            found += [Claim(_over_online(row, other), key_of(row), key_of(other)) for other in online]
            found += _yardstick_claims(rows, row)
    for (length, stride), row in near["overlap_embed"].items():
        plain = near["embed"].get((length, stride))
        # Without an overlap (S = T) the two are the same embeddings.
        if plain is not None and stride < length:
            text = f"Overlap embeddings over plain embeddings, T = {length}, S = {stride}"
            found.append(Claim(text, key_of(row), key_of(plain)))
    return found


def _kind(row: Mapping[str, Any]) -> str:
    return str(row["tracker_settings.kind"])


def _over_online(row: Mapping[str, Any], online: Mapping[str, Any]) -> str:
    length = online.get("tracker_settings.buffer_length")
    buffered = f"buffer of {length:g}" if pd.notna(length) and length > 1 else "no buffer"
    return f"Near-online, T = {row['clip_length']}, S = {row['stride']}, over online, {buffered}"


def _yardstick_claims(rows: list[Mapping[str, Any]], row: Mapping[str, Any]) -> Iterator[Claim]:
    """Only where oracle linking beats identity linking does a setting test tracking at all."""
    shared = [name for name in KEY if name not in ("role", "tracker")]
    yardsticks = {
        _kind(other): other
        for other in rows
        if other["role"] == "yardstick" and all(other[name] == row[name] for name in shared)
    }
    where = f"T = {row['clip_length']}, S = {row['stride']}"
    if {"oracle", "identity"} <= yardsticks.keys():
        oracle, identity = yardsticks["oracle"], yardsticks["identity"]
        yield Claim(
            f"Oracle linking over identity linking, {where}", key_of(oracle), key_of(identity), yardstick=True
        )
        yield Claim(
            f"The tracker over identity linking, {where}", key_of(row), key_of(identity), yardstick=True
        )


def _mask_claims(rows: list[Mapping[str, Any]]) -> list[Claim]:
    """Clips over single images, seen by the same network (Appendix B)."""
    seen = {
        (row["train_clip_length"], row["clip_length"]): key_of(row) for row in rows if row["role"] == "row"
    }
    return [
        Claim(f"Clips of {length} frames over single images, the same network", key, seen[length, 1])
        for (length, tested), key in seen.items()
        if tested == length > 1 and (length, 1) in seen
    ]


def _paradigm_claims(rows: list[Mapping[str, Any]]) -> list[Claim]:
    """Whole videos: online over offline, then each network near-online over both (Sec. 1)."""
    whole = [row for row in rows if row["role"] == "row" and row["sequence_length"] == WHOLE_VIDEO]
    by_paradigm = {
        name: [row for row in whole if paradigm_of(row) == name]
        for name in ("offline", "online", "near-online", "NOVIS")
    }
    offline = {row["train_clip_length"]: row for row in by_paradigm["offline"]}
    near = [row for row in by_paradigm["near-online"] if 2 * row["stride"] == row["clip_length"]]
    novis = [
        row
        for row in by_paradigm["NOVIS"]
        if 2 * row["stride"] == row["clip_length"] and _kind(row) == "overlap_embed"
    ]
    found = []
    for online in by_paradigm["online"][:1]:
        found += [
            _claim("Online", online, f"offline, trained with T = {t}", row) for t, row in offline.items()
        ]
        found += [_claim(_clips("Near-online version", row), row, "online", online) for row in near]
        found += [_claim(_clips("NOVIS", row), row, "online", online) for row in novis]
    for name, chosen in (("Near-online version", near), ("NOVIS", novis)):
        for row in chosen:
            other = offline.get(row["train_clip_length"])
            if other is not None:
                found.append(_claim(_clips(name, row), row, "offline, trained with as many frames", other))
    return found


def _settings_claims(rows: list[Mapping[str, Any]]) -> list[Claim]:
    """The first row over each of the others."""
    first, *others = [row for row in rows if row["role"] == "row"]
    named = differing(rows)
    return [_claim(label(first, named), first, label(other, named), other) for other in others]


def _claim(better: str, row: Mapping[str, Any], worse: str, other: Mapping[str, Any]) -> Claim:
    return Claim(f"{better} over {worse}", key_of(row), key_of(other))


def _clips(name: str, row: Mapping[str, Any]) -> str:
    return f"{name}, T = {row['clip_length']}, S = {row['stride']},"


def _no_claims(rows: list[Mapping[str, Any]]) -> list[Claim]:
    return []
