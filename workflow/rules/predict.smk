# From a checkpoint to the clip cache: all that tracking needs of the network.

from collections import Counter

PREDICTION = f"{RESULTS}/{experiment.PREDICTION}"


FEATURES = f"{TRAINING}/features-{{min_size}}px.h5"


def shared_features():
    """The frame features that several predictions share: (training, size at test)."""
    predictions = {
        row.prediction for study in STUDIES.values() for row in study.trackings
    }
    counts = Counter(
        (prediction.training, prediction.min_size) for prediction in predictions
    )
    return {shared for shared, count in counts.items() if count > 1}


SHARED_FEATURES = shared_features() if config["keep_features"] else set()


def features_of(wildcards):
    """The kept frame features of a prediction, where there are any."""
    wanted = (training_of(wildcards), int(wildcards.min_size))
    return FEATURES if wanted in SHARED_FEATURES else []


def overlap_options(wildcards):
    """The option of novis predict for another reading of the overlap embeddings."""
    reading = wildcards.reading.removeprefix("-")
    return f"--overlap {settings(config['readings'][reading])}" if reading else ""


rule features:
    # Frame features, kept until all predictions of a checkpoint that share them are there.
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
        mem_mb=16000,
        runtime=480,
    params:
        version=experiment.VERSIONS["predict"],
        frames=test_frames,
    shell:
        "novis features --checkpoint {input.checkpoint} --annotations {input.annotations} "
        "--frames {params.frames} --videos {input.videos} --min-size {wildcards.min_size} "
        "--threads {threads} --output {output} 2> {log}"


rule predict:
    input:
        checkpoint=rules.train.output.checkpoint,
        annotations=test_annotations,
        videos=videos("valid"),
        features=features_of,
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
        frames=test_frames,
        features=lambda w, input: (
            f"--features {input.features}" if input.features else ""
        ),
        overlap=overlap_options,
    shell:
        "novis predict --checkpoint {input.checkpoint} --annotations {input.annotations} "
        "--frames {params.frames} --videos {input.videos} --clip-length {wildcards.clip_length} "
        "{params.features} {params.overlap} --starts {wildcards.starts} --min-size {wildcards.min_size} --threads {threads} "
        "--output {output} 2> {log}"
