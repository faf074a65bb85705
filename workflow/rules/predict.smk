# From a checkpoint to the clip cache: all that tracking needs of the network.

PREDICTION = f"{RESULTS}/{experiment.PREDICTION}"


FEATURES = f"{TRAINING}/features-{{min_size}}px.h5"


rule features:
    # Frame features, kept so that several test clip lengths of a checkpoint share them.
    input:
        checkpoint=rules.train.output.checkpoint,
        annotations=annotations,
        videos=videos("valid"),
    output:
        FEATURES,
    log:
        f"{LOGS}/features/{experiment.TRAINING}-{{min_size}}px.log",
    benchmark:
        f"{BENCHMARKS}/features/{experiment.TRAINING}-{{min_size}}px.tsv"
    threads: 1
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=480,
    params:
        version=experiment.VERSIONS["predict"],
        frames=frames,
    shell:
        "novis features --checkpoint {input.checkpoint} --annotations {input.annotations} "
        "--frames {params.frames} --videos {input.videos} --min-size {wildcards.min_size} "
        "--threads {threads} --output {output} 2> {log}"


rule predict:
    input:
        checkpoint=rules.train.output.checkpoint,
        annotations=annotations,
        videos=videos("valid"),
        features=FEATURES if config["keep_features"] else [],
    output:
        f"{PREDICTION}/clips.h5",
    log:
        f"{LOGS}/predict/{experiment.PREDICTION}.log",
    benchmark:
        f"{BENCHMARKS}/predict/{experiment.PREDICTION}.tsv"
    threads: 1
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=480,
    params:
        version=experiment.VERSIONS["predict"],
        frames=frames,
        features=lambda w, input: (
            f"--features {input.features}" if input.features else ""
        ),
    shell:
        "novis predict --checkpoint {input.checkpoint} --annotations {input.annotations} "
        "--frames {params.frames} --videos {input.videos} --clip-length {wildcards.clip_length} "
        "{params.features} --starts {wildcards.starts} --min-size {wildcards.min_size} --threads {threads} "
        "--output {output} 2> {log}"
