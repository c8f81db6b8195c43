"""The page of the metrics: every family that the registry of a running application has."""

from prometheus_client.parser import text_string_to_metric_families

from tests.docs.reference.markdown import code, page, table
from tests.docs.reference.words import METRICS, check
from web.http.app import Application

INTRODUCTION = """\
`GET /metrics` gives these in Prometheus' text format. They are of one process since it started. The route has no token:
let your proxy keep strangers out."""


def metrics_page(application: Application) -> str:
    """The page."""
    scraped = application._metrics.scrape().decode()
    families = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(scraped)
        if not family.name.endswith("_created")
    }
    check("metrics", METRICS, families)
    rows = [(code(name), families[name].type, meaning) for name, meaning in METRICS.items()]
    return page("Metrics", INTRODUCTION, table(["name", "type", "meaning"], rows))
