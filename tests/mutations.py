"""Files broken on purpose: values, keys, lengths and bytes of a JSON file changed at random."""

import copy
import json

ODD_VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 10**30, 10**400, -5, 0.5, 1e308, float("nan"), float("inf"),
    "", "x", "0", "\ud800", "~", "two\nlines", "PPPPPPPPPPPP1", "a" * 3000,
    [], [[]], [None], [1, 2], [[1e9] * 6], [[0, 0, 1, 1, 2, 2]],
    {}, {"size": [6, 8]}, {"size": [6, 8], "counts": [48]}, {"size": [6, 8], "counts": "0PPPPPPPPP"},
    {"size": [1e9, 1e9], "counts": [1]},
]  # fmt: skip


def places(value, place=()):
    """Every (container, key) below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner, (*place, key))


def mutate_values(rng, content):
    """One to three values, keys or list lengths changed, of any part of the file."""
    for _ in range(rng.randint(1, 3)):
        container, key = rng.choice(list(places(content)))
        kind = rng.randrange(6)
        if kind == 0:
            container[key] = copy.deepcopy(rng.choice(ODD_VALUES))
        elif kind == 1:
            del container[key]
        elif kind == 2 and isinstance(container, list):
            container.insert(rng.randrange(len(container) + 1), copy.deepcopy(container[key]))
        elif kind == 3 and isinstance(container[key], int):
            container[key] += rng.choice([-100, -1, 1, 2, 100])
        elif kind == 4 and isinstance(container[key], str):
            container[key] = mutate_text(rng, container[key])
        else:
            other, other_key = rng.choice(list(places(content)))
            container[key] = copy.deepcopy(other[other_key])
    return json.dumps(content).encode("utf-8", "surrogatepass")


def mutate_text(rng, text):
    position = rng.randrange(len(text) + 1)
    return text[:position] + chr(rng.choice([rng.randrange(1, 128), 0xD800, 0xE9])) + text[position + 1 :]


def mutate_bytes(rng, content):
    """Some bytes changed, dropped or doubled, or the end cut off."""
    data = bytearray(json.dumps(content).encode())
    for _ in range(rng.randint(1, 4)):
        position = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[position] = rng.randrange(256)
        elif kind == 1:
            del data[position : position + rng.randint(1, 9)]
        elif kind == 2:
            data[position:position] = data[position : position + rng.randint(1, 30)]
        elif rng.random() < 0.2:
            del data[position:]
        if not data:
            break
    return bytes(data)


def runs_of(counts):
    """The runs of a compressed string, number by number, as the COCO format defines them."""
    runs, value, shift = [], 0, 0
    for character in counts:
        digit = ord(character) - 48
        assert 0 <= digit < 64
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    assert shift == 0
    return runs
