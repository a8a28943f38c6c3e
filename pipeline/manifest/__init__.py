"""YAML manifests: text in, a checked value out.

    manifest = load("jobs/quickstart.yaml", environ=os.environ, catalogue=catalogue)

gives a `pipeline.manifest.model.Manifest` or raises ManifestError with every problem at its place; `json_schema()` is
the schema for editors. Templates: `pipeline.manifest.template`; names in paths: `pipeline.manifest.names.slug`.
"""

from pipeline.manifest.loading import load
from pipeline.manifest.schema import json_schema

__all__ = ["json_schema", "load"]
