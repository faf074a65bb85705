# From a checkpoint to the clip cache: all that tracking needs of the network.

PREDICTION = f"{RESULTS}/{experiment.PREDICTION}"
CLIPS = f"{PREDICTION}/clips.h5"


FEATURES = f"{TRAINING}/features-{{min_size}}px.h5"


def features_of(wildcards):
    """The kept frame features of a prediction, where its variant's are kept."""
    return FEATURES if wildcards.variant in config["keep_features"] else []


def overlap_options(wildcards):
    """The option of novis predict for another reading of the overlap embeddings."""
    reading = wildcards.reading.removeprefix("-")
    return f"--overlap {settings(config['readings'][reading])}" if reading else ""


rule features:
    # Frame features, kept until all predictions of a checkpoint are there.
    input:
        checkpoint=rules.train.output.checkpoint,
        annotations=test_annotations,
        videos=videos("valid"),
    output:
        temp(FEATURES),
    log:
        f"{LOGS}/features/{experiment.TRAINING}-{{min_size}}px.log",
    benchmark:
        f"{BENCHMARKS}/features/{experiment.TRAINING}-{{min_size}}px.tsv"
    threads: 1
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=480,
    params:
        version=experiment.VERSIONS["predict"],
        frames=test_frames,
    shell:
        "exec novis features --checkpoint {input.checkpoint:q} --annotations {input.annotations:q} "
        "--frames {params.frames:q} --videos {input.videos:q} --min-size {wildcards.min_size} "
        "--threads {threads} {SCRATCH} --output {output:q} 2> {log:q}"


SHARDS = config["prediction_shards"]


OF_SHARD = "-{shard}" if SHARDS > 1 else ""


def shard_option(wildcards):
    """The option of novis predict for a part of the videos."""
    return f"--shard {wildcards.shard}/{SHARDS}" if SHARDS > 1 else ""


rule predict:
    # All videos of a prediction, or those of one of its shards.
    input:
        checkpoint=rules.train.output.checkpoint,
        annotations=test_annotations,
        videos=videos("valid"),
        features=features_of,
    output:
        CLIPS if SHARDS == 1 else temp(f"{PREDICTION}/clips-{{shard}}of{SHARDS}.h5"),
    log:
        f"{LOGS}/predict/{experiment.PREDICTION}{OF_SHARD}.log",
    benchmark:
        f"{BENCHMARKS}/predict/{experiment.PREDICTION}{OF_SHARD}.tsv"
    threads: 1
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=480,
    params:
        version=experiment.VERSIONS["predict"],
        frames=test_frames,
        features=lambda w, input: option("--features", input.features),
        overlap=overlap_options,
        shard=shard_option,
    shell:
        "exec novis predict --checkpoint {input.checkpoint:q} --annotations {input.annotations:q} "
        "--frames {params.frames:q} --videos {input.videos:q} --clip-length {wildcards.clip_length} "
        "{params.features} {params.overlap} --starts {wildcards.starts} --min-size {wildcards.min_size} --threads {threads} "
        "{params.shard} {SCRATCH} --output {output:q} 2> {log:q}"


if SHARDS > 1:

    rule merge:
        # One cache of the shards, the same as without them.
        input:
            expand(
                f"{PREDICTION}/clips-{{shard}}of{SHARDS}.h5",
                shard=range(1, SHARDS + 1),
                allow_missing=True,
            ),
        output:
            CLIPS,
        log:
            f"{LOGS}/merge/{experiment.PREDICTION}.log",
        benchmark:
            f"{BENCHMARKS}/merge/{experiment.PREDICTION}.tsv"
        resources:
            mem_mb=growing(2000),
            runtime=240,
        params:
            code=code_of("merge"),
        shell:
            "novis merge --shards {input:q} --output {output:q} 2> {log:q}"
