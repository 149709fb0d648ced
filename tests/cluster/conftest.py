"""One cluster for all tests of the group; without it they are skipped here, and fail in CI."""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.cluster_control import CAN_RUN, WHY_NOT, Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A real sshd and a real Slurm with PBS commands."""
    if not CAN_RUN:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(WHY_NOT)
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def nothing_broken(cluster: Cluster) -> Iterator[None]:
    """Whatever a test has broken is whole for the next."""
    yield
    cluster.no_faults()
    cluster.up()
