"""The hooks alone; that a resumed training ends with the same weights is shown in test_fit."""

import os
import signal

import pytest
import torch

from novis.engine.checkpoints import read_checkpoint
from novis.engine.hooks import ResumeHook, ValidationHook, bare, format_scores, format_training
from novis.engine.stopping import Interrupted
from novis.errors import InputError


class Scheduler:
    def __init__(self):
        self.loaded = None

    def state_dict(self):
        return {"last_step": 3}

    def load_state_dict(self, state):
        self.loaded = state


class OptimWrapper:
    def __init__(self):
        self.loaded = None

    def state_dict(self):
        return {"skipped": 0}

    def load_state_dict(self, state):
        self.loaded = state


class Loop:
    def __init__(self, iteration=0):
        self.iteration = iteration
        self.incidents = {}

    def resume_at(self, iteration):
        self.iteration = iteration


class Visualizer:
    def __init__(self):
        self.scalars = []

    def add_scalars(self, scalars, step):
        self.scalars.append((scalars, step))


class Runner:
    def __init__(self, weight=1.0, iteration=0):
        self.model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(self.model.weight, weight)
        self.optim_wrapper = OptimWrapper()
        self.param_schedulers = [Scheduler()]
        self.train_loop = Loop(iteration)
        self.visualizer = Visualizer()


@pytest.fixture
def handlers():
    """Signals are handled as before when the test is over."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def saving(tmp_path, interval=2, minutes=60.0, identity="run"):
    return ResumeHook(tmp_path / "state.pth", interval, minutes, identity)


@pytest.mark.usefixtures("handlers")
def test_state_is_saved_at_the_interval_and_taken_up(tmp_path):
    hook = saving(tmp_path)
    hook.before_train(Runner())
    hook.after_train_iter(Runner(weight=5.0, iteration=0), 0)
    assert not (tmp_path / "state.pth").exists()
    hook.after_train_iter(Runner(weight=5.0, iteration=1), 1)
    runner = Runner()
    saving(tmp_path).before_train(runner)
    assert runner.train_loop.iteration == 2
    assert float(runner.model.weight) == 5.0
    assert runner.param_schedulers[0].loaded == {"last_step": 3}
    assert runner.optim_wrapper.loaded == {"skipped": 0}


@pytest.mark.usefixtures("handlers")
def test_state_is_saved_when_time_is_up(tmp_path):
    hook = saving(tmp_path, interval=1000, minutes=0.0)
    hook.before_train(Runner())
    hook.after_train_iter(Runner(), 0)
    assert read_checkpoint(tmp_path / "state.pth")["iteration"] == 1


@pytest.mark.usefixtures("handlers")
def test_who_must_not_write_does_not(tmp_path):
    def refuse():
        raise InputError("taken over")

    hook = ResumeHook(tmp_path / "state.pth", 1, 60.0, "run", refuse)
    hook.before_train(Runner())
    with pytest.raises(InputError, match="taken over"):
        hook.after_train_iter(Runner(), 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_stops_with_try_again_later(tmp_path, number):
    hook = saving(tmp_path, interval=1000)
    hook.before_train(Runner())
    os.kill(os.getpid(), number)
    with pytest.raises(Interrupted) as stop:
        hook.after_train_iter(Runner(iteration=4), 4)
    assert stop.value.code == 75
    assert read_checkpoint(tmp_path / "state.pth")["iteration"] == 5


@pytest.mark.usefixtures("handlers")
def test_the_state_of_another_run_is_refused(tmp_path):
    hook = saving(tmp_path, interval=1)
    hook.before_train(Runner())
    hook.after_train_iter(Runner(), 0)
    with pytest.raises(InputError, match="another configuration"):
        saving(tmp_path, identity="other").before_train(Runner())


@pytest.mark.usefixtures("handlers")
def test_time_of_training_adds_up_over_interruptions(tmp_path):
    hook = saving(tmp_path, interval=1)
    hook.seconds = 100.0
    hook.before_train(Runner())
    hook.after_train_iter(Runner(), 0)
    again = saving(tmp_path)
    again.before_train(Runner())
    assert again.elapsed >= 100.0


def test_validation_is_logged_and_leaves_the_model_in_training(caplog):
    runner, modes = Runner(iteration=3), []
    hook = ValidationHook(lambda model: modes.append(model.training) or {"AP": 0.25}, 2)
    with caplog.at_level("INFO"):
        hook.after_train_iter(runner, 3)
    assert modes == [False]
    assert runner.model.training
    assert runner.visualizer.scalars == [({"validation/AP": 0.25}, 4)]
    assert "AP 25.0" in caplog.text
    hook.after_train_iter(Runner(iteration=4), 4)
    assert modes == [False]


def test_scores_are_shown_in_percent():
    assert format_scores({"AP": 0.2512, "AR1": 0.2}) == "AP 25.1, AR1 20.0"


def test_a_plain_model_is_bare():
    model = torch.nn.Linear(1, 1)
    assert bare(model) is model


def test_the_losses_of_a_line_are_sums_over_layers():
    scalars = {"loss": 6.5, "loss_class": 0.5, "loss_class_0": 1.0, "loss_dice": 2.0, "loss_dice_11": 3.0}
    rest = {"gradient_norm": 12.34, "lr": 1e-4, "time": 0.5, "data_time": 0.25, "skipped_steps": 0}
    line = format_training(scalars | rest)
    assert line == (
        "loss 6.5 (class 1.5, dice 5), gradient 12.3, learning rate 0.0001, "
        "0.50 s an iteration (0.25 s for data)"
    )
    assert format_training(scalars | rest | {"memory": 2048}) == line + ", 2.0 GiB of GPU"
