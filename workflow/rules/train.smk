# From a model file and clips to a checkpoint.

TRAINING = f"{RESULTS}/{experiment.TRAINING}"


PRETRAINING = f"{RESULTS}/pretraining/{{model}}"


localrules:
    configure,
    configure_pretraining,


def initial_weights(wildcards):
    """The checkpoint that a model starts from: as given, or made anew by its pre-training."""
    model = config["models"][wildcards.model]
    if config["pretrain"] and "pretraining" in model:
        return f"{PRETRAINING}/checkpoint.pth".format(model=wildcards.model)
    return model["init"] or []


def held_out(wildcards):
    """The videos of validation AP in training; those of an official set are never looked at."""
    path = videos("valid").format(**wildcards)
    return ancient(path) if wildcards.split == experiment.FULL else path


def mixed_with(key):
    """A file or folder of the still images that the wildcard's data set is mixed with, if it is."""

    def path(wildcards):
        mixed = config["datasets"][wildcards.dataset].get("mixed_with")
        # A folder is as new as its last entry, which says nothing of a training.
        return ancient(str(Path(config["data_root"]) / mixed[key])) if mixed else []

    return path


def image_options(wildcards, input):
    """The options of novis train for them."""
    mixed = config["datasets"][wildcards.dataset].get("mixed_with")
    if not mixed:
        return ""
    words = ["--images", input.images, "--image-annotations", input.image_annotations]
    return shlex.join([*words, "--category-map", mixed["category_map"]])


rule configure:
    # The frozen experiment of a training: what was configured when it was planned.
    output:
        f"{TRAINING}/config.json",
    log:
        f"{LOGS}/configure/{experiment.TRAINING}.log",
    params:
        model=lambda w: config["models"][w.model]["file"],
        code=lambda w: experiment.model_fingerprint(config["models"][w.model]["file"]),
        switches=lambda w: settings(experiment.overrides(training_of(w), config)),
    shell:
        "novis configure --model {params.model:q} --output {output:q} --set {params.switches} 2> {log:q}"


rule train:
    input:
        config=rules.configure.output,
        annotations=annotations,
        train=videos("train"),
        valid=held_out,
        init=initial_weights,
        images=mixed_with("images"),
        image_annotations=mixed_with("annotations"),
    output:
        checkpoint=f"{TRAINING}/checkpoint.pth",
        provenance=f"{TRAINING}/training.json",
    log:
        f"{LOGS}/train/{experiment.TRAINING}.log",
    benchmark:
        f"{BENCHMARKS}/train/{experiment.TRAINING}.tsv"
    threads: 1
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=1440,
    params:
        version=experiment.VERSIONS["train"],
        frames=frames,
        init=lambda w, input: option("--init", input.init),
        images=image_options,
        # Not an output: the state of an interrupted training must survive a failed job.
        work=lambda w, output: str(Path(output.checkpoint).with_name("work")),
    shell:
        "exec workflow/scripts/ranks {resources.gpu} novis train --config {input.config:q} --annotations {input.annotations:q} --frames {params.frames:q} "
        "--videos {input.train:q} --validation-videos {input.valid:q} {params.init} {params.images} "
        "--work {params.work:q} --threads $(({threads} / {resources.gpu})) {SCRATCH} --output {output.checkpoint:q} 2> {log:q}"


def pretrained_on(key):
    """The models whose pre-training has this key, as a pattern that matches no other name."""
    names = [
        name
        for name, model in config["models"].items()
        if key in model.get("pretraining", {})
    ]
    return "|".join(names) or "(?!)"


def pretraining_data(key):
    """A file or folder of the images that the wildcard's model is pre-trained on."""
    return lambda wildcards: ancient(
        str(
            Path(config["data_root"])
            / config["models"][wildcards.model]["pretraining"][key]
        )
    )


rule configure_pretraining:
    output:
        f"{PRETRAINING}/config.json",
    log:
        f"{LOGS}/configure/pretraining-{{model}}.log",
    params:
        model=lambda w: config["models"][w.model]["file"],
        code=lambda w: experiment.model_fingerprint(config["models"][w.model]["file"]),
        switches=lambda w: settings(
            config["models"][w.model]["pretraining"]["overrides"]
        ),
    shell:
        "novis configure --model {params.model:q} --output {output:q} --set {params.switches} 2> {log:q}"


rule pretrain_images:
    # The initial weights of the full-size models: on COCO, from a backbone's ImageNet weights.
    input:
        config=rules.configure_pretraining.output,
        images=pretraining_data("images"),
        annotations=pretraining_data("annotations"),
        init=lambda w: config["models"][w.model]["pretraining"].get("init", []),
    output:
        checkpoint=f"{PRETRAINING}/checkpoint.pth",
        provenance=f"{PRETRAINING}/training.json",
    log:
        f"{LOGS}/pretrain/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/pretrain/{{model}}.tsv"
    wildcard_constraints:
        model=pretrained_on("images"),
    threads: 1
    resources:
        gpu=1,
        mem_mb=growing(32000),
        runtime=1440,
    params:
        version=experiment.VERSIONS["train"],
        init=lambda w, input: option("--init", input.init),
        work=lambda w, output: str(Path(output.checkpoint).with_name("work")),
    shell:
        "exec novis pretrain-images --config {input.config:q} --images {input.images:q} "
        "--annotations {input.annotations:q} {params.init} "
        "--work {params.work:q} --threads {threads} --output {output.checkpoint:q} 2> {log:q}"


rule pretrain:
    # The initial weights of the small models: on generated still images, as the paper's are on COCO.
    input:
        rules.configure_pretraining.output,
    output:
        checkpoint=f"{PRETRAINING}/checkpoint.pth",
        provenance=f"{PRETRAINING}/training.json",
    log:
        f"{LOGS}/pretrain/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/pretrain/{{model}}.tsv"
    wildcard_constraints:
        model=pretrained_on("seed"),
    threads: 1
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=720,
    params:
        version=experiment.VERSIONS["train"],
        seed=lambda w: config["models"][w.model]["pretraining"]["seed"],
        settings=lambda w: settings(
            config["models"][w.model]["pretraining"]["settings"]
        ),
        work=lambda w, output: str(Path(output.checkpoint).with_name("work")),
    shell:
        "exec novis pretrain --config {input:q} --seed {params.seed} --settings {params.settings} "
        "--half --work {params.work:q} --threads {threads} --output {output.checkpoint:q} 2> {log:q}"
