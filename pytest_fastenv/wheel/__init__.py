"""The rules of wheels: names, RECORD, entry points, schemes, scripts, core metadata."""
