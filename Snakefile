# The whole reproduction. The default configuration is the paper's; the small ones are
# chosen with --configfile config/shapes.yaml or config/tiny.yaml.

import os

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from novis import experiment

min_version("9.0")


configfile: "config/common.yaml"


try:
    bases = experiment.extended(config, load_configfile)
except experiment.InputError as error:
    raise WorkflowError(str(error))


for base in bases:

    # A configuration that begins with others: what it says itself comes last.
    configfile: base


if "studies" not in config:

    configfile: "config/config.yaml"


if image := os.environ.get("NOVIS_CONTAINER"):

    container: image


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/track.smk"
include: "workflow/rules/speed.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/cluster.smk"


localrules:
    all,
    paper,


rule all:
    default_target: True
    input:
        # Every file by name: a study that is added later is then missing, and made.
        report_files(REPORT, list(STUDIES)),


rule paper:
    # The paper's whole empirical case: every study of the configuration.
    input:
        rules.all.input,
