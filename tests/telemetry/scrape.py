"""A scrape of `/metrics`, parsed as Prometheus does."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

__all__ = ["Scrape", "scrape"]


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of one scrape."""

    text: str
    samples: tuple[Sample, ...]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of this name that have these labels; 0 without any."""
        return sum(
            sample.value for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self, name: str) -> list[Mapping[str, str]]:
        """Return the labels of each sample of this name, without those that are empty."""
        return [{k: v for k, v in each.labels.items() if v} for each in self.samples if each.name == name]


async def scrape(session: ClientSession, url: str, accept: str = "*/*") -> Scrape:
    """Request `/metrics` below a URL."""
    async with session.get(f"{url}/metrics", headers={"Accept": accept}) as response:
        assert response.status == 200
        text = await response.text()
    families = text_string_to_metric_families(text) if accept == "*/*" else ()
    return Scrape(text, tuple(sample for family in families for sample in family.samples))
