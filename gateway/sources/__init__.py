"""Clients of the sources, one folder for each, and the pipeline that all of them use."""
