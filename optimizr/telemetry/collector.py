"""From the table of metrics to what prometheus_client writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from optimizr.live import Live
from optimizr.telemetry.draw import Histogram, Labels, Sight, look
from optimizr.telemetry.metrics import METRICS, Metric

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def registry(live: Live, shard: str) -> CollectorRegistry:
    """Make the registry of a run, which has nothing but the run's metrics."""
    made = CollectorRegistry()
    made.register(RunCollector(live, shard))
    return made


class RunCollector(Collector):
    """Draws all metrics of a run when it is asked to. For any thread."""

    def __init__(self, live: Live, shard: str) -> None:
        self._live = live
        self._shard = shard
        self._lock = threading.Lock()
        self._highest: dict[tuple[str, Labels], float] = {}
        """Of each counter, the most that was told."""

    def collect(self) -> Iterator[Family]:
        """Give the metrics as they are just now."""
        with self._lock:  # else who looked first and tells last would tell less
            sight = look(self._live, self._shard)
            families = [self._family(metric, sight) for metric in METRICS]
        yield from families

    def _family(self, metric: Metric, sight: Sight) -> Family:
        values = metric.draw(sight)
        if isinstance(values, Histogram):
            return HistogramMetricFamily(metric.name, metric.help, values.buckets, values.sum)
        if metric.kind == "counter":
            counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in values.items():
                counter.add_metric(labels, self._risen(metric.name, labels, value))
            return counter
        gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in values.items():
            gauge.add_metric(labels, value)
        return gauge

    def _risen(self, name: str, labels: Labels, value: float) -> float:
        """Keep a counter from going down by a rounding, which would be taken for a restart."""
        highest = max(value, self._highest.get((name, labels), value))
        self._highest[name, labels] = highest
        return highest
