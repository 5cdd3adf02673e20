"""Room 5: comparison tables and reports."""
