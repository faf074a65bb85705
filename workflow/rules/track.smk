# From the clip cache to tracks and scores. No network, no torch.

TRACKING = f"{RESULTS}/{experiment.TRACKING}"


def needs_truth(wildcards):
    """The annotations, for the yardstick that links by them."""
    oracle = config["trackers"][wildcards.tracker]["kind"] == "oracle"
    return ground_truth(wildcards) if oracle else []


def sequence_options(wildcards):
    """The option of tracking and evaluation for videos that are cut into sequences."""
    length = wildcards.sequences.removeprefix("-").removesuffix("frames")
    return f"--sequence-length {length}" if length else ""


rule track:
    input:
        clips=CLIPS,
        annotations=needs_truth,
    output:
        results=f"{TRACKING}/results.json",
        linking=f"{TRACKING}/linking.json",
    log:
        f"{LOGS}/track/{experiment.TRACKING}.log",
    benchmark:
        f"{BENCHMARKS}/track/{experiment.TRACKING}.tsv"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
    params:
        code=code_of("track"),
        tracker=lambda w: settings(config["trackers"][w.tracker]),
        truth=lambda w, input: option("--annotations", input.annotations),
        top_k=dataset_setting("top_k"),
        sequences=sequence_options,
    shell:
        "novis track --cache {input.clips:q} --settings {params.tracker} --stride {wildcards.stride} "
        "--top-k {params.top_k} {params.truth} {params.sequences} --workers {threads} "
        "--output {output.results:q} 2> {log:q}"


rule evaluate:
    input:
        annotations=ground_truth,
        videos=videos("valid"),
        results=rules.track.output.results,
    output:
        metrics=f"{TRACKING}/metrics.json",
        matches=f"{TRACKING}/matches.npz",
    log:
        f"{LOGS}/evaluate/{experiment.TRACKING}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{experiment.TRACKING}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=code_of("evaluate"),
        # Clips that were not linked are no tracks: they are scored frame by frame.
        frames=lambda w: (
            "--per-frame"
            if config["trackers"][w.tracker]["kind"] == "unlinked"
            else ""
        ),
        sequences=sequence_options,
    shell:
        "novis evaluate --annotations {input.annotations:q} --videos {input.videos:q} "
        "--results {input.results:q} {params.frames} {params.sequences} --matches {output.matches:q} --output {output.metrics:q} 2> {log:q}"


rule submit:
    # What the server of a benchmark takes, checked against the official list of videos.
    input:
        results=rules.track.output.results,
        annotations=test_annotations,
    output:
        f"{TRACKING}/results.zip",
    log:
        f"{LOGS}/submit/{experiment.TRACKING}.log",
    wildcard_constraints:
        split=experiment.FULL,
        # A server knows the videos, not sequences cut from them.
        sequences="",
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=code_of("submit"),
    shell:
        "novis submit --results {input.results:q} --annotations {input.annotations:q} --output {output:q} 2> {log:q}"
