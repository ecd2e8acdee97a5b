"""For those who run the server: alive, ready, figures, and a description of the REST routes."""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from quart import Response
from quart_trio import QuartTrio

from api import openapi
from api.http import json_response
from api.services import Services
from api.version import atrium_version


def mount(app: QuartTrio, services: Services) -> None:
    registry = CollectorRegistry()
    registry.register(_Figures(services))
    document = openapi.document(atrium_version())

    @app.get("/healthz")
    async def healthz() -> Response:
        return json_response({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> Response:
        if services.readiness.draining:
            return json_response({"status": "draining"}, 503)
        return json_response({"status": "ready"})

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json")
    async def describe() -> Response:
        return json_response(document)


class _Figures(Collector):
    """Read from where they are kept, at the moment of asking; nothing is counted twice."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        live = self._services.rooms.snapshot()
        yield GaugeMetricFamily("atrium_rooms", "Live rooms.", value=len(live))
        members = GaugeMetricFamily("atrium_members", "Members of live rooms.", labels=["dialect"])
        dialects = [member.dialect for room in live for member in room.members]
        for dialect in sorted({"room_api", *dialects}):
            members.add_metric([dialect], dialects.count(dialect))
        yield members
        media = CounterMetricFamily("atrium_media", "Work and drops of the media engine, by name.", labels=["counter"])
        for name, count in sorted(self._services.engine.counters().items()):
            media.add_metric([name], count)
        yield media
        now = GaugeMetricFamily("atrium_media_now", "What the media engine holds now, by name.", labels=["gauge"])
        for name, count in sorted(self._services.engine.gauges().items()):
            now.add_metric([name], count)
        yield now
        connections = CounterMetricFamily(
            "atrium_http_connections_cut", "Connections that the server ended, by reason.", labels=["reason"]
        )
        for reason, count in self._services.connections.counts().items():
            connections.add_metric([reason], count)
        yield connections
