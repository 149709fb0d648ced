"""How long does a sync with a queue behind ssh take, 50 ms away?

A hundred new jobs of four files (and two scripts) each, a thousand known ones, over one login to a real sshd behind a proxy that
delivers every byte 25 ms later. Beside it, over the same login, sftp puts files one by one: forty of them, scaled to four hundred.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.rows import (
    Benchmark,
    BenchmarkSize,
    ResultRow,
    at_least,
    at_most,
    build_row,
    build_skipped_row,
    compute_ratios,
    exactly,
)
from tests.cluster.cluster_control import CAN_RUN, WHY_NOT, Cluster
from tests.cluster.sync_benchmark import FILES, JOBS, far_login, one_by_one_seconds, synced

__all__ = ["BENCHMARK", "measure"]

ROW_NAMES = (
    "sync of 100 jobs, 1,000 known",
    "commands of one sync",
    "upload of 400 files",
    "sftp, 400 files one by one",
    "sftp by upload",
)


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """The sync, its commands, and how much faster its upload is than sftp's."""
    if not CAN_RUN or shutil.which("sftp") is None:
        return [build_skipped_row(name, "", WHY_NOT) for name in ROW_NAMES]
    with Cluster() as cluster, TemporaryDirectory() as folder, far_login(cluster, Path(folder)) as host:
        runs = [(synced(cluster, host, f"far{n}"), one_by_one_seconds(host, Path(folder))) for n in range(size.runs)]
    uploads, others = [done.upload_seconds for done, _ in runs], [other for _, other in runs]
    assert JOBS * FILES == 400
    return [
        build_row(ROW_NAMES[0], [done.seconds for done, _ in runs], "s", at_most(3)),
        build_row(ROW_NAMES[1], [done.commands for done, _ in runs], "", exactly(3)),
        build_row(ROW_NAMES[2], uploads, "s"),
        build_row(ROW_NAMES[3], others, "s"),
        build_row(ROW_NAMES[4], compute_ratios(others, uploads), "×", at_least(50)),
    ]


BENCHMARK = Benchmark("How long does a sync with a queue behind ssh take, 50 ms away?", __doc__, measure, is_quick=False)
