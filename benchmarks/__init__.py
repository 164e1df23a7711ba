"""The benchmark: compares this gateway with other gateways and servers, in front of the same sources.

Run `make bench` or `python -m benchmarks --help`. The peers are installed from their registries with
`peers/package.json`. Each has a small adapter in `peers/`, which uses the fastest features of that peer.
"""
