"""YAML manifests: text in, a checked value out."""
