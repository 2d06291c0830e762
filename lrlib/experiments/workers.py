"""Where the runs of a race take place: in threads, or wherever an executor says."""

from __future__ import annotations

import hashlib
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Generator, Mapping
from concurrent import futures
from typing import Any, Protocol

from lrlib.experiments import internals
from lrlib.experiments.results import Run

#: How often a run is tried on an executor whose workers die.
ATTEMPTS = 3

Outcomes = Generator[tuple[str, int, Run | str], None, None]


class Interrupted(Exception):
    """The race was stopped in the middle of a run."""


class Job(Protocol):
    """What to run; it can be pickled."""

    @property
    def entries(self) -> Mapping[str, Any]:
        """The entries, by name."""

    def start(self, seed: int) -> Any:
        """Prepare what all runs of a seed share."""

    def run(self, name: str, seed: int, stop: threading.Event | None = None) -> Run:
        """Train an entry; raise `Interrupted` once `stop` is set."""


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _message(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def in_threads(job: Job, runs: list[tuple[str, int]]) -> Outcomes:
    """Do the runs in threads of this process, one per core."""
    for seed in dict.fromkeys(seed for _, seed in runs):
        job.start(seed)
    pending: dict[str, deque[int]] = {name: deque() for name in job.entries}
    for name, seed in runs:
        pending[name].append(seed)
    started: set[str] = set()
    outcomes: queue.SimpleQueue[tuple[str, int, Run | str]] = queue.SimpleQueue()
    lock, stop = threading.Lock(), threading.Event()

    def next_run(last: str | None) -> tuple[str, int] | None:
        # A thread stays with its entry, which it has compiled, then takes one that no
        # other thread has, then helps where most is left to do.
        with lock:
            left = [name for name, seeds in pending.items() if seeds]
            if not left:
                return None
            name = max(
                left,
                key=lambda n: (n == last, n not in started, len(pending[n])),
            )
            started.add(name)
            return name, pending[name].popleft()

    def work() -> None:
        run = next_run(None)
        while run and not stop.is_set():
            try:
                outcomes.put((*run, job.run(*run, stop)))
            except Interrupted:
                return
            except Exception as error:
                outcomes.put((*run, _message(error)))
            run = next_run(run[0])

    threads = [
        threading.Thread(target=work, name=f"race-{i}")
        for i in range(min(cores(), len(runs)))
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in runs:
            yield outcomes.get()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


#: The last job that this worker process was sent, by its hash.
_received: dict[str, Job] = {}
_received_lock = threading.Lock()


def _in_worker(
    payload: bytes, key: str, name: str, seed: int, attempt: int
) -> Run | str:
    """Do one run in a worker.

    An error of the run is returned as its message: what is raised instead is the
    worker's trouble, and worth another attempt. The number of the attempt is an
    argument so that Dask, which takes equal calls for the same one, does it again.
    """
    import pickle

    del attempt
    with _received_lock:
        if key not in _received:
            _received.clear()
            _received[key] = pickle.loads(payload)
        job = _received[key]
    try:
        return job.run(name, seed)
    except Exception as error:
        return _message(error)


def in_executor(
    job: Job, runs: list[tuple[str, int]], executor: futures.Executor
) -> Outcomes:
    """Do the runs on an executor, and again those whose worker dies."""
    import cloudpickle  # entries are mostly lambdas, which pickle refuses

    payload = cloudpickle.dumps(job)
    key = hashlib.sha256(payload).hexdigest()
    ours: futures.Executor | None = None
    why = ""
    try:
        for attempt in range(ATTEMPTS):
            left, waiting = [], {}
            try:
                for run in runs:
                    args = (payload, key, *run, attempt)
                    waiting[executor.submit(_in_worker, *args)] = run
            except futures.BrokenExecutor:  # already, by the first runs of these
                left = [run for run in runs if run not in waiting.values()]
            try:
                for future in futures.as_completed(waiting):
                    try:
                        yield *waiting[future], future.result()
                    except (Exception, futures.CancelledError) as error:
                        why = _message(error)
                        left.append(waiting[future])
            finally:
                for future in waiting:
                    future.cancel()
            if not left:
                return
            runs = left
            if isinstance(executor, futures.ProcessPoolExecutor):
                # One dead process breaks the whole pool for good.
                if ours:
                    ours.shutdown()
                executor = ours = internals.same_pool(executor)
        for run in runs:
            yield *run, f"its worker died {ATTEMPTS} times. {why}"
    finally:
        if ours:
            ours.shutdown(cancel_futures=True)


def progress_bar(
    total: int, show: bool | None, name: str = "race", unit: str = "run"
) -> Any:
    """Return a progress bar; None shows it in terminals and notebooks."""
    from tqdm.auto import tqdm

    if show is None:
        in_notebook = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
        show = None if in_notebook or sys.stderr.isatty() else False
    # Where `disable` is not said, tqdm looks at TQDM_DISABLE.
    disable = {} if show is None else {"disable": not show}
    return tqdm(total=total, desc=name, unit=unit, **disable)


def check_progress(show: Any) -> None:
    """Raise if this doesn't say whether to show a progress bar."""
    if not isinstance(show, bool | None):
        raise TypeError(f"progress must be True, False or None, got {show!r}")


def check_executor(executor: Any) -> None:
    """Raise if runs can't take place there."""
    if executor is None:
        return
    if not isinstance(executor, futures.Executor):
        raise TypeError(
            "executor must be a concurrent.futures.Executor, such as Dask's "
            f"client.get_executor(), got {executor!r}"
        )
    if not isinstance(executor, futures.ProcessPoolExecutor):
        return
    if internals.start_method(executor) == "fork":
        raise ValueError(
            "executor: processes that are forked hang in TensorFlow; give the "
            'pool mp_context=multiprocessing.get_context("spawn")'
        )
