"""Turns YAML job manifests into finished image assets through paid, OpenAI-compatible endpoints."""
