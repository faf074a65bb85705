# From scores to tables, figures and the page.

import json


localrules:
    study,


# The layouts of a study that have a figure.
WITH_FIGURES = ("clip_analysis", "gallery", "mask_quality", "paradigms")


def runs_of(study):
    """Every tracked run of a study, with its role in it; a yardstick without scores is none."""
    return [(row, "row") for row in study.rows] + [
        (row, "yardstick")
        for row in study.yardsticks
        if is_scored(row.prediction.training)
    ]


def tracking_file(tracking, name):
    return f"{RESULTS}/{tracking.folder}/{name}"


def benchmark_file(rule_name, folder):
    return f"{BENCHMARKS}/{rule_name}/{folder}.tsv"


def prediction_benchmarks(prediction):
    """The benchmark of a prediction, or those of its shards."""
    names = [f"-{shard}" for shard in range(1, SHARDS + 1)] if SHARDS > 1 else [""]
    return [benchmark_file("predict", f"{prediction.folder}{name}") for name in names]


def table_row(study, tracking, role):
    """What the report knows of a run: its fields, and where its files lie."""
    prediction = tracking.prediction
    frames = study.frames.get(prediction)
    return experiment.row_fields(tracking, config) | {
        "role": role,
        "results": tracking_file(tracking, "results.json"),
        "metrics": tracking_file(tracking, "metrics.json"),
        "matches": tracking_file(tracking, "matches.npz"),
        "linking": tracking_file(tracking, "linking.json"),
        "frame_metrics": tracking_file(frames, "metrics.json") if frames else None,
        "speed": (
            tracking_file(tracking, "speed.json") if tracking in study.timed else None
        ),
        "checkpoint": f"{RESULTS}/{prediction.training.folder}/checkpoint.pth",
        "config": f"{RESULTS}/{prediction.training.folder}/config.json",
        "top_k": config["datasets"][prediction.training.dataset]["top_k"],
        "benchmarks": {
            "train": [benchmark_file("train", prediction.training.folder)],
            "predict": prediction_benchmarks(prediction),
            "track": [benchmark_file("track", tracking.folder)],
        },
    }


def study_content(name):
    study = STUDIES[name]
    rows = [table_row(study, tracking, role) for tracking, role in runs_of(study)]
    head = {
        "name": name,
        "layout": study.layout,
        "title": study.title,
        "experiment": config["name"],
        "external_scores": next(iter(external_scores([name])), None),
        "gallery": next(iter(galleries([name])), None),
    }
    return json.dumps(head | {"rows": rows}, indent=1)


def outcome(tracking):
    """What a tracked run ends in: scores, and the zip for a server where it is tested on an official set.

    Sequences cut from an official set whose ground truth is held back end in nothing: no server takes them.
    """
    training = tracking.prediction.training
    scores = ["metrics.json", "matches.npz"] if is_scored(training) else []
    whole = tracking.sequence_length == experiment.WHOLE_VIDEO
    export = ["results.zip"] if training.split == experiment.FULL and whole else []
    names = [*scores, *export, "linking.json"] if scores or export else []
    return [tracking_file(tracking, name) for name in names]


def scores_of(names):
    """The files behind some studies' numbers; what only scores could use is left out without them."""
    studies = [STUDIES[name] for name in names if STUDIES[name].needs_scores]
    rows = [row for study in studies for row in study.rows]
    others = [tracking for study in studies for tracking in study.trackings]
    scored = [run for run in others if is_scored(run.prediction.training)]
    timed = [tracking for study in studies for tracking in study.timed]
    return [
        *(file for run in dict.fromkeys((*rows, *scored)) for file in outcome(run)),
        *(tracking_file(tracking, "speed.json") for tracking in timed),
        *configurations_of(names),
    ]


def configurations_of(names):
    """The resolved configurations that studies without scores show."""
    studies = [STUDIES[name] for name in names if not STUDIES[name].needs_scores]
    trainings = {
        row.prediction.training: None for study in studies for row in study.rows
    }
    return [f"{RESULTS}/{training.folder}/config.json" for training in trainings]


def galleries(names):
    """The pictures of the studies that show some."""
    return [
        f"{REPORT}/galleries/{name}.png"
        for name in names
        if STUDIES[name].layout == "gallery"
    ]


def gallery_options(wildcards):
    """The options of novis gallery: how many videos, and what they must not show."""
    chosen = config["studies"][wildcards.study].get("gallery", {})
    number = f"--num-videos {chosen.get('num_videos', 8)}"
    return f"{number} {option('--without', chosen.get('without', []))}".rstrip()


def of_gallery(key):
    """What the first row of a gallery's study is drawn from."""

    def choose(wildcards):
        row = STUDIES[wildcards.study].rows[0]
        training = row.prediction.training
        return {
            "results": tracking_file(row, "results.json"),
            "annotations": test_annotations(training),
            "frames": test_frames(training),
            "videos": videos("valid").format(
                dataset=training.dataset, split=training.split
            ),
        }[key]

    return choose


def external_scores(names):
    """The file of scores obtained elsewhere, for the studies that show them."""
    shown = any(STUDIES[name].layout == "benchmark" for name in names)
    return [config["external_scores"]] if shown and config["external_scores"] else []


def pictures():
    """Overlays of the full method (or the first row), of the first seed, in both folds.

    None where no study tracks whole videos.
    """
    scored = [study for study in STUDIES.values() if study.needs_scores]
    rows = [row for study in scored for row in study.rows]
    rows = [row for row in rows if row.sequence_length == experiment.WHOLE_VIDEO]
    chosen = [
        row
        for row in rows
        if config["trackers"][row.tracker]["kind"] == "overlap_embed"
    ] or rows
    if not chosen:
        return []
    first = chosen[0]
    kin = [
        row
        for row in chosen
        if (row.stride, row.tracker) == (first.stride, first.tracker)
    ]
    by_split = {row.prediction.training.split: row for row in reversed(kin)}
    return [f"{RESULTS}/{row.folder}/overlays" for row in by_split.values()]


def report_files(folder, names):
    layouts = {name: STUDIES[name].layout for name in names}
    endings = [
        f"{name}{end}" for name in names for end in (".csv", "_mean.csv", ".tex")
    ]
    figures = [
        f"{name}_figure.{end}"
        for name in names
        if layouts[name] in WITH_FIGURES
        for end in ("pdf", "png")
    ]
    return [
        f"{folder}/{file}"
        for file in ("report.html", "summary.txt", *endings, *figures)
    ]


rule study:
    # A study as it was when it was run: what the report reads instead of the configuration.
    output:
        f"{REPORT}/studies/{{study}}.json",
    params:
        content=lambda w: study_content(w.study),
    run:
        Path(output[0]).write_text(params.content + "\n")


rule overlays:
    input:
        results=rules.track.output.results,
        annotations=test_annotations,
    output:
        directory(f"{TRACKING}/overlays"),
    log:
        f"{LOGS}/overlays/{experiment.TRACKING}.log",
    resources:
        mem_mb=growing(2000),
        runtime=10,
    params:
        code=code_of("overlays"),
        frames=test_frames,
    shell:
        "novis overlays --results {input.results:q} --annotations {input.annotations:q} "
        "--frames {params.frames:q} --num-videos 4 --output {output:q} 2> {log:q}"


rule gallery:
    # Figs. 5 and 6: the first row of a study, its videos chosen by a rule.
    input:
        results=of_gallery("results"),
        annotations=of_gallery("annotations"),
        videos=of_gallery("videos"),
    output:
        f"{REPORT}/galleries/{{study}}.pdf",
        f"{REPORT}/galleries/{{study}}.png",
    log:
        f"{LOGS}/gallery/{config['name']}-{{study}}.log",
    resources:
        mem_mb=growing(4000),
        runtime=30,
    params:
        code=code_of("gallery"),
        frames=of_gallery("frames"),
        options=gallery_options,
    shell:
        "novis gallery --results {input.results:q} --annotations {input.annotations:q} --videos {input.videos:q} "
        "--frames {params.frames:q} {params.options} --output {output[0]:q} 2> {log:q}"


rule report:
    # Everything on one page.
    input:
        studies=expand(f"{REPORT}/studies/{{study}}.json", study=STUDIES),
        scores=scores_of(STUDIES),
        external_scores=external_scores(STUDIES),
        galleries=galleries(STUDIES),
        overlays=pictures(),
    output:
        report_files(REPORT, list(STUDIES)),
    log:
        f"{LOGS}/report/{config['name']}.log",
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=code_of("report"),
        overlays=lambda w, input: option("--overlays", input.overlays),
        folder=REPORT,
    shell:
        "novis report --studies {input.studies:q} {params.overlays} --output {params.folder:q} 2> {log:q}"


for name in STUDIES:

    rule:
        # One study alone: `snakemake table3`.
        name:
            name
        input:
            studies=f"{REPORT}/studies/{name}.json",
            scores=scores_of([name]),
            external_scores=external_scores([name]),
            galleries=galleries([name]),
        output:
            report_files(f"{REPORT}/{name}", [name]),
        log:
            f"{LOGS}/report/{config['name']}-{name}.log",
        resources:
            mem_mb=growing(2000),
            runtime=30,
        params:
            code=code_of("report"),
            folder=f"{REPORT}/{name}",
        shell:
            "novis report --studies {input.studies:q} --output {params.folder:q} 2> {log:q}"


rule pdf:
    # The tables as PDF, where LaTeX is installed.
    input:
        expand(f"{REPORT}/{{study}}.pdf", study=STUDIES),


rule compile_table:
    input:
        f"{REPORT}/{{study}}.tex",
    output:
        f"{REPORT}/{{study}}.pdf",
    log:
        f"{LOGS}/pdf/{config['name']}-{{study}}.log",
    shell:
        "novis compile --tex {input:q} --output {output:q} 2> {log:q}"
