"""Pushes with the official client, step by step: the test looks at the gateway between two lines of its input."""
import sys

from prometheus_client import (REGISTRY, CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary,
                               delete_from_gateway, push_to_gateway, pushadd_to_gateway)

gateway = sys.argv[1]
key = {"instance": "a/b c", "empty": "", "text": "50%+é?#&"}


def of_all_types():
    registry = CollectorRegistry()
    Counter("runs", 'Runs "so far"\nof it.', ["result"], registry=registry).labels('o"k\\').inc(3)
    Gauge("level", "Level.", registry=registry).set(float("-inf"))
    summary = Summary("took", "Took.", registry=registry)
    summary.observe(0.25)
    histogram = Histogram("size", "Size.", buckets=[1, 2.5], registry=registry)
    histogram.observe(2)
    Info("about", "About.", registry=registry).info({"version": "1"})
    Enum("state", "State.", states=["up", "down"], registry=registry).state("down")
    return registry


def of_one(value):
    registry = CollectorRegistry()
    Gauge("level", "Level.", registry=registry).set(value)
    return registry


steps = [
    lambda: push_to_gateway(gateway, job="a/job", registry=of_all_types(), grouping_key=key),
    lambda: pushadd_to_gateway(gateway, job="a/job", registry=of_one(2.5), grouping_key=key, compression="gzip"),
    lambda: push_to_gateway(gateway, job="a/job", registry=of_one(7), grouping_key=key),
    # What a client tells of its own process goes with the rest of its registry.
    lambda: push_to_gateway("http://" + gateway + "/", job="defaults", registry=REGISTRY),
    lambda: delete_from_gateway(gateway, job="a/job", grouping_key=key),
    lambda: delete_from_gateway(gateway, job="defaults"),
]
for step in steps:
    sys.stdin.readline()
    step()
    print("done", flush=True)
