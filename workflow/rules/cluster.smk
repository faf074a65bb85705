# What a run does before its first job. On a cluster it is alone in its checkout, ends what a
# killed run left, and refuses requests that the cluster would never serve.

import sys

from novis.cluster import (
    devices,
    ending,
    frozen,
    polling,
    preflight,
    requeue,
    run,
    slurm,
)

STATE = Path(".snakemake/novis")


def requests():
    """What the planned jobs ask of the cluster; those of a group ask together."""
    jobs = workflow.dag.needrun_jobs()
    planned = dict.fromkeys(workflow.dag.get_job_group(job) or job for job in jobs)
    return [
        preflight.Request.of(job.name, job.threads, dict(job.resources.items()))
        for job in planned
        if not job.is_local
    ]


def check_cluster():
    """Everything that Slurm would refuse, or accept and never run. Gives what the cluster is."""
    cluster = slurm.describe()
    settings = workflow.executor_settings
    preflight.check_polling(
        cluster, settings.status_command, settings.init_seconds_before_status_checks
    )
    asked = requests()
    preflight.check(asked, cluster)
    preflight.cap_memory(asked, cluster)
    return cluster


def begin():
    run.claim(STATE, alone=not workflow.local_exec)
    jobs = list(workflow.dag.needrun_jobs())
    absent = by_hand(job.rule.name for job in jobs) + without_frames(jobs)
    if absent:
        raise experiment.InputError("\n".join(absent))
    if workflow.executor_plugin.name == "slurm":
        cluster = check_cluster()
        executor = sys.modules["snakemake_executor_plugin_slurm"]
        polling.insist(executor, cluster.min_job_age, logger.warning)
        run.take_over(Path.cwd(), logger.info)
        run.outlive_terminal(Path(LOGS) / "slurm" / "after_hangup.log")
        requeue.allow(STATE / "requeue")
    if workflow.local_exec:
        devices.share(STATE)
    frozen.freeze(config, STATE)


onstart:
    try:
        begin()
    except experiment.InputError as error:
        raise WorkflowError(str(error))


def title(job):
    """A job's rule and wildcards."""
    return f"{job.rule.name} ({', '.join(f'{key}={value}' for key, value in job.wildcards_dict.items())})"


def failures():
    """Every failed job once more, with its own message."""
    failed = [
        one
        for job in workflow.scheduler.failed
        for one in (job.jobs if job.is_group() else [job])
    ]
    for job in failed:
        folder = (
            Path(LOGS)
            / "slurm"
            / f"rule_{job.rule.name}"
            / "_".join(job.wildcards_dict.values())
        )
        yield ending.failure(title(job), map(Path, job.log), list(folder.glob("*.log")))


def used():
    """What the jobs of this run asked for and used."""
    return ending.efficiency(
        ending.Finished(
            job.rule.name,
            Path(job.benchmark),
            job.resources.get("runtime") or 0,
            job.resources.get("mem_mb") or 0,
            job.threads,
        )
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
        if job.benchmark and workflow.dag.finished(job)
    )


onsuccess:
    logger.info(used())


onerror:
    logger.error("\n\n".join([used(), "Failed jobs:", *failures()]))
