# Public data and weights, one rule a file. What is there already is no rule's output:
# it may be the user's own, and a rule that made it anew would first remove it.

import json

PUBLIC = json.loads(
    (Path(workflow.basedir) / "novis/data/downloads/sources.json").read_text()
)
ROOTS = {"data": config["data_root"], "weights": "weights"}


def public(group, name):
    """The file or folder that a download ends in."""
    if name not in PUBLIC[group]:
        raise WorkflowError(
            f"there is no '{name}' to download{experiment.nearest(name, PUBLIC[group])}"
        )
    source = PUBLIC[group][name]
    return Path(ROOTS[group]) / source.get(
        "provides", source.get("unpack_to", source["path"])
    )


def predecessors():
    """What each download waits for: the files of a data set come one by one, the annotations last."""
    before = {}
    for name, found in sets():
        *others, last = found["downloads"] or [None]
        first = below_data_root(found["annotations"])[0]
        if last and str(public("data", last)) != first:
            raise WorkflowError(
                f"datasets.{name}: the last of 'downloads' must end in the first of 'annotations', "
                f"{first}; '{last}' ends in {public('data', last)}"
            )
        before |= dict(zip(found["downloads"][1:], others))
    return {name: str(public("data", other)) for name, other in before.items()}


BEFORE = predecessors()

for group, names in PUBLIC.items():
    for name in names:
        if not public(group, name).exists():

            rule:
                name:
                    f"download_{name}"
                input:
                    BEFORE.get(name, []),
                output:
                    str(public(group, name))
                    if public(group, name).suffix
                    else directory(public(group, name)),
                log:
                    f"{LOGS}/download/{name}.log",
                # Compute nodes often have no network.
                localrule: True
                params:
                    name=name,
                    root=ROOTS[group],
                    terms=(
                        "--accept-terms"
                        if str(config["accept_terms"]).lower() == "true"
                        else ""
                    ),
                shell:
                    "novis download --name {params.name} --root {params.root:q} {params.terms} 2>&1 | tee {log:q} >&2"


def unaccepted(name):
    """What to say of a download whose terms are not accepted, where it is not here yet; else nothing."""
    source = PUBLIC["data"].get(name, {})
    file = Path(ROOTS["data"]) / source.get("path", "")
    accepted = str(config["accept_terms"]).lower() == "true"
    if accepted or not source.get("terms") or file.is_file():
        return None
    return f"  * {name} ({source['what']}): {source['terms']}; by hand: {file}"


def by_hand(rules):
    """What the user must bring or allow before the rules can run, all at once."""
    names = sorted(set(rules))
    absent = [NOT_FOUND[name] for name in names if name in NOT_FOUND]
    terms = [
        line
        for name in names
        if name.startswith("download_")
        and (line := unaccepted(name.removeprefix("download_")))
    ]
    if terms:
        absent += [
            "these data come with terms that only you can accept. Read them at the pages below, and register "
            "where a page asks for it. Then run again with --config accept_terms=true, or fetch the files by "
            "hand, put them where the list says, and run again:",
            *terms,
        ]
    return absent


def converted():
    """What is converted from public weights: (rule, model file, public weights, checkpoint)."""
    for name, model in config["models"].items():
        for rule_name, start in (
            (name, model),
            (f"{name}_backbone", model.get("pretraining", {})),
        ):
            if "official" in start and not Path(start["init"]).exists():
                yield rule_name, model["file"], start["official"], start["init"]


for name, model_file, official, checkpoint in converted():

    rule:
        name:
            f"convert_{name}"
        input:
            str(public("weights", official)),
        output:
            checkpoint,
        log:
            f"{LOGS}/convert/{name}.log",
        resources:
            mem_mb=growing(4000),
            runtime=30,
        params:
            model=model_file,
        shell:
            "novis convert --source {input:q} --model {params.model:q} --output {output:q} 2> {log:q}"
