import os

import torch

from novis.engine.hardware import describe_hardware, num_cores, processor_name, synchronise


def test_the_processor_is_named_where_there_is_no_gpu():
    found = describe_hardware(torch.device("cpu"))
    assert found["device"] == found["processor"] == processor_name() != ""
    assert found["threads"] == torch.get_num_threads()
    assert found["torch"] == torch.__version__
    assert found["cuda"] is None


def test_a_gpu_is_named_and_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a fast GPU")
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    assert describe_hardware(torch.device("cuda:0"))["device"] == "a fast GPU"
    synchronise(torch.device("cuda:0"))
    synchronise(torch.device("cpu"))
    assert waited == [torch.device("cuda:0")]


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert num_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert num_cores() == 64
