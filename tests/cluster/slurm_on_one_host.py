"""A real Slurm of three nodes on this host, for the tests: loopback only, own keys, own folder.

Several ``slurmd`` with a name and a port each play the nodes; two device files a node play
its GPUs. ``srun`` inside a job finds the configuration only in /etc/slurm (the executor
strips SLURM_CONF), so two links are put there for as long as the cluster runs.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

NODES = ("n1", "n2", "n3")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo", "sacct")
_SYSTEM = Path("/etc/slurm")
# Debian puts the daemons where a user's PATH may not reach.
_PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"

_CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits for as long as credentials live: two minutes by default, five seconds at least.
AuthInfo=socket={root}/run/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={port}
SlurmdPort={port_nodes}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_min_interval=200000,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
InactiveLimit=0
KillWait=10
MinJobAge={min_job_age}
MpiDefault=none
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=20000
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={port_n1} Gres=gpu:2
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={port_n2} Gres=gpu:2
NodeName=n3 NodeHostname=localhost NodeAddr=127.0.0.1 Port={port_n3}
PartitionName=gpu Nodes=n[1-2] Default=YES DefaultTime=5 MaxTime=10 DefMemPerCPU=100 PriorityTier=1 \
GraceTime=60
PartitionName=cpu Nodes=n3 MaxTime=120 DefMemPerCPU=100
PartitionName=urgent Nodes=n[1-2] MaxTime=10 DefMemPerCPU=100 PriorityTier=10 PreemptMode=OFF
"""
_DEVICES = (
    "AutoDetect=off\nNodeName=n[1-3] Name=gpu File=/dev/null\nNodeName=n[1-3] Name=gpu File=/dev/zero\n"
)


def missing() -> str | None:
    """Why no cluster can be started here, or None."""
    absent = [program for program in PROGRAMS if not shutil.which(program, path=_PATH)]
    if absent:
        return f"Slurm is not installed ({', '.join(absent)} missing; Debian: slurm-wlm slurm-client munge)"
    if os.geteuid() != 0:
        return "several slurmd on one host need root"
    Cluster.stop_abandoned()
    if any((_SYSTEM / name).exists() for name in ("slurm.conf", "gres.conf")):
        return f"{_SYSTEM} holds the configuration of another cluster"
    return None


class JobState(NamedTuple):
    """What is asked about a job."""

    state: str
    node: str
    comment: str
    restarts: int


class Cluster:
    """Three nodes ``n1`` to ``n3``: partitions ``gpu`` (the first two), ``cpu`` and, preempting, ``urgent``.

    Args:
        root: a folder for everything that the daemons write.
        min_job_age: seconds that a finished job can be asked about.
    """

    def __init__(self, root: Path, min_job_age: int = 600) -> None:
        self.root = root
        for part in ("run", "log", "state", *(f"spool/{node}" for node in NODES)):
            (root / part).mkdir(parents=True)
        (root / "log").chmod(0o700)
        names = ("port", "port_nodes", *(f"port_{node}" for node in NODES))
        ports = dict(zip(names, _free_ports(len(names)), strict=True))
        (root / "slurm.conf").write_text(_CONFIGURATION.format(root=root, min_job_age=min_job_age, **ports))
        (root / "gres.conf").write_text(_DEVICES)

    @classmethod
    def stop_abandoned(cls) -> None:
        """Stop a cluster whose tests were killed before they could."""
        root = (_SYSTEM / "slurm.conf").resolve().parent
        owner = root / "owner"
        if owner.exists() and not Path(f"/proc/{owner.read_text()}").exists():
            left = cls.__new__(cls)
            left.root = root
            left.stop()

    def start(self) -> None:
        """Start all daemons and wait until the nodes are idle."""
        (self.root / "owner").write_text(str(os.getpid()))
        _SYSTEM.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            link = _SYSTEM / name
            link.unlink(missing_ok=True)
            link.symlink_to(self.root / name)
        self._start_munge()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait_for(lambda: all(state == "idle" for state in self.nodes().values()))

    def stop(self) -> None:
        """End jobs and daemons, and take the links away."""
        subprocess.run(["scancel", "--full", "--user=root"], capture_output=True)
        for node in NODES:
            self.kill_node(node)
        self.stop_controller()
        _end(self.root / "run" / "munged.pid", signal.SIGTERM)
        for name in ("slurm.conf", "gres.conf"):
            (_SYSTEM / name).unlink(missing_ok=True)

    def start_controller(self) -> None:
        """Start slurmctld; it takes up the jobs that it left."""
        self._run("slurmctld")

    def stop_controller(self) -> None:
        """End slurmctld and wait until it is gone; jobs go on without it."""
        _end(self.root / "run" / "slurmctld.pid", signal.SIGTERM)

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._run("slurmd", "-N", node)

    def kill_node(self, node: str) -> None:
        """What a power cut does: slurmd, its step managers and all their processes are gone at once."""
        log = str(self.root / "log" / f"{node}.log")
        _end(self.root / "run" / f"{node}.pid", signal.SIGKILL)
        managers = [
            pid for pid, words in _processes() if words.startswith("slurmstepd") and log in _open_files(pid)
        ]
        for pid in [*managers, *(child for manager in managers for child in _descendants(manager))]:
            _kill(pid, signal.SIGKILL)

    def query(self, *words: str) -> str:
        """What a Slurm command prints."""
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    def nodes(self) -> dict[str, str]:
        """The state of every node."""
        return dict(line.split() for line in self.query("sinfo", "-h", "-N", "-o", "%N %t").splitlines())

    def jobs(self, states: str = "all") -> dict[int, JobState]:
        """Every job that Slurm still knows, by number."""
        lines = self.query(
            "squeue", "-h", "-t", states, "-O", "JobID:|,State:|,NodeList:|,Comment:|,RestartCnt:|"
        )
        rows = [line.split("|") for line in lines.splitlines()]
        return {int(row[0]): JobState(row[1], row[2], row[3], int(row[4])) for row in rows}

    def wait_for(self, condition, seconds: float = 60) -> None:
        """Wait until ``condition()`` is true."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, (
                f"not within {seconds} s\n{self.query('squeue')}\n{self.query('sinfo')}"
            )
            time.sleep(0.25)

    def _start_munge(self) -> None:
        key = self.root / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        run = self.root / "run"
        self._run(
            "munged",
            # A socket in a folder that only its owner may enter is all that is needed here.
            "--force",
            f"--key-file={key}",
            f"--socket={run / 'munge.socket'}",
            f"--pid-file={run / 'munged.pid'}",
            f"--log-file={self.root / 'log' / 'munged.log'}",
            f"--seed-file={run / 'munged.seed'}",
        )

    def _run(self, *words: str) -> None:
        surroundings = os.environ | {"PATH": _PATH, "SLURM_CONF": str(self.root / "slurm.conf")}
        # The daemons go on in the background: their output must not be a pipe that someone waits for.
        log = self.root / "log" / "start.log"
        with log.open("ab") as output:
            code = subprocess.run(words, stdout=output, stderr=output, env=surroundings).returncode
        assert code == 0, f"{words[0]}: {log.read_text()}"


def _free_ports(number: int) -> list[int]:
    """As many different ports that nobody listens on."""
    probes = [socket.socket() for _ in range(number)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _end(pid_file: Path, number: int) -> None:
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    _kill(pid, number)
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _processes() -> list[tuple[int, str]]:
    lines = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [(int(line.split(maxsplit=1)[0]), line.split(maxsplit=1)[1]) for line in lines.splitlines()]


def _open_files(pid: int) -> str:
    return "\n".join(str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir())


def _descendants(pid: int) -> list[int]:
    lines = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in lines.splitlines())}
    below = [child for child, parent in parents.items() if parent == pid]
    return below + [deeper for child in below for deeper in _descendants(child)]
