"""HTTP building blocks: problem documents, bodies, and response schemas."""
