"""A sync is a few round trips, however many jobs there are and however far away they run."""

from pathlib import Path

from tests.cluster.cluster_control import Cluster
from tests.cluster.sync_benchmark import JOBS, KNOWN, far_login, one_by_one_seconds, synced


def test_a_hundred_jobs_take_three_commands_and_no_time(cluster: Cluster, tmp_path: Path) -> None:
    with far_login(cluster, tmp_path) as host:
        before = cluster.sessions("key")
        done = synced(cluster, host, "far")
        assert done.commands == cluster.sessions("key") - before == 3
        assert len(done.report.states) == KNOWN + JOBS
        assert len(done.report.flags) >= KNOWN
        assert done.seconds < 3
        assert one_by_one_seconds(host, tmp_path) > 50 * done.upload_seconds
