"""Trusted documents and automatic persisted queries."""
