"""What the kernel knows: this machine, and what a process has used of it.

CPU time is what the scheduler charged, in ns (proc(5), /proc/PID/task/*/schedstat, first field; the second is the time spent
waiting for a core): exact for threads that run for microseconds at a time, where tick-based times are not.
"""

import os
import platform
import resource
from collections.abc import Iterable
from pathlib import Path

import attrs


@attrs.frozen
class Machine:
    cpu: str
    cores: int
    kernel: str

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores, {platform.system()} {self.kernel}"


def describe() -> Machine:
    models = (line.partition(":")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    return Machine(next(models, platform.processor()).strip(), os.cpu_count() or 1, platform.release())


def thread_times(pid: int) -> dict[int, int]:
    """Thread id to the ns of CPU that it has been charged."""
    return _schedstat(pid, 0)


def thread_waits(pid: int) -> dict[int, int]:
    """Thread id to the ns that it could have run and had no core, because others were on it."""
    return _schedstat(pid, 1)


def _schedstat(pid: int, field: int) -> dict[int, int]:
    times = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            times[int(task.name)] = int((task / "schedstat").read_text().split()[field])
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that ended between the listing and the reading
    return times


@attrs.frozen
class Used:
    """Between two readings of `thread_times` or `thread_waits`: all threads, and the busiest one."""

    total_ns: int
    busiest_ns: int


def used(before: dict[int, int], after: dict[int, int]) -> Used:
    spent = [ns - before.get(tid, 0) for tid, ns in after.items()]
    return Used(sum(spent), max(spent, default=0))


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def proportional_bytes(pid: int) -> int:
    """What is shared with other processes counts in part only (PSS)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))


def allow_files(wanted: int) -> None:
    """Room for `wanted` descriptors, or an OSError that says what to do about it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OSError(f"{wanted} open files are needed and {hard} allowed: raise it by `ulimit -n {wanted}`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def cores() -> tuple[set[int], set[int]]:
    """(the server's, the generator's): the last core generates, so it disturbs no other. One core: both share it."""
    allowed = sorted(os.sched_getaffinity(0))
    return (set(allowed[:-1]), {allowed[-1]}) if len(allowed) > 1 else (set(allowed), set(allowed))


def stay_on(cpus: Iterable[int]) -> None:
    os.sched_setaffinity(0, cpus)
