"""The gateway and Prometheus, first without traffic, then under all of it."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from grafana import Query, queries, value_of_variable
from prometheus import Prometheus
from traffic import Shop

JOB = "intentgate"


class Seen(NamedTuple):
    """What every query of every dashboard returned."""

    shop: Shop
    prometheus: Prometheus
    results: dict[Query, list]


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    try:
        shop = Shop(os.environ["GATEWAY"], Path(folder))
    except SystemExit as error:
        pytest.exit(str(error), returncode=1)
    yield shop
    shop.stop()


@pytest.fixture(scope="session")
def prometheus(shop, tmp_path_factory):
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), instance(shop))
    yield prometheus
    prometheus.stop()


@pytest.fixture(scope="session")
def idle(shop, prometheus) -> Seen:
    """A fresh install: nothing was asked yet."""
    # As many scrapes as the shortest window of a dashboard holds.
    prometheus.wait("count_over_time(up[1m]) >= 4")
    return look(shop, prometheus, ".+", ".+")


@pytest.fixture(scope="session")
def busy(idle) -> Seen:
    shop, prometheus = idle.shop, idle.prometheus
    shop.mix()
    shop.reload()
    shop.review()
    # A series is seen to grow from its second scrape on.
    prometheus.wait_scrapes(2)
    shop.mix()
    shop.open_upstreams()
    prometheus.wait_scrapes(2)
    return look(shop, prometheus, JOB, value_of_variable(instance(shop)))


def instance(shop: Shop) -> str:
    return f"127.0.0.1:{shop.gateway.admin_port}"


def look(shop: Shop, prometheus: Prometheus, job: str, instance: str) -> Seen:
    now = time.time()
    return Seen(shop, prometheus, {query: query.run(prometheus, now, job, instance) for query in queries()})
