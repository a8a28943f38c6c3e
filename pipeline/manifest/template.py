"""Prompt templates and `where` expressions: Jinja2, sandboxed, every name must exist."""
