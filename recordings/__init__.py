"""Traces to disk and back, and videos of them."""
