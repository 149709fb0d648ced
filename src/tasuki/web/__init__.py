"""The dashboard: one page of ES modules in `static/`, served as they are.

Docs/web.md tells how it is built.
"""
