# From a checkpoint to the clip cache: all that tracking needs of the network.

PREDICTION = f"{RESULTS}/{experiment.PREDICTION}"


rule predict:
    input:
        checkpoint=rules.train.output.checkpoint,
        annotations=annotations,
        videos=videos("valid"),
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
    shell:
        "novis predict --checkpoint {input.checkpoint} --annotations {input.annotations} "
        "--frames {params.frames} --videos {input.videos} --clip-length {wildcards.clip_length} "
        "--starts {wildcards.starts} --min-size {wildcards.min_size} --threads {threads} "
        "--output {output} 2> {log}"
