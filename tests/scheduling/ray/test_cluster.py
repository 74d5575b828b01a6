import importlib.util
import socket

import pytest

from tftransfer.scheduling.ray import cluster
from tftransfer.scheduling.ray.cluster import Demand

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra ray)")


def test_a_gpu_each_where_there_are_any_with_its_share_of_the_cores():
    head, small, large = {"CPU": 4.0}, {"CPU": 16.0, "GPU": 4.0}, {"CPU": 64.0, "GPU": 8.0}
    demand = cluster.demand([head, small, large])
    assert demand == Demand(gpus=1, cpus=4)
    assert [demand.fits(node) for node in (head, small, large)] == [0, 4, 8]


def test_without_gpus_all_cores_of_the_smallest_node():
    head, small, large = {"CPU": 0.0}, {"CPU": 8.0}, {"CPU": 20.0}
    demand = cluster.demand([head, small, large])
    assert demand == Demand(gpus=0, cpus=8)
    assert [demand.fits(node) for node in (head, small, large)] == [0, 1, 2]


def test_a_cluster_without_cores_is_refused():
    with pytest.raises(ValueError, match="No node of the Ray cluster has a core"):
        cluster.demand([{"CPU": 0.0}, {"memory": 1e9}])


def test_ray_must_be_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(ValueError, match=r"not installed: pip install 'tftransfer\[ray\]'"),
        cluster.joined("127.0.0.1:1"),
    ):
        pass


@needs_ray
@pytest.mark.parametrize("address", ["localhost", "ray://localhost:10001", ":6379", "host:port"])
def test_addresses_are_host_and_port(address):
    with pytest.raises(ValueError, match=r"Expected HOST:PORT.*Received"), cluster.joined(address):
        pass


@needs_ray
def test_an_address_where_nothing_listens_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"Cannot join the Ray cluster at {address}: ") as error:
            cluster._require_answer(address)
    assert "\n" not in str(error.value)


@needs_ray
def test_something_else_that_listens_is_not_waited_for_long(monkeypatch):
    monkeypatch.setattr(cluster, "_JOIN_SECONDS", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(ValueError, match=r"no Ray cluster answered.*ray start"),
    ):
        cluster._require_answer(f"127.0.0.1:{other.getsockname()[1]}")
