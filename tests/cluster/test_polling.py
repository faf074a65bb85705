"""That a run outlives a restart of the controller is shown on a real Slurm in test_faults.py."""

import asyncio

import snakemake_executor_plugin_slurm as plugin

from novis.cluster import polling


def test_slurm_is_asked_until_it_answers_and_the_user_told_once():
    answers, said = [(None, None), (None, None), ({"7": "COMPLETED"}, 0.1), ({}, 0.1)], []

    async def ask(command, logger):
        assert (command, logger) == ("squeue", "a logger")
        return answers.pop(0)

    patient = polling.patient(ask, said.append, pause=0.01)
    assert asyncio.run(patient("squeue", "a logger")) == ({"7": "COMPLETED"}, 0.1)
    assert len(said) == 1
    assert "Slurm does not answer ('squeue'). Its jobs go on" in said[0]
    assert asyncio.run(patient("squeue", "a logger")) == ({}, 0.1), "no jobs are an answer, too"
    assert len(said) == 1


def test_the_executor_has_what_is_replaced(monkeypatch):
    for name in ("query_job_status", "get_min_job_age"):
        monkeypatch.setattr(plugin, name, getattr(plugin, name))
    polling.insist(plugin, 300, print)
    assert plugin.get_min_job_age() == 300
    names = plugin.Executor.check_active_jobs.__code__.co_names
    assert {"query_job_status", "get_min_job_age"} <= set(names)
    assert plugin.Executor.check_active_jobs.__globals__ is vars(plugin)
