"""The benchmark: this gateway beside the ones that people would otherwise run, in front of the same sources.

`make bench`, or `python -m benchmarks --help`. The peers are installed from their registries with `peers/package.json`;
each has a small adapter of ours in `peers/`, written for that peer's own best means.
"""
