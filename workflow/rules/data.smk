# Data sets and their splits.


def generated():
    """The data sets that are generated, not brought."""
    return [
        name for name, dataset in config["datasets"].items() if "generate" in dataset
    ]


for name in generated():

    rule:
        name:
            f"generate_{name}"
        output:
            candidates(name)[0],
        log:
            f"{LOGS}/data/{name}.log",
        resources:
            mem_mb=growing(2000),
            runtime=60,
        params:
            version=experiment.VERSIONS["shapes"],
            root=str(Path(candidates(name)[0]).parent),
            num_videos=config["datasets"][name]["generate"]["num_videos"],
            seed=config["datasets"][name]["generate"]["seed"],
            settings=settings(config["datasets"][name]["generate"]["settings"]),
        shell:
            "novis shapes --root {params.root:q} --num-videos {params.num_videos} --seed {params.seed} "
            "--settings {params.settings} 2> {log:q}"


rule split:
    # The halves of a training set: a fold trains on one part and is evaluated on the other.
    input:
        annotations=annotations,
    output:
        train=videos("train"),
        valid=videos("valid"),
    log:
        f"{LOGS}/split/{{dataset}}-{{split}}.log",
    wildcard_constraints:
        split="fold[0-9]+",
    params:
        version=experiment.VERSIONS["split"],
        fold=lambda w: w.split.removeprefix("fold"),
        folds=dataset_setting("folds"),
        seed=dataset_setting("split_seed"),
    shell:
        "novis split --annotations {input.annotations:q} --folds {params.folds} --seed {params.seed} "
        "--fold {params.fold} --train {output.train:q} --valid {output.valid:q} 2> {log:q}"


rule hold_out:
    # A part of the training set to be tested on: scores that anybody can compute.
    input:
        annotations=annotations,
    output:
        train=videos("train"),
        valid=videos("valid"),
    log:
        f"{LOGS}/split/{{dataset}}-{{split}}.log",
    wildcard_constraints:
        split=experiment.HOLDOUT,
    params:
        version=experiment.VERSIONS["split"],
        one_in=dataset_setting("holdout"),
        seed=dataset_setting("split_seed"),
    shell:
        "novis hold-out --annotations {input.annotations:q} --one-in {params.one_in} --seed {params.seed} "
        "--train {output.train:q} --valid {output.valid:q} 2> {log:q}"


rule list_videos:
    # The whole training set to train on, or the official validation set to test on.
    input:
        lambda w: annotations(w) if w.part == "train" else test_annotations(w),
    output:
        videos("{part}"),
    log:
        f"{LOGS}/split/{{dataset}}-{{split}}-{{part}}.log",
    wildcard_constraints:
        split=experiment.FULL,
        part="train|valid",
    shell:
        "novis list-videos --annotations {input:q} --output {output:q} 2> {log:q}"


def sets():
    """Every set of videos by name: the data sets, and their official validation sets."""
    for name, dataset in config["datasets"].items():
        yield name, dataset
        if "validation" in dataset:
            yield f"{name}_validation", dataset["validation"]


def brought():
    """The annotation files that no rule makes, neither generated nor downloaded, with their sets."""
    made = {candidates(name)[0] for name in generated()}
    brought = {
        below_data_root(found["annotations"])[0]: (name, found)
        for name, found in sets()
        if not found["downloads"]
    }
    return {file: found for file, found in brought.items() if file not in made}


def not_found(found):
    """What to say of a set of videos that is not there."""
    looked_for = ", ".join(below_data_root(found["annotations"]))
    return f"data set not found; looked for {looked_for}. {found['source']}"


# The rules whose `frames` is the folder of the frames that they read.
READS_FRAMES = ("train", "features", "predict", "speed", "overlays", "gallery")


def without_frames(jobs):
    """What to say of annotations that are there without their frames, for the jobs that read them."""
    made = {str(file) for job in jobs for file in job.output}
    needed = {
        (str(job.params.frames), str(job.input.annotations))
        for job in jobs
        if job.rule.name in READS_FRAMES
    }
    return [
        f"{annotations} is here, but its frames are not: there is no file below {folder}. "
        f"{where_from(folder, annotations)}"
        for folder, annotations in sorted(needed)
        if Path(annotations).exists()
        and annotations not in made
        and not is_here(folder)
    ]


def where_from(folder, annotations):
    """How to come by the frames of a set of videos."""
    if annotations in [candidates(name)[0] for name in generated()]:
        return f"Delete {annotations}, and both are generated anew."
    sources = [
        found for _, found in sets() if below_data_root([found["frames"]])[0] == folder
    ]
    files = [
        str(public("data", name)) for found in sources for name in found["downloads"]
    ]
    if absent := dict.fromkeys(file for file in files if not is_here(file)):
        empty = [file for file in absent if Path(file).exists()]
        removed = f"remove {', '.join(empty)}, then " if empty else ""
        return f"To download them: {removed}snakemake --cores 1 {shlex.join(absent)}"
    if files:
        return f"Bring them, or delete {annotations} to have both downloaded."
    return " ".join(dict.fromkeys(found["source"] for found in sources))


NOT_FOUND = {f"find_{name}": not_found(found) for name, found in brought().values()}


for file, (name, _) in brought().items():

    rule:
        # Its file is looked for before the first job, by name; see by_hand().
        name:
            f"find_{name}"
        output:
            file,
        localrule: True
        params:
            message=NOT_FOUND[f"find_{name}"],
        run:
            raise WorkflowError(params.message)
