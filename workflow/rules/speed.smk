# Frames a second of network and tracker together, for the rows of studies with `fps: true`.


rule speed:
    input:
        checkpoint=rules.train.output.checkpoint,
        annotations=test_annotations,
        videos=videos("valid"),
    output:
        f"{TRACKING}/speed.json",
    log:
        f"{LOGS}/speed/{experiment.TRACKING}.log",
    # A clock wants the machine for itself: on one machine the rule takes all of its cores.
    threads: lambda w: workflow.cores or 4
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=60,
    params:
        code=code_of("speed"),
        frames=test_frames,
        tracker=lambda w: settings(config["trackers"][w.tracker]),
        top_k=dataset_setting("top_k"),
        overlap=overlap_options,
    shell:
        "novis speed --checkpoint {input.checkpoint:q} --annotations {input.annotations:q} "
        "--frames {params.frames:q} --videos {input.videos:q} --clip-length {wildcards.clip_length} "
        "--stride {wildcards.stride} --settings {params.tracker} {params.overlap} --top-k {params.top_k} "
        "--min-size {wildcards.min_size} --threads {threads} --output {output:q} 2> {log:q}"
